# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures are labelled in parts: resumed whatever ends the process, shared, in flat memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

from bag_case import StripSegmenter, visible_below
from cli_case import read
import picture_parts_case
from picture_parts_case import label, make_folder
import pytest

from eov_seg_core.io.coco import read_panoptic_file, read_panoptic_png
from eov_seg_core.pictures.listing import read_list
from eov_seg_core.pictures.options import PictureOptions
from eov_seg_core.pictures.part import in_advance


class StoppingSegmenter(StripSegmenter):
    """Ends as by Ctrl-C after some calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._left = calls

    def _segment(self, rgb):
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return super()._segment(rgb)


def start(folder: Path, output: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, picture_parts_case.__file__, folder, output])


def test_what_is_written(tmp_path) -> None:
    folder = make_folder(tmp_path / 'in', 23, broken=[3])
    (folder / 'film.mp4').write_bytes(b'')
    problems: list[str] = []
    report = label(folder, tmp_path / 'out', problems=problems)
    assert (report.frames, report.done, report.failed, report.skipped, report.new,
            report.missing_parts) == (24, 22, 1, 1, 22, 0)
    assert len(problems) == 1
    assert 'p0003.png' in problems[0]
    assert [entry['origin'] for entry in read(tmp_path / 'out' / 'failed.json')] == [
        '../in/p0003.png']
    written = read_panoptic_file(tmp_path / 'out' / 'panoptic.json')
    assert list(written.images) == list(range(1, 23))
    assert written.annotations[22].file_name == 'part_00002/p0022.png'
    ids = read_panoptic_png(tmp_path / 'out' / 'panoptic' / written.annotations[22].file_name)
    assert ids[0].tolist() == [1] * (1 + 22 % 5) + [2] * (5 - 22 % 5)
    assert (tmp_path / 'out' / 'overlay' / 'part_00002' / 'p0022.jpg').exists()
    detections = read(tmp_path / 'out' / 'detections.json')
    assert [entry['image_id'] for entry in detections] == list(range(1, 23))
    assert {entry['category_name'] for entry in detections} == {'chair'}


def test_a_second_run_does_nothing(tmp_path) -> None:
    folder = make_folder(tmp_path / 'in', 12)
    label(folder, tmp_path / 'out')
    before = visible_below(tmp_path / 'out')
    segmenter = StripSegmenter()
    report = label(folder, tmp_path / 'out', segmenter=segmenter)
    assert (segmenter.calls, report.done, report.new) == (0, 12, 0)
    assert visible_below(tmp_path / 'out') == before


@pytest.mark.parametrize('batch', [1, 4])
def test_what_is_finished_is_not_repeated(tmp_path, batch) -> None:
    """Neither are pictures of a part that was not finished, but whole batches only."""
    folder = make_folder(tmp_path / 'in', 25, broken=[12])
    label(folder, tmp_path / 'expected', batch=batch)
    with pytest.raises(KeyboardInterrupt):
        label(folder, tmp_path / 'out', segmenter=StoppingSegmenter(17), batch=batch)
    work = tmp_path / 'out' / '.work' / 'part_00001'
    with (work / 'entries.jsonl').open('ab') as file:
        file.write(b'{"name": "p00')      # torn by a kill
    (work / 'panoptic' / 'p0019.png').write_bytes(b'half')
    segmenter = StripSegmenter()
    report = label(folder, tmp_path / 'out', segmenter=segmenter, batch=batch)
    assert segmenter.calls == report.new <= 24 - 17 + 2 * batch
    assert visible_below(tmp_path / 'out') == visible_below(tmp_path / 'expected')


def test_a_missing_file_is_made_again(tmp_path) -> None:
    folder = make_folder(tmp_path / 'in', 30)
    label(folder, tmp_path / 'out')
    before = visible_below(tmp_path / 'out')
    (tmp_path / 'out' / 'panoptic' / 'part_00001' / 'p0017.png').unlink()
    segmenter = StripSegmenter()
    label(folder, tmp_path / 'out', segmenter=segmenter)
    assert segmenter.calls == 3, 'it, and what follows it in its part'
    assert visible_below(tmp_path / 'out') == before


def test_kill_9_at_random_loses_nothing(tmp_path) -> None:
    folder = make_folder(tmp_path / 'in', 400)
    label(folder, tmp_path / 'expected')
    rng = random.Random(0)
    kills = 0
    for _ in range(4):
        process = start(folder, tmp_path / 'out')
        deadline = time.monotonic() + 60
        before = len(list(tmp_path.glob('out/parts/part_*.json')))
        while (process.poll() is None and time.monotonic() < deadline
               and len(list(tmp_path.glob('out/parts/part_*.json'))) < before + 5):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 4
    report = label(folder, tmp_path / 'out')
    assert 0 < report.new <= 400 - 20 * 10
    assert visible_below(tmp_path / 'out') == visible_below(tmp_path / 'expected')


def test_shares_are_joined_to_what_one_run_writes(tmp_path) -> None:
    folder = make_folder(tmp_path / 'in', 45, broken=[7, 44])
    label(folder, tmp_path / 'expected')
    first = label(folder, tmp_path / 'out', shard=(0, 2), readers=1)
    assert first.missing_parts == 5 - (first.new + 9) // 10 > 0
    assert not (tmp_path / 'out' / 'panoptic.json').exists()
    last = label(folder, tmp_path / 'out', shard=(1, 2))
    assert (last.done, last.failed, last.missing_parts) == (43, 2, 0)
    assert visible_below(tmp_path / 'out') == visible_below(tmp_path / 'expected')


def test_two_processes_share_the_work(tmp_path) -> None:
    folder = make_folder(tmp_path / 'in', 100)
    label(folder, tmp_path / 'expected')
    processes = [start(folder, tmp_path / 'out') for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert visible_below(tmp_path / 'out') == visible_below(tmp_path / 'expected')


@pytest.mark.parametrize(('change', 'sentence'), [
    ({'settings': {'weights': 'others'}}, 'labels of other words, weights, options'),
    ({'batch': 2}, 'labels of other words, weights, options'),
    ({'paths': ['a.png']}, 'labels of other pictures')])
def test_other_work_is_refused(tmp_path, change, sentence) -> None:
    folder = make_folder(tmp_path / 'in', 2)
    label(folder, tmp_path / 'out')
    before = visible_below(tmp_path / 'out')
    with pytest.raises(ValueError, match=sentence):
        label(**({'paths': folder, 'output': tmp_path / 'out'} | change))
    assert visible_below(tmp_path / 'out') == before


def test_pictures_of_one_name_and_odd_names(tmp_path) -> None:
    odd = tmp_path / os.fsdecode(b'gar\xe7on\n.png')
    paths = [make_folder(tmp_path / name, 1) / 'p0000.png' for name in ('a', 'b')]
    odd.write_bytes(paths[0].read_bytes())
    label([*map(str, paths), str(odd)], tmp_path / 'out', instances=True)
    images = read(tmp_path / 'out' / 'panoptic.json')['images']
    assert [image['origin'] for image in images] == [
        '../a/p0000.png', '../b/p0000.png', os.fsdecode(b'../gar\xe7on\n.png')]
    assert sorted(os.listdir(tmp_path / 'out' / 'overlay' / 'part_00000')) == [
        os.fsdecode(b'gar\xe7on\n.jpg'), 'p0000.jpg', 'p0000_1.jpg']
    assert len(read(tmp_path / 'out' / 'instances_rle.json')['annotations']) == 6


def test_memory_does_not_grow_with_the_list(tmp_path) -> None:
    path = str(make_folder(tmp_path / 'in', 1) / 'p0000.png')

    def peak(count: int) -> int:
        """Return the lower of two: a table of the interpreter may grow in one of them."""
        return min(peak_once(count, tmp_path / f'{count}_{run}') for run in range(2))

    def peak_once(count: int, output: Path) -> int:
        tracemalloc.start()
        label([path] * count, output, part_size=25)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak_once(50, tmp_path / 'first')
    # the entry of one picture in panoptic.json takes over 1000 bytes in memory
    assert peak(800) - peak(200) < 300 * 600


def test_pictures_are_read_while_the_network_computes() -> None:
    begun = [threading.Event() for _ in range(10)]

    def work(index: int) -> int:
        begun[index].set()
        return index

    with ThreadPoolExecutor(2) as pool:
        results = in_advance(pool, work, range(10), 3)
        assert next(results) == 0
        assert begun[2].wait(10)
        assert not begun[4].is_set(), 'no more than three are ready at a time'
        assert list(results) == list(range(1, 10))


@pytest.mark.parametrize(('content', 'paths'), [
    (b'a.png\nb c.png\n\nd.png', ['a.png', 'b c.png', 'd.png']),
    (b'\xef\xbb\xbfa.png\r\nb.png\r\n', ['a.png', 'b.png']),
    (b'a\n.png\0gar\xe7on.png\0', ['a\n.png', os.fsdecode(b'gar\xe7on.png')]),
    (b'x' * 40 + b'\n', ['x' * 40]),
    (b'long/name.png\n' * 10000, ['long/name.png'] * 10000),
    (b'', [])])
def test_lists(tmp_path, content, paths) -> None:
    (tmp_path / 'list').write_bytes(content)
    assert list(read_list(tmp_path / 'list')) == paths


@pytest.mark.parametrize(('content', 'sentence'), [
    ('a.png\n'.encode('utf-16'), 'is a text in UTF-16'),
    (b'x' * 100_000, 'has a line of more than 32768 bytes')])
def test_files_that_are_no_lists(tmp_path, content, sentence) -> None:
    (tmp_path / 'list').write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        list(read_list(tmp_path / 'list'))


def test_a_pipe_is_no_list(tmp_path) -> None:
    os.mkfifo(tmp_path / 'list')
    with pytest.raises(OSError, match='is a pipe'):
        list(read_list(tmp_path / 'list'))


def test_too_many_parts_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match='choose larger parts'):
        label(['a.png'] * 100_001, tmp_path / 'out', part_size=1)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match='batch must be at least 1, got 0'):
        PictureOptions(batch=0)
