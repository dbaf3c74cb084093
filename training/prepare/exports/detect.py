# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What kind of export a folder or file is, and reading it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eov_seg_core.io.files import read_json
from eov_seg_core.vocabulary import Vocabulary
from training.prepare.exports import class_list
from training.prepare.exports.coco import is_instances, read_instances
from training.prepare.exports.export import Export, files_below, Pictures
from training.prepare.exports.labelme import is_labelme, read_labelme, without_picture
from training.prepare.exports.masks import find_maps, read_maps

_OTHER_COCO = ('captions_', 'person_keypoints_', 'image_info_')
"""Starts of COCO files that have no shapes of their own."""
_KINDS = ('COCO instances (CVAT, Roboflow, Label Studio), labelme files, VOC masks, or label PNGs '
          'with a list of classes')

_LISTS = ("a COCO instances file has the lists 'images', 'annotations' and 'categories', "
          "labelme's has 'shapes' and 'imagePath'")


def read_export(source: Path, images: Path | None = None, classes: Path | None = None,
                stuff: Sequence[str] = (), vocabulary: Vocabulary | None = None) -> Export:
    """Read the export of an annotation tool.

    Args:
        source: Its folder, or one JSON.
        images: Folder of the pictures; None: they are in the folder of the export.
        classes: List of the classes of label maps; None: it is in the folder of the export.
        stuff: Names that are stuff.
        vocabulary: Instead of `stuff`: all classes.

    Raises:
        FileNotFoundError: A folder or picture is missing.
        ValueError: It is no export of a known kind, or is damaged.
    """
    root = source if source.is_dir() else source.parent
    for folder in (source, images, classes):
        if folder is not None and not folder.exists():
            raise FileNotFoundError(f'{folder}: there is no such file or folder')
    pictures = Pictures([root] if images is None else [images, root])
    found, others = _annotation_files(source)
    kinds = {kind for kind, _, _ in found}
    if len(kinds) > 1:
        raise ValueError(f'{source} holds files of labelme and of COCO; give a folder or file of '
                         'one kind')
    files = [(path, content) for _, path, content in found]
    if kinds == {'coco'}:
        return read_instances(files, root, pictures)
    if kinds == {'labelme'}:
        return read_labelme(files, root, pictures)
    maps = find_maps(root, images) if source.is_dir() else []
    if not maps:
        also = f'. {others[0]} is none, either: {_LISTS}' if others else ''
        raise ValueError(f'{source} is no export of a known kind; expected {_KINDS}{also}')
    names = class_list.read_class_list(_class_list(classes, root), (
        *stuff, *(() if vocabulary is None else vocabulary.synonyms)))
    flags = {name: name not in stuff if vocabulary is None else _is_thing(name, vocabulary)
             for name in names.names}
    return read_maps(maps, root, pictures, names, flags)


def _is_thing(name: str, vocabulary: Vocabulary) -> bool:
    """Return whether a class is a thing; one that the vocabulary lacks is refused later."""
    return all(category.is_thing for category in vocabulary.categories if name in category.names)


def _annotation_files(source: Path) -> tuple[list[tuple[str, Path, Any]], list[Path]]:
    """Return kind, path and content of the annotation files, and the other JSON files."""
    paths = [source] if source.is_file() else [
        path for path in files_below(source)
        if path.suffix.lower() == '.json' and not path.name.startswith(_OTHER_COCO)]
    found, others, panoptic = [], [], []
    for path in paths:
        content = read_json(path)
        if _is_panoptic(content):
            panoptic.append(path)
        elif is_instances(content):
            found.append(('coco', path, content))
        elif is_labelme(content):
            found.append(('labelme', path, without_picture(content)))
        else:
            others.append(path)
    if panoptic and not found:
        raise ValueError(f'{panoptic[0]} is in COCO panoptic format already; see "A folder of '
                         'your own" in docs/datasets.md for where it belongs')
    if others and not found and source.is_file():
        raise ValueError(f'{source} is no export of a known kind: {_LISTS}')
    return found, others


def _is_panoptic(content: Any) -> bool:
    annotations = content.get('annotations') if isinstance(content, dict) else None
    return isinstance(annotations, list) and bool(annotations) and isinstance(
        annotations[0], dict) and 'segments_info' in annotations[0]


def _class_list(given: Path | None, root: Path) -> Path:
    if given is not None:
        return given
    found = [path for path in files_below(root) if path.name in class_list.FILES]
    if not found:
        raise FileNotFoundError(f'{root} holds label maps, but no list of their classes '
                                f'({", ".join(class_list.FILES)}); give it with --classes FILE')
    if len({path.read_bytes() for path in found}) > 1:
        raise ValueError(f'{found[0]} and {found[1]} differ; give one with --classes FILE')
    return found[0]
