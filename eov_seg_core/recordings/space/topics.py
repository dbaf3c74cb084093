# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics have the depth and the calibration of which images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from eov_seg_core.io.image_messages.decoding import DEPTH_ENCODINGS
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.recordings.source import CAMERA_INFO, COMPRESSED, IMAGE, Source


class DepthTopics(NamedTuple):
    """What belongs to an image topic: its depth, and its calibration."""

    depth: str
    info: str


def depth_topics(source: Source, options: LabelOptions) -> dict[str, DepthTopics]:
    """Return for each image topic those of its depth and calibration; those without are missing.

    Depth must have the frame_id of the image, because it must be registered to it; of several such
    topics the one is taken whose name begins like that of the image.

    Args:
        source: The recording.
        options: How it is labelled.

    Raises:
        ValueError: Depth is needed and there is none, several topics could be meant, or a topic
            that was named is not there.
    """
    if not options.uses_depth:
        return {}
    space, images = options.space, list(source.cameras)
    for what, given in (('depth', space.depth_topics), ('camera_info', space.info_topics)):
        if given and len(given) != len(images):
            raise ValueError(f'{len(given)} {what} topics for {len(images)} image topics; name '
                             f'one for each of {", ".join(images)}, in this order')
    found = {}
    for number, image in enumerate(images):
        depth = _chosen(source, image, 'depth', space.depth_topics[number:number + 1])
        info = _chosen(source, image, 'info', space.info_topics[number:number + 1])
        if depth and info:
            found[image] = DepthTopics(depth, info)
    if options.needs_depth and not found:
        raise ValueError(f'{source.path} has no depth for {", ".join(images)}: '
                         f'{_why_none(source)}')
    return found


def _candidates(source: Source, what: str) -> list[str]:
    if what == 'info':
        return source.topics_of(CAMERA_INFO)
    return [topic for topic in source.topics_of(IMAGE)
            if (first := source.first(topic)) is not None and first.encoding in DEPTH_ENCODINGS]


def _chosen(source: Source, image: str, what: str, given: Sequence[str]) -> str | None:
    """Return the topic that belongs to an image topic; None: there is none."""
    if given:
        if given[0] not in source.topics_of(CAMERA_INFO if what == 'info' else IMAGE):
            raise ValueError(source.no_such_topic(
                given[0], 'camera_info' if what == 'info' else what,
                _candidates(source, what)))
        return given[0]
    frame = _frame_of(source, image)
    fitting = [topic for topic in _candidates(source, what) if _frame_of(source, topic) == frame]
    alike = {topic: len(list(takewhile(lambda pair: pair[0] == pair[1], zip(
        topic.split('/'), image.split('/'))))) for topic in fitting}
    best = [topic for topic in fitting if alike[topic] == max(alike.values())]
    if len(best) > 1:
        raise ValueError(f'{source.path}: {", ".join(best)} could belong to {image}; choose with '
                         f'--{what}-topic')
    return best[0] if best else None


def _frame_of(source: Source, topic: str) -> str | None:
    first = source.first(topic)
    return None if first is None else first.header.frame_id


def _why_none(source: Source) -> str:
    depth, infos = _candidates(source, 'depth'), _candidates(source, 'info')
    if not depth:
        packed = [topic for topic in source.topics_of(COMPRESSED)
                  if (first := source.first(topic)) is not None
                  and first.format.startswith(DEPTH_ENCODINGS)]
        rest = (f'; {", ".join(packed)} is compressed depth, which is not read: record it raw'
                if packed else '')
        return f'no topic has raw images of 16UC1 or 32FC1{rest}'
    if not infos:
        return 'there is no camera_info'
    frames = ', '.join(f'{topic} {_frame_of(source, topic)!r}'
                       for topic in (*source.cameras, *depth, *infos))
    return (f'images, depth and camera_info must have the same frame_id, which are {frames}; '
            "record the driver's aligned depth, or choose with --depth-topic and --info-topic")
