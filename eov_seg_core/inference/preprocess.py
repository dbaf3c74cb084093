# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From uint8 images to the network's input: resize, normalise, pad.

The published test transform: the short side becomes `input_size` with Pillow's antialiased
bilinear filter on uint8 (PyTorch's differs from it by one grey level on 0.1 to 0.4 % of the
values), then the ImageNet statistics for both CLIPs, then zeros to the right and below.  Nothing
downstream knows where the padding is, so a result depends on the images of its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
import os

import numpy as np
import numpy.typing as npt
from PIL import Image
import torch
from torch import Tensor

from eov_seg_core.device.transfer import to_device
from eov_seg_core.inference.resize import resize_on_device, resize_on_host

PIXEL_MEAN = (123.675, 116.28, 103.53)
"""Mean of R, G and B that is subtracted, in grey levels."""
PIXEL_STD = (58.395, 57.12, 57.375)
"""Standard deviation that R, G and B are divided by, in grey levels."""
SIZE_DIVISOR = 32
"""The padded size is a multiple of this: the coarsest stride of the network."""
_MAX_OUTPUT_PIXELS = 1_000_000_000
"""Largest result; one of 10^12 pixels would be computed for hours before the memory ends."""


@dataclass(frozen=True)
class ImageBatch:
    """What the network gets, and what it takes to undo the geometry.

    Attributes:
        pixels_BCHW: (B, 3, H, W) float32 RGB, normalised, padded with 0 right and below.
        padded_size: (H, W), multiples of 32.
        network_sizes: (height, width) of each image in `pixels_BCHW`, without the padding.
        output_sizes: (height, width) wanted of each result.
    """

    pixels_BCHW: Tensor
    padded_size: tuple[int, int]
    network_sizes: list[tuple[int, int]]
    output_sizes: list[tuple[int, int]]


def preprocess(images: Sequence[npt.NDArray[np.uint8]], *,
               output_sizes: Sequence[tuple[int, int] | None] | None, input_size: int | None,
               max_input_size: int, device: torch.device) -> ImageBatch:
    """Resize, normalise and pad images to one batch.

    Args:
        images: At least one (H, W, 3) uint8 RGB array; sizes may differ, any strides.
        output_sizes: (height, width) wanted of each result; None (whole or entry): the image's.
        input_size: Short side after the resize in pixels; None: no resize.
        max_input_size: Upper limit of the long side after the resize in pixels.
        device: Where the batch shall lie; pixels travel there as uint8, and nobody waits.

    Raises:
        ValueError: There is no image, or an image or an output size is not as described.
    """
    if len(images) == 0:
        raise ValueError('there is no image; give at least one (H, W, 3) uint8 RGB array')
    for index, image in enumerate(images):
        _check_image(image, f'image {index}' if len(images) > 1 else 'the image')
    wanted = _resolve_output_sizes(images, output_sizes)
    network_sizes = [_network_size(image, input_size, max_input_size) for image in images]
    padded_size = (_round_up(max(height for height, _ in network_sizes)),
                   _round_up(max(width for _, width in network_sizes)))
    pixels_BCHW = torch.zeros(len(images), 3, *padded_size, device=device)
    for image, size, target_CHW in zip(images, network_sizes, pixels_BCHW):
        inside_CHW = target_CHW[:, :size[0], :size[1]]
        inside_CHW.copy_(_resize(image, size, device).permute(2, 0, 1))
        normalize_(inside_CHW)
    return ImageBatch(pixels_BCHW, padded_size, network_sizes, wanted)


def normalize_(pixels: Tensor) -> Tensor:
    """Bring RGB values to what both CLIP towers expect, in place.

    Args:
        pixels: (..., 3, H, W) float values 0..255.

    Returns:
        The same tensor.
    """
    mean_C11, std_C11 = (to_device(torch.tensor(values), pixels.device).view(3, 1, 1)
                         for values in (PIXEL_MEAN, PIXEL_STD))
    return pixels.sub_(mean_C11).div_(std_C11)


def resized_size(height: int, width: int, input_size: int, max_input_size: int) -> tuple[int, int]:
    """Return the (height, width) of the published test resize.

    Args:
        height: Of the image in pixels.
        width: Of the image in pixels.
        input_size: Wanted short side in pixels.
        max_input_size: Upper limit of the long side in pixels; wins over `input_size`.
    """
    scale = input_size / min(height, width)
    # the short side is set, not scaled, so that rounding cannot move it
    new_height = input_size if height < width else scale * height
    new_width = scale * width if height < width else input_size
    longest = max(new_height, new_width)
    if longest > max_input_size:
        new_height *= max_input_size / longest
        new_width *= max_input_size / longest
    return max(int(new_height + 0.5), 1), max(int(new_width + 0.5), 1)


def _network_size(image: npt.NDArray[np.uint8], input_size: int | None,
                  max_input_size: int) -> tuple[int, int]:
    """Return the (height, width) that an image gets."""
    height, width = image.shape[:2]
    if input_size is None:
        return height, width
    return resized_size(height, width, input_size, max_input_size)


