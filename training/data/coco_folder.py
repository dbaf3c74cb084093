# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Any data set in COCO's panoptic format: images, a JSON, and a PNG of ids for each image."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import replace
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eov_seg_core.io.coco import (
    CategoryEntry,
    PanopticFile,
    read_panoptic_file,
    read_panoptic_png,
)
from eov_seg_core.io.files import inside
from eov_seg_core.vocabulary import canonical_form, Category, split_synonyms, Vocabulary
from training.data.files import advising, check_present, read_rgb, Remedies
from training.data.samples import PanopticSample, SegmentLabel

_GREY = 1 + 256 + 65536     # divides the ids of a picture without colours
_MOST_SHOWN = 8
_log = logging.getLogger(__name__)
_OWN_FILES = Remedies(*['docs/datasets.md says what is expected'] * 2)

ImagePath = Callable[['int | str', str], str]
"""Image id and file name of the JSON -> path of the image, relative to the folder of images."""


class _Index(NamedTuple):
    """What is known of all images: few objects, because processes that load data share them."""

    image_ids: list[int | str]
    images: list[str]
    pngs: list[str]
    segments: npt.NDArray[np.int32]     # (S, 3): id, class index, whether it is a crowd
    starts: npt.NDArray[np.int64]       # (images + 1,): where the segments of an image start


class CocoPanopticFolder:
    """A data set in COCO's panoptic format.

    Opening reads the JSON and looks whether all files are there; a picture that is damaged is
    found when it is read.  `python -m training.prepare FOLDER --check` reads all of them.

    Args:
        images: Folder of the images that the JSON names.
        annotations: The JSON.
        panoptic: Folder of the PNGs that the JSON names.
        vocabulary: Classes, to which the JSON's categories are assigned by name; None: one class
            for each category of the JSON, in its order, `name,synonym` being split at commas;
            categories of the same names share one, with a warning; one that no segment uses and
            that is named like another (a super category) is left out.
        category_ids: Id of the category of each class of the vocabulary, instead of names.
        image_path: How to find an image; None: by the file name that the JSON states.
        drop_covered: Leave out segments that the JSON lists but that have no pixel, instead of
            refusing the image.
        remedies: For messages about missing and broken files.

    Raises:
        FileNotFoundError: A file is missing; the message names it and what it should hold.
        ValueError: The JSON is damaged, contradicts itself, has no image, or uses a category that
            the vocabulary lacks; the message names it.

    Attributes:
        vocabulary: The classes, with the ids that the annotations give them; a segment's
            `class_index` counts in its order.
    """

    vocabulary: Vocabulary

    def __init__(self, images: str | Path, annotations: str | Path, panoptic: str | Path,
                 vocabulary: Vocabulary | None = None, *,
                 category_ids: Sequence[int] | None = None, image_path: ImagePath | None = None,
                 drop_covered: bool = False, remedies: Remedies = _OWN_FILES) -> None:
        path = Path(annotations)
        check_present([path], 'annotations in COCO panoptic format', remedies.truth)
        file = read_panoptic_file(path)
        if not file.annotations:
            raise ValueError(f'{path} annotates no image; expected at least one')
        used = {segment.category_id for annotation in file.annotations.values()
                for segment in annotation.segments}
        if vocabulary is None:
            self.vocabulary, classes = _own_classes(file.categories, used, path)
        else:
            # what no segment uses can contradict nothing, and comes last
            self.vocabulary, classes = vocabulary, _class_of_category(
                vocabulary, sorted(file.categories, key=lambda entry: entry.id not in used),
                used, category_ids, path)
        self.vocabulary = _with_dataset_ids(self.vocabulary, classes, category_ids)
        self._drop_covered = drop_covered
        self._remedies = remedies
        self._images, self._panoptic = Path(images), Path(panoptic)
        self._index = _index(file, path, classes, image_path or _named)
        check_present((self._images / name for name in self._index.images), 'an image',
                      remedies.images)
        check_present((self._panoptic / name for name in self._index.pngs), 'its segment ids',
                      remedies.truth)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._index.images)

    def __getitem__(self, index: int) -> PanopticSample:
        """Read one image with its segments.

        Raises:
            IndexError: There is no such image.
            OSError: A file cannot be read.
            ValueError: A file is damaged, sizes differ, or PNG and JSON name different segments.
        """
        index = range(len(self))[index]
        name = self._index.images[index]
        image_path = inside(self._images, name)
        png_path = inside(self._panoptic, self._index.pngs[index])
        with advising(self._remedies.images):
            image = read_rgb(image_path)
        with advising(self._remedies.truth):
            ids = read_panoptic_png(png_path)
            if image.shape[:2] != ids.shape:
                raise ValueError(f'{png_path} has {_size(ids)} pixels, but its image {image_path} '
                                 f'has {_size(image)}; both must be of one size')
            return PanopticSample(name, image, ids, self._segments(index, ids, png_path),
                                  self._index.image_ids[index])

    def _segments(self, index: int, ids: npt.NDArray[np.int32], png: Path
                  ) -> tuple[SegmentLabel, ...]:
        """Return the segments that have pixels; refuse ids that contradict the JSON."""
        start, stop = self._index.starts[[index, index + 1]]
        segments = [SegmentLabel(key, class_index, bool(is_crowd)) for key, class_index, is_crowd
                    in self._index.segments[start:stop].tolist()]
        listed = {segment.id for segment in segments}
        present = _present_ids(ids)
        if present - listed:
            hint = '' if any(key % _GREY for key in present) else (
                '; it is grey, and an id is stored as the colour R + 256 G + 65536 B')
            raise ValueError(f'{png} has segments {_some(present - listed)} that its JSON '
                             f'does not list{hint}')
        if listed - present and not self._drop_covered:
            raise ValueError(f'{png} has no pixel of segments {_some(listed - present)} '
                             'that its JSON lists')
        return tuple(segment for segment in segments if segment.id in present)


