# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of the project that read what others made, each with a generator of hostile input.

Each function takes an empty folder and returns a `Target`.  They run in a child process.
"""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import io
import json
import os
from pathlib import Path
import signal
from typing import Any, NamedTuple

from fuzz import hostile
from fuzz.hostile import Case
import numpy as np
from numpy.random import Generator


class Target(NamedTuple):
    """A part of the project under attack.

    Attributes:
        generate: Makes a case from a seeded generator.
        use: Gives the case to the project, and raises AssertionError if what comes back is wrong.
        errors: What it may raise; its text is what the user reads.
        cpu_s: Seconds of processor time that one case may take.
    """

    generate: Callable[[Generator], Case]
    use: Callable[[Case], None]
    errors: tuple[type[Exception], ...]
    cpu_s: int = 10


class RefusedError(Exception):
    """A command ended with status 1 or 2 and this on standard error."""


def raw(folder: Path) -> Target:
    """Raw images in the node's bridge: an RGB image of the message's size, or a ValueError."""
    from fuzz.messages import raw_image

    from eov_seg_ros.conversions import image_to_rgb

    def use(case: Case) -> None:
        rgb = image_to_rgb(case.content)
        assert rgb.shape == (case.content.height, case.content.width, 3), rgb.shape
        assert rgb.dtype == np.uint8

    return Target(raw_image, use, (ValueError,))


def compressed(folder: Path) -> Target:
    """Compressed images in the node's bridge: an RGB image, or a ValueError."""
    from fuzz.messages import compressed_image

    from eov_seg_ros.conversions import image_to_rgb

    return Target(compressed_image, lambda case: _check_rgb(image_to_rgb(case.content)),
                  (ValueError,))


def picture(folder: Path) -> Target:
    """Pictures for `eov-seg segment`."""
    from eov_seg_core.io.media import MediaError, read_image

    return Target(hostile.picture, _reading(folder, lambda path: _check_rgb(read_image(path))),
                  (MediaError,))


def coco_png(folder: Path) -> Target:
    """Label images in COCO's panoptic format."""
    from eov_seg_core.io.coco import read_panoptic_png

    def check(path: Path) -> None:
        ids = read_panoptic_png(path)
        assert ids.ndim == 2
        assert 0 <= ids.min() <= ids.max() < 2**24

    return Target(lambda rng: hostile.picture(rng, ['.png']), _reading(folder, check),
                  (ValueError, OSError))


def _check_rgb(rgb: Any) -> None:
    assert rgb.dtype == np.uint8
    assert rgb.ndim == 3
    assert rgb.shape[2] == 3
    assert min(rgb.shape) > 0


def _reading(folder: Path, read: Callable[[Path], object]) -> Callable[[Case], None]:
    """Return a function that writes a case to a file and reads it."""
    def use(case: Case) -> None:
        path = folder / f'case{case.suffix}'
        path.write_bytes(case.content)
        read(path)

    return use


def vocabulary(folder: Path) -> Target:
    """Vocabulary files, YAML and lists."""
    from eov_seg_core.vocabulary import Vocabulary

    def check(path: Path) -> None:
        words = Vocabulary.from_file(path)
        assert 1 <= len(words) <= 4096
        assert all(isinstance(name, str) and name.strip() for name in words.names)

    return Target(hostile.vocabulary, _reading(folder, check), (ValueError, OSError))


def recipe(folder: Path) -> Target:
    """Training recipes: the project's own, changed as YAML or damaged as a file."""
    from training.recipe_file import read_recipe

    texts = [path.read_text(encoding='utf-8')
             for path in sorted((Path(__file__).parents[2] / 'config/training').glob('*.yaml'))]

    def generate(rng: Generator) -> Case:
        text = str(rng.choice(texts))
        if rng.integers(3) == 0:
            return hostile.vocabulary(rng)._replace(suffix='.yaml')
        return hostile.damaged(text.encode(), '.yaml', rng)

    return Target(generate, _reading(folder, read_recipe), (ValueError,))


