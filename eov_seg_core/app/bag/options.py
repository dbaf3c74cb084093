# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The options of `eov-seg bag`; needs no PyTorch, so that `--help` is quick."""

from __future__ import annotations

import argparse
from typing import Any

from eov_seg_core.app.arguments import (
    add_inference,
    add_thresholds,
    add_weights,
    add_words,
    model_options,
    report_problem,
)
from eov_seg_core.io.text import printable


def add_parser(commands: Any) -> None:
    """Add the sub-command `bag`."""
    parser = commands.add_parser(
        'bag', help='label the images of ROS 2 recordings; needs no ROS',
        description='Write a bag OUT/NAME for each recording, with the topics of the node: '
                    'label_info, panoptic, detections. What is there is kept: the same command '
                    'again goes on. See docs/recordings.md.')
    parser.add_argument('inputs', nargs='+', metavar='INPUT',
                        help='a bag: a folder with metadata.yaml, an .mcap or a .db3 file')
    parser.add_argument('-o', '--output', required=True, metavar='DIR',
                        help='folder of the labelled bags')
    parser.add_argument('--image-topic', metavar='TOPIC',
                        help='raw or compressed images (the only topic with images)')
    parser.add_argument('--name', default='/eov_seg', help='stands before the topics (/eov_seg)')
    parser.add_argument('--rate', type=float, metavar='HZ',
                        help='label at most so many images of a second, by their stamps (all)')
    parser.add_argument('--part-seconds', type=float, default=60.0, metavar='S',
                        help='length of a part: what is lost if the process is killed (60)')
    parser.add_argument('--storage', choices=('mcap', 'sqlite3'), default='mcap')
    parser.add_argument('--bag-version', type=int, choices=(9, 8), default=9,
                        help='of metadata.yaml: 8 for ROS before Jazzy (9)')
    add_words(parser)
    add_weights(parser)
    add_thresholds(add_inference(parser))
    parser.set_defaults(run=_bag)


def _bag(arguments: argparse.Namespace) -> int:
    from eov_seg_core.app.words import choose_vocabulary
    from eov_seg_core.recordings.options import LabelOptions
    # as for `segment`: small things are refused before PyTorch is imported
    vocabulary = choose_vocabulary(arguments.vocabulary, arguments.things, arguments.stuff)
    labels = LabelOptions(
        name=arguments.name, rate_hz=arguments.rate, part_s=arguments.part_seconds,
        storage=arguments.storage, bag_version=arguments.bag_version,
        max_megapixels=arguments.max_megapixels)
    from eov_seg_core.app.bag.command import BagJob, label_bags
    model = model_options(arguments, score_threshold=arguments.score_threshold,
                          overlap_threshold=arguments.overlap_threshold)
    return label_bags(BagJob(
        inputs=arguments.inputs, output=arguments.output, model=model, vocabulary=vocabulary,
        labels=labels, image_topic=arguments.image_topic),
        report_problem, lambda line: print(printable(line)))