def _named(image_id: int | str, file_name: str) -> str:
    return file_name


def _own_classes(categories: Sequence[CategoryEntry], used: Container[int], path: Path
                 ) -> tuple[Vocabulary, dict[int, int]]:
    """Return a class for each category, and the class index of each category.

    Categories of the same names share a class, as no word tells them apart; one that is unused
    and named like another is left out.
    """
    entries = [(entry, Category(split_synonyms(entry.name), entry.is_thing))
               for entry in categories]
    taken = {name for entry, category in entries if entry.id in used for name in category.names}
    found: dict[tuple[frozenset[str], bool], list[tuple[CategoryEntry, Category]]] = {}
    for entry, category in entries:
        if entry.id in used or taken.isdisjoint(category.names):
            words = frozenset(map(canonical_form, category.names))
            found.setdefault((words, category.is_thing), []).append((entry, category))
    _warn_of_homonyms([[entry for entry, _ in members] for members in found.values()], path)
    try:
        vocabulary = Vocabulary.from_categories(members[0][1] for members in found.values())
    except ValueError as error:
        raise ValueError(f'{path}: its categories make no vocabulary: {error}') from error
    return vocabulary, {entry.id: index for index, members in enumerate(found.values())
                        for entry, _ in members}


def _warn_of_homonyms(classes: Sequence[Sequence[CategoryEntry]], path: Path) -> None:
    """Log which categories of the JSON became one class."""
    shared = [members for members in classes if len(members) > 1]
    if not shared:
        return
    shown = '; '.join(' and '.join(f'{entry.id} ({entry.name!r:.40})' for entry in members[:3])
                      for members in shared[:_MOST_SHOWN])
    more = f'; and {len(shared) - _MOST_SHOWN} more' if len(shared) > _MOST_SHOWN else ''
    _log.warning(
        '%s: categories with the same names to CLIP, which nothing can tell apart, count as one '
        'class, with the id of the first: %s%s. Add synonyms that differ to keep them apart',
        path, shown, more)


