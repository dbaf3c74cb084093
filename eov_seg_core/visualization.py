# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of results: stable colours, overlay with contours and names, legend.

OpenCV 5 writes names in nearly any script.  OpenCV 4 has ASCII only: there letters lose their
accents, and what is left beyond ASCII becomes a question mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
import hashlib
import math
from numbers import Integral, Real
from typing import TYPE_CHECKING
import unicodedata

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.results.result import check_result
from eov_seg_core.wrong import wrong

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult, Segment

Picture = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

_SHADES = (0.0, -0.3, 0.35, -0.55, 0.6)
"""Steps towards black (negative) or white of the instances of one class, in turn."""
_PLACING_SIDE = 240
"""Long side in pixels of the reduced label map that places names."""
_FONT_WEIGHT = 500
"""Weight of OpenCV 5's font: 400 is regular, 700 bold."""
_MAX_TEXT = 40
"""Characters of a name that are drawn."""


def class_color(name: str) -> Color:
    """Return the colour of a class: the same in every process, run and vocabulary.

    Hue, lightness and saturation come from a hash of the name, evenly over OKLCH, where equal
    steps look equally large.

    Args:
        name: First name of the class.

    Returns:
        R, G, B in 0..255; neither near black nor near white.
    """
    if not isinstance(name, str):
        raise wrong('the name of a class', name, "a string such as 'chair'")
    digest = hashlib.blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=4).digest()
    hue = 2 * math.pi * int.from_bytes(digest[:2], 'big') / 65536
    lightness = 0.58 + 0.24 * digest[2] / 255
    chroma = 0.10 + 0.08 * digest[3] / 255
    return _oklch_to_rgb(lightness, chroma, hue)


def segment_colors(segments: list[Segment]) -> list[Color]:
    """Return a colour for each segment: its class's, in shades where a class has several."""
    seen: dict[int, int] = {}
    colors = []
    for segment in segments:
        number = seen.get(segment.class_id, 0)
        seen[segment.class_id] = number + 1
        colors.append(_shade(class_color(segment.name), _SHADES[number % len(_SHADES)]))
    return colors


def colorize(result: PanopticResult) -> Picture:
    """Paint every segment in its colour.

    Returns:
        (H, W, 3) uint8 RGB; black where unlabeled.

    Raises:
        ValueError: It is no result.
    """
    check_result(result)
    table = np.zeros((len(result.segments) + 1, 4), np.uint8)
    if result.segments:
        table[1:, :3] = segment_colors(result.segments)
    # one 32-bit look-up is several times faster than one of three bytes
    packed = np.take(table.view(np.uint32)[:, 0], result.instance)
    rgba = packed.view(np.uint8).reshape(*result.instance.shape, 4)
    return np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB))


def draw_overlay(image_rgb: Picture, result: PanopticResult, alpha: float = 0.5,
                 ids: Sequence[int] | None = None) -> Picture:
    """Draw colours, contours and names over the image.

    Args:
        image_rgb: (H, W, 3) uint8 RGB of the result's size.
        result: What was found in it.
        alpha: Opacity of the colours, 0..1.
        ids: A number for each segment, written behind the names of things; None for none.

    Returns:
        (H, W, 3) uint8 RGB, a new array.

    Raises:
        ValueError: Image and result differ in size, alpha is out of range, or there is another
            number of ids than of segments.
    """
    check_result(result)
    if not isinstance(image_rgb, np.ndarray):
        raise wrong('the image', image_rgb, 'an (H, W, 3) uint8 RGB array')
    if image_rgb.shape != (*result.instance.shape, 3) or image_rgb.dtype != np.uint8:
        raise ValueError(f'image has shape {image_rgb.shape} and dtype {image_rgb.dtype}; '
                         f'expected {(*result.instance.shape, 3)}, as the result, and uint8')
    if not (isinstance(alpha, Real) and 0.0 <= alpha <= 1.0):
        raise ValueError(f'alpha must lie in 0..1, got {alpha!r:.80}')
    if ids is not None and len(ids) != len(result.segments):
        raise ValueError(f'there are {len(ids)} ids; expected one for each of '
                         f'{len(result.segments)} segments')
    picture: Picture = np.array(image_rgb, order='C')
    if not result.segments:
        return picture
    is_labeled = (result.instance > 0).view(np.uint8)
    blended = cv2.addWeighted(picture, 1 - alpha, colorize(result), alpha, 0)
    cv2.copyTo(blended, is_labeled, picture)
    _draw_contours(picture, result.instance)
    _draw_names(picture, result, ids)
    return picture


