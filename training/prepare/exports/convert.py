# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writing an export as folders in COCO's panoptic format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from eov_seg_core.io.files import locked, read_json, replace_file
from eov_seg_core.io.media import load_picture, save_picture, to_rgb
from eov_seg_core.vocabulary import Category, split_synonyms, Vocabulary
from training.data.coco_folder import CocoPanopticFolder
from training.prepare.exports.contact_sheet import draw_contact_sheet
from training.prepare.exports.export import Export, LabelledPicture, stamp_of
from training.prepare.exports.painting import paint
from training.prepare.steps import PanopticImage, PanopticTarget, write_panoptic

SHEET = 'look.jpg'
_COVERED = 'objects without a visible pixel (covered by others, or outside of the picture)'
_UNLABELLED = 'pictures without a shape (all void, nothing is learnt from them)'


class Conversion(NamedTuple):
    """What became of an export.

    Attributes:
        counts: Folder of each split -> number of its pictures.
        notes: What was left out, and how often.
    """

    counts: dict[Path, int]
    notes: Counter[str]


class _Job(NamedTuple):
    """One picture of a split under its new name."""

    picture: LabelledPicture
    file_name: str
    stamp: str


def choose_classes(export: Export, stuff: Sequence[str], vocabulary: Vocabulary | None
                   ) -> tuple[Vocabulary, dict[str, int]]:
    """Return the vocabulary, and the class index of each label of an export.

    Args:
        export: With its classes.
        stuff: Those that are stuff; the others are what the export says, else things.
        vocabulary: Instead: names, synonyms, things and stuff of all classes.

    Raises:
        ValueError: A class is in one and not in the other, or the names make no vocabulary.
    """
    unknown = [name for name in stuff if name not in export.classes]
    if unknown:
        raise ValueError(f'--stuff names {unknown[0]!r}, which is no class of the export; its '
                         f'classes are {_listed(export.classes)}')
    if vocabulary is None:
        vocabulary = Vocabulary.from_categories(
            Category(split_synonyms(name), name not in stuff and flag is not False)
            for name, flag in export.classes.items())
        return vocabulary, {name: index for index, name in enumerate(export.classes)}
    known = {name: index for index, category in enumerate(vocabulary.categories)
             for name in category.names}
    classes = {name: found[0] for name in export.classes
               if (found := [known[part.strip()] for part in split_synonyms(name)
                             if part.strip() in known])}
    missing = [name for name in export.classes if name not in classes]
    if missing:
        raise ValueError(f'the vocabulary lacks classes of the export: {len(missing)}, first '
                         f'{missing[0]!r}; add them there as names or synonyms')
    return vocabulary, classes


def convert(export: Export, output: Path, vocabulary: Vocabulary, classes: Mapping[str, int],
            jobs: int) -> Conversion:
    """Write `images`, `panoptic` and `panoptic.json`, below `train`, `val` and `test` if any.

    What is there and still right is kept, so that to run it again is cheap.

    Args:
        export: What to write.
        output: Where to; made if needed.
        vocabulary: The classes.
        classes: Class index of each label.
        jobs: Number of threads.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: Pictures or annotations are damaged, or the folder holds other data.
    """
    _check_pictures(export.pictures)
    splits = {picture.split for picture in export.pictures}
    output.mkdir(parents=True, exist_ok=True)
    notes = Counter(export.notes)
    counts = {}
    with locked(output, 'preparation'):
        _refuse_foreign(output, {output if splits == {None} else output / (split or 'train')
                                 for split in splits})
        for split in sorted({split or 'train' for split in splits}):
            folder = output if splits == {None} else output / split
            pictures = [picture for picture in export.pictures
                        if (picture.split or 'train') == split]
            jobs_of_split = list(_jobs(pictures, vocabulary))
            _write(folder, jobs_of_split, vocabulary, classes, jobs, notes)
            counts[folder] = len(pictures)
    return Conversion(counts, notes)


def _check_pictures(pictures: Sequence[LabelledPicture]) -> None:
    if not pictures:
        raise ValueError('the export lists no picture; expected at least one')
    first: dict[Path, LabelledPicture] = {}
    for picture in pictures:
        other = first.setdefault(picture.path, picture)
        if other is not picture:
            raise ValueError(f'{picture.path} is annotated twice, in {other.source} and in '
                             f'{picture.source}; give only one of the two')


def _jobs(pictures: Sequence[LabelledPicture], vocabulary: Vocabulary) -> Iterator[_Job]:
    """Name the pictures so that neither they nor their PNGs share a name."""
    taken: set[str] = set()
    words = repr([(category.names, category.is_thing) for category in vocabulary.categories])
    for picture in pictures:
        stem = picture.path.stem
        parents = list(picture.path.parts[:-1])
        while stem.casefold() in taken and parents:
            stem = f'{parents.pop().strip("/") or "root"}_{stem}'
        taken.add(stem.casefold())
        stamp = stamp_of([picture.stamp, words, *picture.state()])
        yield _Job(picture, stem + picture.path.suffix, stamp)


def _write(folder: Path, jobs: Sequence[_Job], vocabulary: Vocabulary,
           classes: Mapping[str, int], threads: int, notes: Counter[str]) -> None:
    images = folder / 'images'
    images.mkdir(parents=True, exist_ok=True)
    by_png = {f'{Path(job.file_name).stem}.png': job for job in jobs}
    numbers = {png: number for number, png in enumerate(by_png, start=1)}
    covered: list[int] = []

    def make(png: str) -> PanopticImage:
        job = by_png[png]
        data, name = job.picture.read(), str(job.picture.path)
        height, width = to_rgb(load_picture(data, name), name).shape[:2]
        try:
            painted = paint(job.picture.shapes((height, width)), (height, width), vocabulary,
                            classes)
        except ValueError as error:
            raise ValueError(f'{job.picture.source}: {job.picture.path.name}: {error}') from error
        covered.append(painted.covered)
        replace_file(images / job.file_name, data)
        return PanopticImage(
            {'id': numbers[png], 'file_name': job.file_name, 'height': height, 'width': width,
             'stamp': job.stamp}, painted.ids,
            {key: (index + 1, is_crowd) for key, (index, is_crowd) in painted.segments.items()})

    target = PanopticTarget(folder / 'panoptic.json', folder / 'panoptic', vocabulary,
                            range(1, len(vocabulary) + 1),
                            [','.join(category.names) for category in vocabulary.categories])
    write_panoptic(target, list(by_png), make, threads,
                   {png: job.stamp for png, job in by_png.items()})
    notes[_COVERED] += sum(covered)
    notes[_UNLABELLED] += sum(not annotation['segments_info']
                              for annotation in read_json(target.json)['annotations'])
    data = CocoPanopticFolder(images, target.json, target.folder)
    save_picture(folder / SHEET, draw_contact_sheet(data))


def _refuse_foreign(output: Path, folders: set[Path]) -> None:
    """Raise ValueError if there are data that this command has not written, or other splits."""
    for folder in (output, *(output / split for split in ('train', 'val', 'test'))):
        path = folder / 'panoptic.json'
        if not path.exists():
            continue
        images = read_json(path)
        images = images.get('images') if isinstance(images, dict) else None
        is_ours = isinstance(images, list) and images and all(
            isinstance(image, dict) and 'stamp' in image for image in images)
        if not is_ours or folder not in folders:
            raise ValueError(f'{path} is there already, and is not of this export; choose '
                             'another folder, or remove it')


def _listed(names: Mapping[str, object]) -> str:
    shown = ', '.join(map(repr, list(names)[:20]))
    return f'{shown} and {len(names) - 20} more' if len(names) > 20 else shown
