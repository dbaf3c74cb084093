# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The options of `eov-seg bag`; needs no PyTorch, so that `--help` is quick."""

from __future__ import annotations

import argparse
from typing import Any, TYPE_CHECKING

from eov_seg_core.app.arguments import (
    add_inference,
    add_thresholds,
    add_weights,
    add_words,
    folder,
    model_options,
    positive,
    report_note,
    report_problem,
    shard,
    share,
)
from eov_seg_core.app.bag.library import require_rosbags
from eov_seg_core.io.text import printable
from eov_seg_core.recordings.options import OUTPUTS, TRACKING

if TYPE_CHECKING:
    from eov_seg_core.recordings.options import PictureOptions


def add_parser(commands: Any) -> None:
    """Add the sub-command `bag`."""
    parser = commands.add_parser(
        'bag', help='label the images of ROS 2 recordings; needs no ROS',
        description='Write a bag OUT/NAME for each recording, with the topics of the node: '
                    'label_info, panoptic, detections. What is there is kept: the same command '
                    'again goes on. See docs/recordings.md.')
    parser.add_argument('inputs', nargs='+', type=folder, metavar='INPUT',
                        help='a bag: a folder, an .mcap or a .db3 file')
    parser.add_argument('-o', '--output', required=True, type=folder, metavar='DIR',
                        help='folder of the labelled bags')
    parser.add_argument('--image-topic', action='append', default=[], metavar='TOPIC',
                        help='raw or compressed images; may be given several times (the only '
                             'topic with images)')
    parser.add_argument('--name', default='/eov_seg', help='stands before the topics (/eov_seg)')
    parser.add_argument('--outputs', nargs='+', choices=OUTPUTS, default=OUTPUTS[:2],
                        metavar='TOPIC',
                        help=f'of {", ".join(OUTPUTS)} (the first two); label_info is always '
                             'written')
    parser.add_argument('--copy', metavar='PATTERN',
                        help='copy the topics that match this regular expression, as a whole: '
                             "'.*' for all (none)")
    fewer = parser.add_mutually_exclusive_group()
    fewer.add_argument('--rate', type=float, metavar='HZ',
                       help='label at most so many images of a second, by their stamps (all)')
    fewer.add_argument('--every', type=positive, default=1, metavar='N',
                       help='label one of N images (1)')
    parser.add_argument('--batch', type=positive, default=1, metavar='N',
                        help='images that the network gets at once; more than 1 is for GPUs (1)')
    parser.add_argument('--part-seconds', type=float, default=60.0, metavar='S',
                        help='length of a part: what is lost if the process is killed (60)')
    parser.add_argument('--storage', choices=('mcap', 'sqlite3'), default='mcap')
    parser.add_argument('--bag-version', type=int, choices=(9, 8), default=9,
                        help='of metadata.yaml: 8 for ROS before Jazzy (9)')
    parser.add_argument('--shard', type=shard, default=(0, 1), metavar='I/N',
                        help='make the I-th of N shares only, I = 0 to N - 1 (0/1)')
    parser.add_argument('--engine', choices=('local', 'ray'), default='local',
                        help='ray: on the cluster of RAY_ADDRESS, or on this machine (local)')
    parser.add_argument('--workers', type=positive, metavar='N',
                        help='of Ray (one for each GPU; one without GPUs)')
    parser.add_argument('--on-error', choices=('skip', 'stop'), default='skip',
                        help='what to do about a frame or a recording that cannot be used: go on '
                             'with the others, or end the run (skip)')
    parser.add_argument('--max-error-rate', type=share, default=0.01, metavar='0..1',
                        help='exit status 3 if a larger share of the frames failed (0.01)')
    _add_space(parser)
    _add_data_set(parser)
    add_words(parser)
    add_weights(parser)
    add_thresholds(add_inference(parser))
    parser.set_defaults(run=_bag)


