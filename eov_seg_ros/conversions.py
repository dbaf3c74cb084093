# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results to messages: label images, their compressed twins, detections and class maps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from eov_seg_core.io.image_messages.layouts import WHITE
from eov_seg_core.io.media import MAX_MEGAPIXELS
from eov_seg_core.results.label_images import ids_of, paint, panoptic_labels
from eov_seg_core.visualization import class_color, draw_overlay
from eov_seg_core.vocabulary import canonical_form
from eov_seg_ros.class_ids import LabelSpace, UNLABELED
from eov_seg_ros.image_bridge import CvBridge, make_bridge

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult, Segment

Pixels = npt.NDArray[Any]
RGB = npt.NDArray[np.uint8]
_DTYPES = {'mono8': np.uint8, 'mono16': np.uint16, '32SC1': np.int32}


def image_to_rgb(message: Image | CompressedImage, max_megapixels: float = MAX_MEGAPIXELS,
                 mono16_max: int = WHITE) -> RGB:
    """Return the image of a message as (H, W, 3) uint8 RGB.

    Args:
        message: Raw or compressed.
        max_megapixels: A larger compressed image is refused before it is decoded.
        mono16_max: The sample of `mono16` that is white.

    Raises:
        ValueError: It cannot be decoded, or contradicts itself; says how.
    """
    if isinstance(message, CompressedImage):
        return make_bridge().compressed_imgmsg_to_cv2(message, 'rgb8', max_megapixels,
                                                      mono16_max=mono16_max)
    return make_bridge().imgmsg_to_cv2(message, 'rgb8', mono16_max=mono16_max)


def image_message(header: Header, pixels: Pixels, encoding: str) -> Image:
    """Return an image message with packed rows; see `CvBridge.cv2_to_imgmsg`.

    Ours always: cv_bridge copies the pixels once more.
    """
    return CvBridge().cv2_to_imgmsg(pixels, encoding, header)


def compress(message: Image) -> CompressedImage:
    """Return the compressed twin of one of our images: JPEG for `rgb8`, lossless PNG for labels.

    The format strings are those of image_transport, whose subscriber gives the same image back.
    A PNG has no 32-bit samples: the four bytes of `32SC1` become its four channels, and
    image_transport, which believes the format string, puts them together again.
    """
    if message.encoding == 'rgb8':
        bgr = cv2.cvtColor(make_bridge().imgmsg_to_cv2(message, 'rgb8'), cv2.COLOR_RGB2BGR)
        compressed = CvBridge().cv2_to_compressed_imgmsg(bgr, 'jpg')
        compressed.format = 'rgb8; jpeg compressed bgr8'
    else:
        labels = np.frombuffer(message.data, _DTYPES[message.encoding])
        if message.encoding == '32SC1':
            labels = labels.view(np.uint8)
        shape = (message.height, message.width, 4)[:3 if message.encoding == '32SC1' else 2]
        compressed = CvBridge().cv2_to_compressed_imgmsg(labels.reshape(shape), 'png')
        compressed.format = f'{message.encoding}; png compressed '
    compressed.header = message.header
    return compressed


def instance_image(header: Header, result: PanopticResult, ids: Sequence[int] | None = None
                   ) -> Image:
    """Return `mono16`: the id of the pixel's segment, 0 for unlabeled.

    Args:
        header: The header of the input image.
        result: What the segmenter found.
        ids: Of each segment; None: those of the result.
    """
    return image_message(header, paint(result, ids_of(result, ids), np.uint16), 'mono16')


def semantic_image(header: Header, result: PanopticResult, labels: LabelSpace) -> Image:
    """Return the class id, in the encoding that the labels have until cleanup."""
    class_ids = [labels.id_of(segment) for segment in result.segments]
    encoding = labels.semantic_encoding
    return image_message(header, paint(result, class_ids, _DTYPES[encoding]), encoding)


def panoptic_image(header: Header, result: PanopticResult, labels: LabelSpace,
                   packing: str = 'class_high', ids: Sequence[int] | None = None) -> Image:
    """Return `32SC1`: class id, and a thing's id or 0, in 16 bits each.

    Args:
        header: The header of the input image.
        result: What the segmenter found.
        labels: The published class ids.
        packing: Which of them has the upper half: `class_high` or `class_low`.
        ids: Of each segment; None: those of the result.
    """
    class_ids = [labels.id_of(segment) for segment in result.segments]
    return image_message(header, panoptic_labels(result, class_ids, packing, ids), '32SC1')


def confidence_image(header: Header, result: PanopticResult) -> Image:
    """Return `mono8`: 255 times the score of the pixel's segment."""
    return image_message(header, result.confidence, 'mono8')


def color_image(header: Header, result: PanopticResult) -> Image:
    """Return `rgb8`: every pixel in the colour of its class, black for unlabeled."""
    colors = [class_color(segment.name) for segment in result.segments]
    channels = [paint(result, [color[index] for color in colors], np.uint8) for index in range(3)]
    return image_message(header, np.stack(channels, axis=-1), 'rgb8')


def mask_image(header: Header, result: PanopticResult, names: Collection[str]) -> Image:
    """Return `mono8`: 255 where a segment has one of the names, else 0."""
    forms = set(map(canonical_form, names))
    values = [255 * (canonical_form(segment.name) in forms) for segment in result.segments]
    return image_message(header, paint(result, values, np.uint8), 'mono8')


def overlay_image(header: Header, image_rgb: RGB, result: PanopticResult, alpha: float,
                  ids: Sequence[int] | None = None) -> Image:
    """Return `rgb8`: the image with colours, contours and names, with ids that last if given."""
    return image_message(header, draw_overlay(image_rgb, result, alpha, ids), 'rgb8')


def detections(header: Header, result: PanopticResult, include_stuff: bool,
               ids: Sequence[int] | None = None) -> Detection2DArray:
    """Return one detection per thing segment, on request per stuff segment too.

    `id` is the segment's value in `~/instance`, the class id of the hypothesis its name; `ids` as
    for `instance_image`.
    """
    return Detection2DArray(header=header, detections=[
        _detection(header, segment, number) for segment, number in zip(
            result.segments, ids_of(result, ids))
        if segment.is_thing or include_stuff])


def _detection(header: Header, segment: Segment, number: int) -> Detection2D:
    detection = Detection2D(header=header, id=str(number))
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = segment.name
    hypothesis.hypothesis.score = float(segment.score)
    detection.results = [hypothesis]
    left, top, right, bottom = segment.bbox_xyxy
    detection.bbox.center.position.x = (left + right) / 2
    detection.bbox.center.position.y = (top + bottom) / 2
    detection.bbox.size_x = float(right - left)
    detection.bbox.size_y = float(bottom - top)
    return detection


def label_info(header: Header, labels: LabelSpace, score_threshold: float) -> LabelInfo:
    """Return the class map of a vocabulary, with 0 = unlabeled."""
    classes = [VisionClass(class_id=0, class_name=UNLABELED)]
    classes += [VisionClass(class_id=class_id, class_name=name)
                for class_id, name in zip(labels.ids, labels.names)]
    return LabelInfo(header=header, class_map=classes, threshold=score_threshold)