def _resize(image: npt.NDArray[np.uint8], size: tuple[int, int], device: torch.device) -> Tensor:
    """Return the image at the network's size, (height, width, 3) uint8, on a device."""
    if device.type == 'cuda':
        return resize_on_device(to_device(_wrap(image), device), size)
    return _wrap(resize_on_host(image, size)).to(device)


def _wrap(image: npt.NDArray[np.uint8]) -> Tensor:
    """Return the image as a tensor, copied if its memory is read-only or strides are negative."""
    return torch.from_numpy(np.require(image, requirements=['C', 'W']))


def _round_up(size: int) -> int:
    return -(-size // SIZE_DIVISOR) * SIZE_DIVISOR


def _check_image(image: object, name: str) -> None:
    """Raise ValueError unless `image` is an (H, W, 3) uint8 array with pixels."""
    wanted = 'expected an (H, W, 3) uint8 RGB array'
    if not isinstance(image, np.ndarray):
        kind = 'None' if image is None else f'a {type(image).__name__}'
        raise ValueError(f'{name} is {kind}, {wanted}; {_type_hint(image)}')
    if image.size == 0:
        raise ValueError(f'{name} is empty (shape {image.shape}), {wanted} with at least '
                         'one pixel; check where it was read')
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'{name} has shape {image.shape}, {wanted}; {_shape_hint(image)}')
    if image.dtype != np.uint8:
        raise ValueError(f'{name} has dtype {image.dtype}, {wanted}; {_dtype_hint(image)}')


def _type_hint(image: object) -> str:
    """Say what to do about something that is no array."""
    if isinstance(image, (str, os.PathLike)):
        return (f'read the file first: eov_seg_core.io.media.read_image({str(image)!r:.200})')
    if image is None:
        return 'cv2.imread returns None for a file that it cannot read, so check the path'
    if isinstance(image, Image.Image):
        return "convert it with numpy.asarray(image.convert('RGB'))"
    if isinstance(image, Tensor):
        return 'convert it with image.cpu().numpy(), channels last'
    if isinstance(image, (bytes, bytearray, memoryview)):
        return 'decode it first, for example with eov_seg_core.io.media.load_picture and to_rgb'
    return 'convert it with numpy.asarray(image, numpy.uint8)'


def _dtype_hint(image: npt.NDArray[np.generic]) -> str:
    """Say what to do about values that are no bytes; the range is looked up, not guessed."""
    if image.dtype == np.bool_:
        return 'this is a mask; multiply it by 255 and convert it with .astype(numpy.uint8)'
    if not np.issubdtype(image.dtype, np.number) or np.iscomplexobj(image):
        return 'check where it was read'
    low, high = float(image.min()), float(image.max())
    found = f'its values are {low:g}..{high:g}'
    if low >= 0 and high <= 255 and (high > 1 or np.issubdtype(image.dtype, np.integer)):
        return f'{found}: convert it with .astype(numpy.uint8)'
    if low >= 0 and high <= 1:
        return f'{found}: convert it with (255 * image).astype(numpy.uint8)'
    return f'{found}: scale them to 0..255 and convert it with .astype(numpy.uint8)'


def _shape_hint(image: npt.NDArray[np.generic]) -> str:
    """Say what to do about an array that is not (H, W, 3)."""
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return 'repeat a grey image three times along a last axis'
    if image.ndim == 3 and image.shape[2] == 4:
        return 'drop the alpha channel with image[:, :, :3]'
    if image.ndim == 3 and image.shape[0] == 3:
        return 'it looks channel-first: use image.transpose(1, 2, 0)'
    if image.ndim == 4:
        return 'give a batch as a list of images'
    return 'rearrange its axes'


def _resolve_output_sizes(images: Sequence[npt.NDArray[np.uint8]],
                          output_sizes: Sequence[tuple[int, int] | None] | None
                          ) -> list[tuple[int, int]]:
    """Return one (height, width) for each image.

    Raises:
        ValueError: Their number is wrong, or one is not a pair of positive integers.
    """
    if output_sizes is None:
        output_sizes = [None] * len(images)
    if not isinstance(output_sizes, Sequence) or len(output_sizes) != len(images):
        raise ValueError(f'output sizes are {output_sizes!r}, expected a list of {len(images)}: '
                         '(height, width) or None for each image')
    return [_check_output_size(size) if size is not None else (image.shape[0], image.shape[1])
            for image, size in zip(images, output_sizes)]


def _check_output_size(size: object) -> tuple[int, int]:
    valid = (isinstance(size, Sequence) and len(size) == 2 and all(
        isinstance(side, Integral) and not isinstance(side, bool) and int(side) > 0
        for side in size))
    if not valid or not isinstance(size, Sequence):
        raise ValueError(f'output size is {size!r}, expected (height, width): two positive '
                         'integers in pixels')
    height, width = int(size[0]), int(size[1])
    if height * width > _MAX_OUTPUT_PIXELS:
        raise ValueError(f'output size is {size!r}, which are {height * width / 1e6:,.0f} million '
                         f'pixels; at most {_MAX_OUTPUT_PIXELS // 10**6:,} million are allowed')
    return height, width
