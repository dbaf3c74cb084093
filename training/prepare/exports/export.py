# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every export comes down to: classes, and pictures with shapes; and finding the pictures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import hashlib
import json
import os
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from eov_seg_core.io.files import read_file
from eov_seg_core.io.media import IMAGE_SUFFIXES
from training.prepare.exports.shapes import Shape, Size

_SPLITS = {'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val',
           'validation': 'val', 'test': 'test', 'testing': 'test'}
"""Names of splits in exports, without digits as in `train2017`, and ours."""


class LabelledPicture(NamedTuple):
    """One picture and what an export says of it.

    Attributes:
        path: The picture.
        split: `train`, `val` or `test`; None: the export does not say.
        source: The annotation file, for messages.
        stamp: Differs when the annotations do.
        shapes: Makes the shapes for a height and width; raises ValueError if they are damaged.
        embedded: Returns the picture's file where the annotation file holds it and `path` is only
            its name; None: it is a file.  Raises ValueError if it is damaged.
    """

    path: Path
    split: str | None
    source: Path
    stamp: str
    shapes: Callable[[Size], list[Shape]]
    embedded: Callable[[], bytes] | None = None

    def read(self) -> bytes:
        """Return the content of the picture's file.

        Raises:
            OSError: It cannot be read.
            ValueError: What the annotation file holds is damaged.
        """
        return read_file(self.path) if self.embedded is None else self.embedded()

    def state(self) -> tuple[str, int, int]:
        """Return what differs when the picture does: name, size and time of its file."""
        status = (self.path if self.embedded is None else self.source).stat()
        return self.path.name, status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Export:
    """A whole export.

    Attributes:
        kind: What made it, for messages.
        classes: Name of each class, in order -> whether it is a thing; None: it is not said.
        pictures: At least one.
        notes: What was left out, and how often.
    """

    kind: str
    classes: Mapping[str, bool | None]
    pictures: Sequence[LabelledPicture]
    notes: Counter[str] = field(default_factory=Counter)


def stamp_of(content: object) -> str:
    """Return a text that differs when a content of lists, mappings, texts and numbers does."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def split_named(*names: str) -> str | None:
    """Return the split that the first fitting name stands for: `valid`, `Train`, `val2017`."""
    words = (name.lower().rstrip('0123456789') for name in names)
    return next((_SPLITS[word] for word in words if word in _SPLITS), None)


def split_of(path: Path, root: Path) -> str | None:
    """Return the split that the nearest fitting folder between the root and a file stands for."""
    return split_named(*reversed(path.relative_to(root).parts[:-1]))


def files_below(root: Path) -> Iterator[Path]:
    """Yield the files of a folder and the folders in it, by name; links out of it are left out.

    Hidden files and folders are left out, too.
    """
    real = root.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith('.') or (
                    path.is_symlink() and not path.resolve().is_relative_to(real)):
                continue
            yield path


class Pictures:
    """The pictures below some folders, found by the names that annotation files have for them.

    Only what was found by listing is ever opened, so that no name leads out of the folders.

    Args:
        roots: The folders.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for root in roots:
            for path in files_below(root):
                if path.suffix.lower() in IMAGE_SUFFIXES:
                    self._by_name[path.name].append(path)
                    self._by_stem[path.stem].append(path)

    def named(self, name: str, near: Path, split: str | None) -> Path:
        """Return the picture that an annotation file names, whatever folder it says.

        Args:
            name: As the file has it, with slashes or backslashes; `%20` and the like stand for
                themselves if there is such a picture, else for what they encode in a URL.
            near: The annotation file.
            split: Of the annotations.

        Raises:
            FileNotFoundError: There is no picture of that name.
            ValueError: Several fit equally well.
        """
        for spelled in (name, unquote(name)):   # Label Studio writes spaces as %20
            parts = PurePosixPath(spelled.replace('\\', '/')).parts
            found = self._by_name.get(parts[-1], []) if parts else []
            if found:
                break
        return self._best(found, name, parts, near, split)

    def of_stem(self, stem: str, near: Path, split: str | None,
                but: frozenset[Path] = frozenset()) -> Path:
        """Return the picture that has a name without its ending; raises as `named`.

        Args:
            stem: The name without ending.
            near: The label map.
            split: Of the label map.
            but: Files that are label maps.
        """
        found = [path for path in self._by_stem.get(stem, []) if path not in but]
        return self._best(found, stem, (), near, split)

    def _best(self, found: Sequence[Path], name: str, parts: Sequence[str], near: Path,
              split: str | None) -> Path:
        def fit(path: Path) -> tuple[int, bool, int]:
            return (_common(reversed(path.parts), reversed(parts)),
                    split is not None and split_named(*path.parts[-3:-1]) == split,
                    _common(path.parts, near.parts))

        if not found:
            raise FileNotFoundError(
                f'{near} names the picture {name!r}, which is not below '
                f'{" or ".join(map(str, self._roots))}; give the folder of the pictures with '
                '--images')
        best = max(map(fit, found))
        fitting = [path for path in found if fit(path) == best]
        if len(fitting) > 1:
            raise ValueError(f'{near} names the picture {name!r}, and {fitting[0]} and '
                             f'{fitting[1]} fit equally; give the right folder with --images, or '
                             'rename one')
        return fitting[0]


def _common(one: Iterator[str] | Sequence[str], other: Iterator[str] | Sequence[str]) -> int:
    """Return how many parts are equal from the start on."""
    length = 0
    for first, second in zip(one, other):
        if first != second:
            break
        length += 1
    return length
