# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Panoptic quality of files in COCO's panoptic format.

    python -m training.panoptic_quality GT.json PRED.json --gt-folder DIR --pred-folder DIR

`eov_seg_core.quality` says by which rules.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import sys
from typing import Any

from tqdm import tqdm

from eov_seg_core.io.coco import (
    Annotation,
    read_annotations,
    read_categories,
    read_category_names,
    read_panoptic_png,
)
from eov_seg_core.io.files import announce_large_files, inside, replace_file
from eov_seg_core.io.text import error_line
from eov_seg_core.quality import PanopticMap, PanopticQuality
from eov_seg_core.vocabulary import canonical_form, split_synonyms


def evaluate_files(truth_json: Path, prediction_json: Path, truth_folder: Path,
                   prediction_folder: Path) -> dict[str, Any]:
    """Compare all predictions of two JSON files; images are read one by one.

    Predictions of images that the ground truth lacks are ignored.

    Returns:
        As `PanopticQuality.compute`.

    Raises:
        ValueError: A file is broken or contradicts another one, or an image has no prediction;
            the message names the file.
        OSError: A file cannot be read.
    """
    quality = PanopticQuality(read_categories(truth_json))
    _refuse_other_ids(truth_json, prediction_json)
    truth, predictions = read_annotations(truth_json), read_annotations(prediction_json)
    missing = [annotation.file_name for image_id, annotation in truth.items()
               if image_id not in predictions]
    if missing:
        raise ValueError(f'{prediction_json} has no prediction for {len(missing)} of {len(truth)} '
                         f'images of {truth_json}, among them {", ".join(missing[:5])}')
    for image_id, annotation in tqdm(truth.items(), unit='image', disable=None):
        quality.add(_read_map(truth_folder, annotation),
                    _read_map(prediction_folder, predictions[image_id]))
    return quality.compute()


def _refuse_other_ids(truth_json: Path, prediction_json: Path) -> None:
    """Raise ValueError if both files list a category of one name under different ids.

    Names that only one of them has prove nothing: data sets and vocabularies name classes
    differently (COCO's `rug-merged` is `rug` in its vocabulary).
    """
    names = read_category_names(truth_json)
    ids_of_name, predicted = _by_name(names), _by_name(read_category_names(prediction_json))
    differing = [(min(ids), min(predicted[name])) for name, ids in ids_of_name.items()
                 if name in predicted and ids.isdisjoint(predicted[name])]
    if differing:
        key, predicted_key = differing[0]
        raise ValueError(
            f'{prediction_json} numbers its categories in another way than {truth_json}: '
            f'{len(differing)} names have another id, first {names[key]!r}, {key} in the ground '
            f'truth and {predicted_key} in the predictions. Make the predictions again with the '
            "ids of the ground truth: a preset has those of its data set, and a vocabulary file "
            "may give each category its 'id'")


def _by_name(names: dict[int, str]) -> dict[str, set[int]]:
    """Return the ids of each name; ADE20K has categories that share a name."""
    ids: dict[str, set[int]] = {}
    for key, synonyms in names.items():
        ids.setdefault(canonical_form(split_synonyms(synonyms)[0]), set()).add(key)
    return ids


def _read_map(folder: Path, annotation: Annotation) -> PanopticMap:
    path = inside(folder, annotation.file_name)
    return PanopticMap(read_panoptic_png(path), annotation.segments, str(path))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 for unusable files, 130 when stopped."""
    parser = argparse.ArgumentParser(
        prog='python -m training.panoptic_quality',
        description='Print the panoptic quality of files in COCO panoptic format as JSON: PQ, SQ '
                    'and RQ in 0..1 and the number of classes, for all, things, stuff, and each '
                    'class.')
    for name, help_text in (('truth', 'JSON of the ground truth, with its categories'),
                            ('prediction', 'JSON of the predictions')):
        parser.add_argument(name, type=Path, metavar=f'{name.upper()}.json', help=help_text)
    parser.add_argument('--gt-folder', type=Path, required=True, help='PNGs of the ground truth')
    parser.add_argument('--pred-folder', type=Path, required=True, help='PNGs of the predictions')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the JSON here as well')
    options = parser.parse_args(arguments)
    announce_large_files()
    try:
        result = json.dumps(evaluate_files(options.truth, options.prediction, options.gt_folder,
                                           options.pred_folder), indent=2) + '\n'
        if options.json is not None:
            replace_file(options.json, result.encode())
    except (OSError, ValueError) as error:
        sys.stderr.write(f'{error_line(parser.prog, error)}\n')
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f'{parser.prog}: stopped\n')
        return 130
    sys.stdout.write(result)
    return 0


if __name__ == '__main__':
    sys.exit(main())