def _add_space(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('depth and ids that last; as the parameters of the node')
    group.add_argument('--tracking', choices=TRACKING, default='off',
                       help='ids that stay with objects: by the images alone (2d), or by depth '
                            'and /tf (3d); auto: 3d if there is depth (off)')
    group.add_argument('--depth-topic', action='append', default=[], metavar='TOPIC',
                       help='16UC1 or 32FC1, registered to the images; one for each '
                            '--image-topic (found by frame_id and name)')
    group.add_argument('--info-topic', action='append', default=[], metavar='TOPIC',
                       help='the same of camera_info')
    group.add_argument('--depth-sync', type=float, default=0.005, metavar='S',
                       help='largest distance between the stamps of image and depth (0.005)')
    group.add_argument('--depth-range', type=float, nargs=2, default=(0.15, 10.0),
                       metavar=('NEAR', 'FAR'), help='other depth is unknown, metres (0.15 10)')
    group.add_argument('--rectified', action='store_true',
                       help='the images were rectified: P of camera_info holds (K and D hold)')
    group.add_argument('--world-frame', default='odom', metavar='FRAME',
                       help="frame of boxes and objects, z up; '': that of the image (odom)")


def _add_data_set(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('data set, to correct and to train with')
    group.add_argument('--coco', metavar='DIR',
                       help="write the images and their labels in COCO's panoptic format, too")
    group.add_argument('--coco-period', type=float, metavar='S',
                       help='one picture of S seconds at most (all)')
    group.add_argument('--coco-change', type=float, metavar='0..1',
                       help='only pictures whose mean brightness differs so much from the one '
                            'before, pixel by pixel; 0.05 is a slow turn (all)')
    group.add_argument('--coco-unsure', type=float, metavar='0..1',
                       help='only pictures with a mean score below this: what the network is '
                            'unsure of (all)')
    group.add_argument('--format', choices=('coco-panoptic', 'coco-instances'),
                       default='coco-panoptic',
                       help='coco-instances writes, besides, instances_polygons.json and '
                            'instances_rle.json for CVAT and Label Studio')


def _picture_options(arguments: argparse.Namespace) -> PictureOptions | None:
    from eov_seg_core.recordings.options import PictureOptions
    chosen = {'period_s': arguments.coco_period, 'min_change': arguments.coco_change,
              'max_score': arguments.coco_unsure}
    is_asked = arguments.format != 'coco-panoptic' or any(
        value is not None for value in chosen.values())
    if arguments.coco is None and is_asked:
        raise ValueError('--format and the options --coco-... are for a data set; name its folder '
                         'with --coco')
    return None if arguments.coco is None else PictureOptions(**chosen)


def _bag(arguments: argparse.Namespace) -> int:
    from eov_seg_core.app.words import choose_vocabulary
    from eov_seg_core.recordings.options import LabelOptions, SpaceOptions
    # as for `segment`: small things are refused before PyTorch is imported
    vocabulary = choose_vocabulary(arguments.vocabulary, arguments.things, arguments.stuff)
    labels = LabelOptions(
        name=arguments.name, rate_hz=arguments.rate, every=arguments.every,
        batch=arguments.batch, copy=arguments.copy, outputs=tuple(arguments.outputs),
        part_s=arguments.part_seconds,
        storage=arguments.storage, bag_version=arguments.bag_version,
        max_megapixels=arguments.max_megapixels, pictures=_picture_options(arguments),
        tracking=arguments.tracking, space=SpaceOptions(
            depth_topics=tuple(arguments.depth_topic), info_topics=tuple(arguments.info_topic),
            world_frame=arguments.world_frame, sync_s=arguments.depth_sync,
            range_m=tuple(arguments.depth_range), is_rectified=arguments.rectified))
    if arguments.workers is not None and arguments.engine != 'ray':
        raise ValueError('--workers is for --engine ray; start the command several times instead')
    if arguments.engine == 'ray' and arguments.shard != (0, 1):
        raise ValueError('--shard is for --engine local; Ray shares the parts itself')
    if arguments.engine == 'ray' and arguments.on_error == 'stop':
        raise ValueError('--on-error stop is for --engine local; the workers of Ray go on')
    require_rosbags()
    from eov_seg_core.app.bag.command import label_bags
    from eov_seg_core.app.bag.runner import BagJob
    model = model_options(arguments, score_threshold=arguments.score_threshold,
                          overlap_threshold=arguments.overlap_threshold)
    return label_bags(BagJob(
        inputs=arguments.inputs, output=arguments.output, model=model, vocabulary=vocabulary,
        labels=labels, image_topics=arguments.image_topic, coco=arguments.coco,
        shard=arguments.shard, is_strict=arguments.on_error == 'stop',
        max_error_rate=arguments.max_error_rate,
        workers=(arguments.workers or 0) if arguments.engine == 'ray' else None,
        instances=arguments.format == 'coco-instances'),
        report_problem, report_note, lambda line: print(printable(line)))