def draw_legend(result: PanopticResult, width: int) -> Picture:
    """Draw a strip that names the classes in a result, in the order of their first segment.

    Args:
        result: What was found.
        width: Width of the strip in pixels.

    Returns:
        (height, width, 3) uint8 RGB on white; height 0 when there is no segment.

    Raises:
        ValueError: It is no result, or the width is below 1.
    """
    check_result(result)
    if not isinstance(width, Integral) or width < 1:
        raise wrong('the width', width, 'a whole number of pixels, 1 or more')
    size = _font_size((480, width))
    margin = size // 2
    x, y = margin, margin
    entries: list[tuple[int, int, str]] = []
    for name in dict.fromkeys(segment.name for segment in result.segments):
        advance = 2 * size + _text_mask(name, size).shape[1] + margin
        if x > margin and x + advance > width:
            x, y = margin, y + 2 * size
        entries.append((x, y, name))
        x += advance
    strip = np.full((y + 2 * size if entries else 0, width, 3), 255, np.uint8)
    for x, y, name in entries:
        cv2.rectangle(strip, (x, y), (x + size, y + size), class_color(name), cv2.FILLED)
        _draw_text(strip, name, (x + size + margin, y - 1), (0, 0, 0), size)
    return strip


def _oklch_to_rgb(lightness: float, chroma: float, hue: float) -> Color:
    """Convert OKLCH (Ottosson, 2020) to sRGB; colours outside are clipped."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
              -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
              -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short)
    red, green, blue = (_encode_srgb(min(max(value, 0.0), 1.0)) for value in linear)
    return red, green, blue


def _encode_srgb(value: float) -> int:
    encoded = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * encoded)


def _shade(color: Color, step: float) -> Color:
    target = 255 if step > 0 else 0
    red, green, blue = (round(value + abs(step) * (target - value)) for value in color)
    return red, green, blue


def _draw_contours(picture: Picture, instance: npt.NDArray[np.int32]) -> None:
    """Whiten the pixels whose right or lower neighbour belongs to another segment."""
    is_edge = np.zeros(instance.shape, np.bool_)
    np.not_equal(instance[:, 1:], instance[:, :-1], out=is_edge[:, :-1])
    is_edge[:-1] |= instance[1:] != instance[:-1]
    thickness = max(round(min(instance.shape) / 480), 1)
    kernel = np.ones((thickness, thickness), np.uint8)
    picture[cv2.dilate(is_edge.view(np.uint8), kernel) > 0] = 255


def _draw_names(picture: Picture, result: PanopticResult, ids: Sequence[int] | None) -> None:
    """Write names, largest segment first, where they cover no name that is already there."""
    size = _font_size(result.instance.shape)
    step = max(math.ceil(max(result.instance.shape) / _PLACING_SIDE), 1)
    reduced = np.ascontiguousarray(result.instance[::step, ::step])
    is_taken = np.zeros(result.instance.shape, np.bool_)
    colors = segment_colors(result.segments)
    for index, segment in sorted(enumerate(result.segments), key=lambda entry: -entry[1].area):
        center = _inner_point(reduced, segment, step)
        text = segment.name
        if ids is not None and segment.is_thing:
            text += f' {ids[index]}'
        mask = _text_mask(text, size)
        box = _text_box(center, (mask.shape[0] + 2, mask.shape[1] + 6), result.instance.shape)
        if is_taken[box].any():
            continue
        is_taken[box] = True
        color = colors[segment.id - 1]
        picture[box] = color
        _draw_text(picture, text, (box[1].start + 3, box[0].start + 1),
                   _ink_on(color), size)


def _inner_point(reduced: npt.NDArray[np.int32], segment: Segment, step: int) -> tuple[int, int]:
    """Return x, y of the point of a segment that is farthest from its outline."""
    x1, y1, x2, y2 = segment.bbox_xyxy
    left, top = x1 // step, y1 // step
    crop = reduced[top:(y2 - 1) // step + 1, left:(x2 - 1) // step + 1] == segment.id
    # a rim of zeros: the border of the image is an outline too
    padded = np.pad(crop.view(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    if distance[y, x] == 0:     # too thin for the reduced map
        return (x1 + x2) // 2, (y1 + y2) // 2
    return int((left + x - 1) * step + step // 2), int((top + y - 1) * step + step // 2)


def _text_box(center: tuple[int, int], text_size: tuple[int, int], shape: tuple[int, ...]
              ) -> tuple[slice, slice]:
    """Return rows and columns of a box around a point, moved and cut to lie in the picture."""
    starts = [max(min(middle - length // 2, limit - length), 0)
              for middle, length, limit in zip(center[::-1], text_size, shape)]
    rows, columns = (slice(start, min(start + length, limit))
                     for start, length, limit in zip(starts, text_size, shape))
    return rows, columns


def _ink_on(color: Color) -> Color:
    """Return black or white, whichever is easier to read on a colour."""
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
                        for value in (channel / 255 for channel in color))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # contrast as in WCAG 2: (luminance + 0.05) / 0.05 of black, 1.05 / (luminance + 0.05) of white
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 1.05 * 0.05 else (255, 255, 255)


def _draw_text(picture: Picture, text: str, corner: tuple[int, int], ink: Color, size: int
               ) -> None:
    """Write text with its upper left corner at x, y; what lies outside is cut off."""
    x, y = corner
    target = picture[y:, x:]
    mask = _text_mask(text, size)[:target.shape[0], :target.shape[1], None].astype(np.float32)
    target = target[:mask.shape[0], :mask.shape[1]]
    opacity = mask / 255
    blended = target + opacity * (np.array(ink, np.float32) - target)
    target[:] = np.rint(blended).astype(np.uint8)


def _font_size(shape: tuple[int, ...]) -> int:
    return min(max(round(min(shape) / 36), 11), 24)


@lru_cache(maxsize=1024)
def _text_mask(text: str, size: int) -> Picture:
    """Return the opacity of a line of text, (height, width) uint8, for a font size in pixels."""
    shown = text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT - 3] + '...'
    height, baseline = round(1.4 * size), round(1.05 * size)
    if hasattr(cv2, 'FontFace'):
        font = cv2.FontFace('sans')
        width = cv2.getTextSize((0, 0), shown, (0, 0), font, size, _FONT_WEIGHT)[2]
        mask = np.zeros((height, width + 1), np.uint8)
        cv2.putText(mask, shown, (0, baseline), (255,), font, size, _FONT_WEIGHT)
    else:
        shown, face, scale = to_ascii(shown), cv2.FONT_HERSHEY_SIMPLEX, size / 30
        width = cv2.getTextSize(shown, face, scale, 1)[0][0]
        mask = np.zeros((height, width + 1), np.uint8)
        cv2.putText(mask, shown, (0, baseline), face, scale, 255, 1, cv2.LINE_AA)
    mask.setflags(write=False)
    return mask


def to_ascii(text: str) -> str:
    """Take the accents off letters and put a question mark for what is still not ASCII."""
    decomposed = unicodedata.normalize('NFKD', text)
    bare = ''.join(letter for letter in decomposed if not unicodedata.combining(letter))
    return bare.encode('ascii', 'replace').decode('ascii')