def _with_dataset_ids(vocabulary: Vocabulary, classes: dict[int, int],
                      category_ids: Sequence[int] | None) -> Vocabulary:
    """Give each class the id of its category in the JSON, the first where it has several."""
    ids = (dict(enumerate(category_ids)) if category_ids is not None
           else {index: key for key, index in reversed(classes.items())})
    return Vocabulary.from_categories(
        replace(category, dataset_id=ids.get(index))
        for index, category in enumerate(vocabulary.categories))


def _class_of_category(vocabulary: Vocabulary, categories: Sequence[CategoryEntry],
                       used: Container[int], category_ids: Sequence[int] | None, path: Path
                       ) -> dict[int, int]:
    """Return the class index of each category that has one."""
    if category_ids is not None:
        found = {key: index for index, key in enumerate(category_ids)}
        classes = {entry.id: found[entry.id] for entry in categories if entry.id in found}
    else:
        classes = _classes_by_name(vocabulary, categories, used, path)
    for entry in categories:
        if entry.id in used and entry.id in classes \
                and vocabulary.is_thing[classes[entry.id]] != entry.is_thing:
            raise ValueError(f'{path}: category {entry.id} ({entry.name!r}) is '
                             f'{_kind(entry.is_thing)}, but the vocabulary says '
                             f'{_kind(not entry.is_thing)}; correct one of them')
    return classes


def _classes_by_name(vocabulary: Vocabulary, categories: Sequence[CategoryEntry],
                     used: Container[int], path: Path) -> dict[int, int]:
    classes = {}
    for entry in categories:
        names = set(map(canonical_form, split_synonyms(entry.name)))
        fitting = [index for index, category in enumerate(vocabulary.categories)
                   if not names.isdisjoint(map(canonical_form, category.names))]
        if len(fitting) > 1:    # homonyms, which the ids of the data set tell apart
            same_id = [index for index in fitting
                       if vocabulary.categories[index].dataset_id == entry.id]
            fitting = same_id or fitting
        if len(fitting) > 1 and entry.id in used:
            raise ValueError(f'{path}: category {entry.id} ({entry.name!r}) fits '
                             f'{len(fitting)} classes of the vocabulary, '
                             f'{" and ".join(repr(vocabulary.names[i]) for i in fitting[:2])}; '
                             'rename it')
        if fitting:
            classes[entry.id] = fitting[0]
    return classes


def _index(file: PanopticFile, path: Path, classes: dict[int, int], image_path: ImagePath
           ) -> _Index:
    names = {entry.id: entry.name for entry in file.categories}
    images, segments, starts = [], [], [0]
    for image_id, annotation in file.annotations.items():
        if image_id not in file.images:
            raise ValueError(f"{path}: image {image_id} is annotated, but missing under 'images'")
        images.append(image_path(image_id, file.images[image_id]))
        for segment in annotation.segments:
            if segment.category_id not in classes:
                raise ValueError(
                    f'{path}: segment {segment.id} of image {image_id} is of category '
                    f'{segment.category_id} ({names.get(segment.category_id, "not defined")!r}), '
                    'which the vocabulary lacks; add it there')
            segments.append((segment.id, classes[segment.category_id], segment.is_crowd))
        starts.append(len(segments))
    pngs = [annotation.file_name for annotation in file.annotations.values()]
    return _Index(list(file.annotations), images, pngs,
                  np.array(segments, np.int32).reshape(-1, 3), np.array(starts))


def _present_ids(ids: npt.NDArray[np.int32]) -> set[int]:
    """Return the ids above 0; the starts of runs are far fewer than pixels."""
    flat = ids.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    return set(np.unique(flat[starts]).tolist()) - {0}


def _size(array: npt.NDArray[np.generic]) -> str:
    return f'{array.shape[1]} x {array.shape[0]}'


def _kind(is_thing: bool) -> str:
    return 'a thing' if is_thing else 'stuff'


def _some(ids: set[int]) -> str:
    """Name at most five ids."""
    more = f' and {len(ids) - 5} more' if len(ids) > 5 else ''
    return ', '.join(map(str, sorted(ids)[:5])) + more
