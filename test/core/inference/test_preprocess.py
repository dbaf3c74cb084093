# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Geometry, statistics and input checks of `preprocess`."""

from __future__ import annotations

import json
from pathlib import Path
import warnings

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest
import torch

from eov_seg_core.inference.preprocess import PIXEL_MEAN, PIXEL_STD, preprocess, resized_size

CPU = torch.device('cpu')
PARITY = Path(__file__).parents[4] / 'shared' / 'parity'


def make_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def run(images, output_sizes=None, input_size=None, max_input_size=2560):
    return preprocess(images, output_sizes=output_sizes, input_size=input_size,
                      max_input_size=max_input_size, device=CPU)


def normalise(image: np.ndarray) -> np.ndarray:
    mean, std = np.float32(PIXEL_MEAN), np.float32(PIXEL_STD)
    return ((image.astype(np.float32) - mean) / std).transpose(2, 0, 1)


@pytest.mark.parametrize(('size', 'expected'), [
    ((480, 640), (640, 853)), ((640, 480), (853, 640)), ((427, 640), (640, 959)),
    ((100, 100), (640, 640)), ((6000, 8000), (640, 853)), ((640, 2560), (640, 2560)),
    ((200, 1000), (512, 2560)), ((1, 1000), (3, 2560)), ((1000, 1), (2560, 3)),
    ((1, 100_000), (1, 2560)), ((1, 1), (640, 640))])
def test_resized_size(size, expected):
    assert resized_size(*size, 640, 2560) == expected


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(32, 80))
def test_resize_equals_pillow_and_padding_is_zero(height, width, input_size):
    image = make_image(height, width)
    batch = run([image], input_size=input_size, max_input_size=160)
    new_height, new_width = resized_size(height, width, input_size, 160)
    expected = np.asarray(Image.fromarray(image).resize((new_width, new_height),
                                                        Image.BILINEAR))
    assert batch.network_sizes == [(new_height, new_width)]
    assert batch.output_sizes == [(height, width)]
    assert batch.padded_size == tuple(batch.pixels_BCHW.shape[2:])
    for padded, size in zip(batch.padded_size, (new_height, new_width)):
        assert padded == -(-size // 32) * 32
    pixels = batch.pixels_BCHW[0].numpy()
    np.testing.assert_array_equal(pixels[:, :new_height, :new_width], normalise(expected))
    assert not pixels[:, new_height:].any()
    assert not pixels[:, :, new_width:].any()


def test_batch_is_padded_to_its_largest_sides():
    images = [make_image(40, 100), make_image(70, 20)]
    batch = run(images, output_sizes=[None, (5, 6)])
    assert batch.pixels_BCHW.shape == (2, 3, 96, 128)
    assert batch.network_sizes == [(40, 100), (70, 20)]
    assert batch.output_sizes == [(40, 100), (5, 6)]
    np.testing.assert_array_equal(batch.pixels_BCHW[1, :, :70, :20].numpy(), normalise(images[1]))
    assert not batch.pixels_BCHW[1, :, :, 20:].any()


@pytest.mark.parametrize('name', ['r50', 'r50x4', 'convnext_l', 'r50_batch'])
def test_golden_network_input(name):
    if not PARITY.is_dir():
        pytest.skip('golden arrays are not beside this checkout')
    with np.load(PARITY / f'{name}.npz') as golden:
        meta = json.loads(golden['meta_json'].tobytes())
        images = [golden[f'img{index}/image'] for index in range(len(meta['images']))]
        expected = golden['input_norm_padded']
    layout = meta['arrays']['input_norm_padded']
    pixels = run(images).pixels_BCHW.numpy()
    assert list(pixels.shape) == layout['shape']
    np.testing.assert_allclose(pixels.reshape(-1)[::layout['stride']], expected.reshape(-1),
                               rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('input_size', [None, 64])
def test_any_strides_and_read_only_memory_work_without_warning(input_size):
    image = make_image(40, 50)
    expected = run([image.copy()], input_size=input_size).pixels_BCHW
    read_only = image.copy()
    read_only.setflags(write=False)
    flipped_twice = image[::-1, ::-1].copy()[::-1, ::-1]
    bgr_view = image[:, :, ::-1].copy()[:, :, ::-1]
    wide = np.repeat(image, 2, axis=1)[:, ::2]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for variant in (read_only, flipped_twice, bgr_view, wide):
            assert torch.equal(run([variant], input_size=input_size).pixels_BCHW, expected)


def test_the_image_is_not_changed():
    image = make_image(32, 32)
    before = image.copy()
    run([image])
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(('size', 'network_size'), [
    ((1000, 1), (2560, 3)), ((1, 7), (366, 2560))])
def test_one_pixel_wide_image(size, network_size):
    batch = run([make_image(*size)], input_size=640)
    assert batch.network_sizes == [network_size]
    assert torch.isfinite(batch.pixels_BCHW).all()


@pytest.mark.parametrize(('image', 'words'), [
    ([[1, 2, 3]], ['list', 'numpy.asarray']),
    (np.zeros((4, 5, 3), np.float32), ['float32', 'uint8']),
    (np.zeros((4, 5, 3), np.int64), ['int64', 'uint8']),
    (np.zeros((4, 5), np.uint8), ['(4, 5)', 'grey']),
    (np.zeros((4, 5, 1), np.uint8), ['(4, 5, 1)', 'grey']),
    (np.zeros((4, 5, 4), np.uint8), ['(4, 5, 4)', 'alpha']),
    (np.zeros((3, 4, 5), np.uint8), ['(3, 4, 5)', 'channel-first']),
    (np.zeros((1, 4, 5, 3), np.uint8), ['(1, 4, 5, 3)', 'list of images']),
    (np.zeros((4, 5, 2), np.uint8), ['(4, 5, 2)']),
    (np.zeros((0, 5, 3), np.uint8), ['(0, 5, 3)', 'empty']),
    (np.zeros((4, 0, 3), np.uint8), ['(4, 0, 3)', 'empty'])])
def test_bad_image_is_refused(image, words):
    with pytest.raises(ValueError, match='image 1') as caught:
        run([make_image(8, 8), image])
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize('sizes', [
    [(0, 5)], [(5, -1)], [(5.0, 6)], [(5,)], [(5, 6, 7)], ['ab'], [5], [(True, 5)],
    [], [None, None], (480, 640), 7])
def test_bad_output_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match='output size'):
        run([make_image(8, 8)], output_sizes=sizes)


def test_numpy_integers_are_output_sizes():
    batch = run([make_image(8, 8)], output_sizes=[(np.int64(3), np.uint16(4))])
    assert batch.output_sizes == [(3, 4)]


def test_no_image_is_refused():
    with pytest.raises(ValueError, match='at least one'):
        run([])
