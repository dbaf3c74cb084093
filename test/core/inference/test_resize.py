# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The resize in PyTorch against Pillow's, and Pillow's in the published order of the axes."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest
import torch

from eov_seg_core.inference.preprocess import preprocess
from eov_seg_core.inference.resize import resize_on_device, resize_on_host

SIDE = st.integers(1, 150)


def noise(height, width, seed, contrast=False):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.where(image > 127, np.uint8(255), np.uint8(0)) if contrast else image


@settings(max_examples=300, deadline=None)
@given(SIDE, SIDE, SIDE, SIDE, st.integers(0, 99), st.booleans())
@example(480, 640, 640, 853, 0, False)
@example(1080, 1920, 640, 1138, 0, True)
@example(1, 1, 1, 1, 0, False)
def test_both_are_equal_to_the_last_bit(height, width, new_height, new_width, seed, contrast):
    image, size = noise(height, width, seed, contrast), (new_height, new_width)
    found = resize_on_device(torch.from_numpy(image), size)
    assert np.array_equal(found, resize_on_host(image, size))


@pytest.mark.parametrize(('size', 'axis'), [((37, 50), 0), ((61, 20), 1)])
def test_one_axis_is_what_pillow_does(size, axis):
    image = noise(61, 50, 1)
    assert image.shape[1 - axis] == size[1 - axis]
    expected = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
    assert np.array_equal(resize_on_host(image, size), expected)


def test_the_width_comes_first():
    image = np.array([[4, 3], [0, 1]], np.uint8)[..., None].repeat(3, 2)
    # rows are 3.5 and 0.5, rounded to 4 and 1, of which the mean is 2.5; columns give 2 and 2
    assert np.array_equal(resize_on_host(image, (1, 1)), [[[3, 3, 3]]])


def test_an_image_of_the_wanted_size_is_not_copied():
    image = noise(4, 6, 0)
    tensor = torch.from_numpy(image)
    assert resize_on_host(image, (4, 6)) is image
    assert resize_on_device(tensor, (4, 6)) is tensor


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_a_gpu_gets_the_same_pixels():
    images = [noise(480, 640, 0), noise(641, 333, 1)[:, ::-1]]
    there, here = (preprocess(images, output_sizes=None, input_size=288, max_input_size=2560,
                              device=torch.device(name)) for name in ('cuda', 'cpu'))
    torch.testing.assert_close(there.pixels_BCHW.cpu(), here.pixels_BCHW, rtol=1e-6, atol=1e-6)
