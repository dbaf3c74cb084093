# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of recordings share: bags, and a segmenter whose results can be foretold.

As a script it labels a bag slowly, to be killed: `python bag_case.py BAG OUTPUT [DATA_SET]`; with
a data set objects are tracked, so that a part needs the state after the one before it.
"""

from __future__ import annotations

from pathlib import Path
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
from rosbags.rosbag2 import Reader, Writer
from rosbags.rosbag2.enums import StoragePlugin
from rosbags.typesys import get_typestore, Stores

from eov_seg_core.recordings.dataset import DataSet
from eov_seg_core.recordings.files.opening import open_recording
from eov_seg_core.recordings.labelling import BagLabeller
from eov_seg_core.recordings.messages import MessageWriter
from eov_seg_core.recordings.options import LabelOptions, PictureOptions
from eov_seg_core.recordings.source import COMPRESSED, IMAGE, Source
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.vocabulary import Vocabulary

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
HEIGHT, WIDTH = 4, 6


class StripSegmenter:
    """A chair as wide as the first pixel's red says, the rest floor."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.vocabulary = Vocabulary(things=['chair'], stuff=['floor'])
        self.thresholds = SimpleNamespace(score_threshold=0.25)
        self.calls = 0
        self.batches = []
        self._delay_s = delay_s

    def __call__(self, images):
        self.batches.append(len(images))
        return [self._segment(rgb) for rgb in images]

    def _segment(self, rgb):
        self.calls += 1
        time.sleep(self._delay_s)
        height, width = rgb.shape[:2]
        cut = 1 + int(rgb[0, 0, 0]) % (width - 1)
        instance = np.full((height, width), 2, np.int32)
        instance[:, :cut] = 1
        return PanopticResult(instance, [
            Segment(1, 1, 'chair', True, 0.5, height * cut, (0, 0, cut, height)),
            Segment(2, 2, 'floor', False, 0.75, height * (width - cut), (cut, 0, width, height))])


def picture(index: int) -> np.ndarray:
    """Return the RGB image of a frame."""
    return np.full((HEIGHT, WIDTH, 3), index % 256, np.uint8)


def make_bag(path: Path, frames: int, *, topic='/cam/image_raw', storage='mcap', version=9,
             store=Stores.ROS2_JAZZY, is_compressed=False, broken=(), second=None,
             compression=None) -> Path:
    """Write a bag of 10 images a second, as a recorder does: log times later than stamps."""
    types = get_typestore(store)
    kind = COMPRESSED if is_compressed else IMAGE
    writer = Writer(path, version=version, storage_plugin=StoragePlugin[storage.upper()])
    if compression is not None:
        writer.set_compression(*compression)
    with writer:
        connections = [writer.add_connection(name, kind, typestore=types)
                       for name in (topic, second) if name]
        for index in range(frames):
            log_ns = START_NS + index * STEP_NS
            image = _image(types, index, log_ns - 5_000_000, is_compressed)
            data = types.serialize_cdr(image, kind)
            for connection in connections:
                writer.write(connection, log_ns,
                             data[:40] if index in broken else bytes(data))
    return path


def _image(types, index, stamp_ns, is_compressed):
    header = types.types['std_msgs/msg/Header'](
        stamp=types.types['builtin_interfaces/msg/Time'](
            sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id='optical')
    rgb = picture(index)
    if is_compressed:
        return types.types[COMPRESSED](header=header, format='rgb8; png compressed bgr8',
                                       data=cv2.imencode('.png', rgb[..., ::-1])[1].reshape(-1))
    return types.types[IMAGE](header=header, height=HEIGHT, width=WIDTH, encoding='rgb8',
                              is_bigendian=0, step=3 * WIDTH, data=rgb.reshape(-1))


def label(bag: Path, output: Path, *, segmenter=None, topic=None, settings=None, problems=None,
          coco=None, topics=(), shard=(0, 1), **options):
    """Label a bag, in parts of one second where nothing else is said."""
    problems = [] if problems is None else problems
    segmenter = segmenter or StripSegmenter()
    if coco is not None:
        coco = DataSet(coco, segmenter.vocabulary)
        options.setdefault('pictures', PictureOptions())
    with open_recording(bag) as reader:
        report = BagLabeller(
            Source(reader, [topic] if topic else topics, options.get('copy')), output, segmenter,
            LabelOptions(**({'part_s': 1.0} | options)), settings or {}, coco, shard).run(
                lambda count: None, problems.append)
    if coco is not None:
        coco.merge()
    return report


def edited(bag: Path, target: Path, change) -> Path:
    """Copy a bag; `change` gets topic, log time and message, and returns the last two or None."""
    types = get_typestore(Stores.ROS2_JAZZY)
    with Reader(bag) as reader, Writer(target, version=9, storage_plugin=StoragePlugin.MCAP
                                       ) as writer:
        connections = {}
        for entry, log_ns, data in reader.messages():
            found = change(entry.topic, log_ns, types.deserialize_cdr(data, entry.msgtype))
            if found is None:
                continue
            if entry.topic not in connections:
                connections[entry.topic] = writer.add_connection(
                    entry.topic, entry.msgtype, typestore=types,
                    offered_qos_profiles=entry.ext.offered_qos_profiles)
            writer.write(connections[entry.topic], found[0],
                         types.serialize_cdr(found[1], entry.msgtype))
    return target


def messages(bag: Path, topic: str) -> list:
    """Return log times and messages of a topic of a labelled bag."""
    types = MessageWriter().types
    with Reader(bag) as reader:
        wanted = [entry for entry in reader.connections if entry.topic == topic]
        return [(log_ns, types.deserialize_cdr(data, entry.msgtype))
                for entry, log_ns, data in reader.messages(wanted)] if wanted else []


def visible_below(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder and of those in it with their bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*')
            if path.is_file() and not any(part.startswith('.') for part in
                                          path.relative_to(folder).parts)}


def visible(folder: Path) -> dict[str, bytes]:
    """Return the files of a labelled bag with their bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()
            and not path.name.startswith('.')}


if __name__ == '__main__':
    label(Path(sys.argv[1]), Path(sys.argv[2]), segmenter=StripSegmenter(0.005),
          **({'coco': Path(sys.argv[3]), 'tracking': '2d'} if sys.argv[3:] else {}))
