# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results as files: COCO panoptic PNG + JSON, and COCO detections.

The formats are those that COCO's panoptic and detection tools read: the id of a segment is stored
as R + 256 G + 65536 B, boxes are x, y, width, height.  Category ids and colours are those of the
data set where the vocabulary knows them, as every preset does, else ids are our class ids 1..K.  A
segment also carries its score, which those tools ignore.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, TYPE_CHECKING

from eov_seg_core.io.coco.categories import coco_categories
from eov_seg_core.io.coco.ids import ids_to_rgb
from eov_seg_core.io.files import check_path, read_json, save_json
from eov_seg_core.io.media import save_picture
from eov_seg_core.results.result import check_result
from eov_seg_core.wrong import wrong

if TYPE_CHECKING:       # not at run time: files need no PyTorch
    from eov_seg_core.results.result import PanopticResult
    from eov_seg_core.vocabulary import Vocabulary


def save_coco_panoptic(result: PanopticResult, vocabulary: Vocabulary, directory: str | Path,
                       name: str) -> None:
    """Write one result as COCO panoptic files: `panoptic/NAME.png` and `panoptic.json`.

    Results that the folder has are kept; for many use `CocoWriter`, which writes the JSON once.

    Args:
        result: What was found.
        vocabulary: What was looked for.
        directory: Where to write; made if needed.
        name: Of the picture, without an ending.

    Raises:
        OSError: A file cannot be written.
    """
    writer = CocoWriter(directory, vocabulary, resume=True)
    writer.add(result, name, f'{name}.png')
    writer.save()


class _Entry(NamedTuple):
    """What the JSON files say of one picture."""

    image: dict[str, Any]
    annotation: dict[str, Any]
    detections: list[dict[str, Any]]


class CocoWriter:
    """Collect results of many pictures in one folder.

    `panoptic/NAME.png` is written by `add`; `panoptic.json` and `detections.json` by `save`.

    Args:
        directory: Where to write; made if needed.
        vocabulary: What was looked for.
        resume: Go on with a folder that holds results of a `CocoWriter`, and keep them; without
            it such a folder is refused.

    Raises:
        ValueError: The folder holds files of somebody else, which would be overwritten; or its
            results are not to be resumed, damaged, or were made with other categories or
            synonyms.
        OSError: The folder cannot be made.
    """

    def __init__(self, directory: str | Path, vocabulary: Vocabulary, *,
                 resume: bool = False) -> None:
        check_path(directory)
        self._directory = Path(directory)
        self._vocabulary = vocabulary
        self._categories = coco_categories(vocabulary)
        self._entries: dict[str, _Entry] = {}
        self._next_id = 1
        if (self._directory / 'panoptic.json').exists():
            if not resume:
                raise ValueError(f'{directory} holds results already; choose another folder')
            self._resume()
        else:
            _refuse_foreign(self._directory)
        (self._directory / 'panoptic').mkdir(parents=True, exist_ok=True)

    def __contains__(self, name: str) -> bool:
        """Whether a picture is in the JSON and its PNG is there."""
        return name in self._entries and self._png(name).exists()

    @property
    def origins(self) -> dict[str, str]:
        """Name and origin of each picture in the JSON; '' where none was given."""
        return {name: entry.image.get('origin', '') for name, entry in self._entries.items()}

    def add(self, result: PanopticResult, name: str, file_name: str, origin: str = '') -> None:
        """Write the PNG of a result and remember the rest.

        Args:
            result: What was found.
            name: Of the picture, without an ending; replaces an earlier one of the same name.
            file_name: Of the picture itself, for the JSON.
            origin: What tells the picture from others of that file name, for the JSON.

        Raises:
            ValueError: It is no result, or the name leads to another folder.
            OSError: The file cannot be written.
        """
        check_result(result)
        if not isinstance(name, str) or Path(f'{name}.png').name != f'{name}.png':
            raise wrong('the name', name, "a file name without folder and ending such as 'room_1'")
        save_picture(self._png(name), ids_to_rgb(result.instance))
        known = self._entries.get(name)
        image_id = known.image['id'] if known else self._next_id
        self._next_id = max(self._next_id, image_id + 1)
        category_ids = self._vocabulary.dataset_ids
        height, width = result.instance.shape
        self._entries[name] = _Entry(
            image={'id': image_id, 'file_name': file_name, 'height': height, 'width': width}
            | ({'origin': origin} if origin else {}),
            annotation={
                'image_id': image_id, 'file_name': f'{name}.png',
                'segments_info': result.to_coco(self._vocabulary)},
            detections=[
                {'image_id': image_id, 'segment_id': segment.id,
                 'category_id': category_ids[segment.class_id - 1],
                 'category_name': segment.name, 'bbox': segment.bbox_xywh,
                 'score': round(segment.score, 6)}
                for segment in result.segments if segment.is_thing])

    def save(self) -> None:
        """Write both JSON files, each complete or not at all.

        Raises:
            OSError: A file cannot be written.
        """
        save_json(self._directory / 'panoptic.json', {
            'images': [entry.image for entry in self._entries.values()],
            'annotations': [entry.annotation for entry in self._entries.values()],
            'categories': self._categories})
        save_json(self._directory / 'detections.json', [
            detection for entry in self._entries.values() for detection in entry.detections])

    def _png(self, name: str) -> Path:
        return self._directory / 'panoptic' / f'{name}.png'

    def _resume(self) -> None:
        path = self._directory / 'panoptic.json'
        try:
            panoptic = read_json(path)
            detections = read_json(self._directory / 'detections.json')
            categories = list(panoptic['categories'])
            entries = {image['id']: _Entry(image, {}, []) for image in panoptic['images']}
            for found in detections:
                entries[found['image_id']].detections.append(found)
            for annotation in panoptic['annotations']:
                entry = entries[annotation['image_id']]._replace(annotation=annotation)
                if not all('score' in segment for segment in annotation['segments_info']):
                    raise KeyError('score')
                self._entries[Path(annotation['file_name']).stem] = entry
            self._next_id = max(entries, default=0) + 1
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f'{path} is not of eov-seg, or it or its detections.json is damaged '
                             f'({error!r:.300}); it is not overwritten, choose another folder'
                             ) from error
        if categories != self._categories:
            raise ValueError(self._difference(path, categories))

    def _difference(self, path: Path, categories: list[dict[str, Any]]) -> str:
        """Say why the results of a folder cannot be added to, and what to do."""
        without_synonyms = [{key: value for key, value in category.items() if key != 'synonyms'}
                            for category in self._categories]
        if categories == without_synonyms:
            return (f'{path} names no synonyms: it was made without them, or by an older eov-seg, '
                    'which did not write them down. Those of now may find other pixels; choose '
                    'another folder, or remove the results in this one to make all of them again')
        return (f'{path} was made with another vocabulary of {len(categories)} categories, or '
                'with other synonyms of them; choose another folder or the same vocabulary')


def _refuse_foreign(directory: Path) -> None:
    """Raise ValueError if files without our JSON lie where results would be written."""
    for path in (directory / 'detections.json', directory / 'panoptic', directory / 'overlay'):
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise ValueError(f'{path} is there, but no panoptic.json of eov-seg beside it; it is '
                             'not overwritten, choose another folder')