def panoptic_json(folder: Path) -> Target:
    """The JSON of `python -m training.panoptic_quality`, as truth and as prediction."""
    from eov_seg_core.io.coco import ids_to_rgb
    from eov_seg_core.io.media import save_picture
    from training.panoptic_quality import main

    ids = np.repeat(np.arange(1, 5), 16).reshape(8, 8)
    for name in ('a.png', 'b.png'):
        save_picture(folder / name, ids_to_rgb(ids))
    segments = [{'id': number, 'category_id': 1 + number % 2, 'area': 16, 'iscrowd': 0,
                 'bbox': [0, 2 * number - 2, 8, 2]} for number in range(1, 5)]
    content = {
        'images': [{'id': number, 'file_name': f'{name}.jpg', 'height': 8, 'width': 8}
                   for number, name in enumerate('ab')],
        'annotations': [{'image_id': number, 'file_name': f'{name}.png', 'segments_info': segments}
                        for number, name in enumerate('ab')],
        'categories': [{'id': number, 'name': name, 'isthing': number - 1, 'supercategory': name}
                       for number, name in ((1, 'floor'), (2, 'chair'))]}
    good = folder / 'good.json'
    good.write_text(json.dumps(content), encoding='utf-8')

    def use(case: Case) -> None:
        bad = folder / 'bad.json'
        bad.write_bytes(case.content)
        files = (bad, good) if len(case.content) % 2 else (good, bad)
        _run(main, [*map(str, files), '--gt-folder', str(folder), '--pred-folder', str(folder)])

    return Target(lambda rng: hostile.json_text(content, rng), use, (RefusedError,))


def _run(main: Callable[[list[str]], int], arguments: list[str]) -> None:
    """Run a command in this process.

    Raises:
        RefusedError: It ended with status 1 or 2, and said why.
    """
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        status = main(arguments)
    if status:
        assert status in (1, 2), status
        raise RefusedError(error.getvalue())


def results_json(folder: Path) -> Target:
    """`panoptic.json` of an earlier run, which `eov-seg segment --skip-existing` reads."""
    from eov_seg_core.io.coco import CocoWriter
    from eov_seg_core.results.result import PanopticResult, Segment
    from eov_seg_core.vocabulary import Vocabulary

    words = Vocabulary(['chair'], ['floor'])
    result = PanopticResult(np.ones((8, 8), np.int32),
                            [Segment(1, 1, 'chair', True, 0.9, 64, (0, 0, 8, 8))])
    writer = CocoWriter(folder, words)
    for name in 'ab':
        writer.add(result, name, f'{name}.jpg', f'{name}.jpg')
    writer.save()
    files = {name: json.loads((folder / name).read_text(encoding='utf-8'))
             for name in ('panoptic.json', 'detections.json')}

    def generate(rng: Generator) -> Case:
        name = str(rng.choice(list(files)))
        return hostile.json_text(files[name], rng)._replace(suffix=name)

    def use(case: Case) -> None:
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content), encoding='utf-8')
        (folder / case.suffix).write_bytes(case.content)
        again = CocoWriter(folder, words, resume=True)
        again.add(result, 'c', 'c.jpg')
        again.save()
        json.loads((folder / 'panoptic.json').read_text(encoding='utf-8'))

    return Target(generate, use, (ValueError, OSError))


def planted(folder: Path) -> Target:
    """A part with every fault that the harness must find, for a test of the harness itself."""
    def generate(rng: Generator) -> Case:
        return Case(str(rng.choice(['good', 'refused', 'KeyError', 'long', 'memory', 'hang',
                                    'crash', 'exit'])), b'', '')

    def use(case: Case) -> None:
        if case.kind == 'refused':
            raise ValueError('this is no picture')
        if case.kind == 'KeyError':
            raise KeyError('width')
        if case.kind == 'long':
            raise ValueError('x' * 100_000)
        if case.kind == 'memory':
            np.ones(3 * 2**30 // 2, np.uint8)
        while case.kind == 'hang':
            pass
        if case.kind == 'crash':
            os.kill(os.getpid(), signal.SIGSEGV)
        if case.kind == 'exit':
            os._exit(0)

    return Target(generate, use, (ValueError,), cpu_s=3)
