# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bilinear samples at points against a float64 loop."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
import torch

from training.loss.point_sampling import sample_logits, sample_masks, uncertain_points


def sample_by_hand(values, x, y):
    """Interpolate a list of rows at pixel coordinates whose integers are pixel centres."""
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < len(values) and 0 <= column < len(values[0]):
                total += values[row][column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


@settings(deadline=None, max_examples=40)
@given(height=st.integers(1, 5), width=st.integers(1, 5), seed=st.integers(0, 999),
       pad=st.sampled_from([0, 3]))
def test_samples_equal_a_loop(height, width, seed, pad):
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(2, height, width, generator=generator) > 0.5
    points = torch.rand(2, 6, 2, generator=generator)
    points[:, 0] = torch.tensor([0.0, 1.0])   # corners, where half of the weight lies outside
    padded = (height + pad, width + pad)
    expected = [[sample_by_hand(mask.tolist(), x * padded[1] - 0.5, y * padded[0] - 0.5)
                 for x, y in rows] for mask, rows in zip(masks, points.tolist())]
    expected = torch.tensor(expected)
    torch.testing.assert_close(sample_masks(masks, points, padded), expected, rtol=0, atol=1e-5)
    dense = torch.zeros(2, 1, *padded)
    dense[:, 0, :height, :width] = masks
    torch.testing.assert_close(sample_logits(dense, points)[:, 0], expected, rtol=0, atol=1e-5)


def test_shared_points_are_the_same_points_for_every_mask():
    masks = torch.rand(3, 4, 4) > 0.5
    points = torch.rand(1, 7, 2)
    torch.testing.assert_close(sample_masks(masks, points, (4, 4)),
                               sample_masks(masks, points.repeat(3, 1, 1), (4, 4)))


@pytest.mark.parametrize('shape', [(0, 4, 4), (2, 0, 4)])
def test_no_mask_and_no_pixel(shape):
    samples = sample_masks(torch.ones(shape, dtype=torch.bool), torch.rand(1, 5, 2), (4, 4))
    assert samples.shape == (shape[0], 5)
    assert not samples.any()


def test_undecided_points_come_first():
    """The mask changes sign at x = 0.5; of 40 candidates the six nearest to it stay."""
    logits = torch.linspace(-1, 1, 64).expand(1, 64, 64)
    shapes = []

    def draw(shape, device):
        shapes.append(shape)
        return torch.rand(shape, generator=torch.Generator().manual_seed(len(shapes)))

    points = uncertain_points(logits, 8, oversampling=5.0, importance=0.75, draw=draw)
    assert shapes == [(1, 40, 2), (1, 2, 2)]
    candidates = torch.rand((1, 40, 2), generator=torch.Generator().manual_seed(1))
    distances = (candidates[0, :, 0] - 0.5).abs().sort().values[:6]
    torch.testing.assert_close((points[0, :6, 0] - 0.5).abs(), distances)
    assert points.shape == (1, 8, 2)


def test_points_of_no_mask():
    points = uncertain_points(torch.zeros(0, 4, 4), 8, 3.0, 0.75,
                              lambda shape, device: torch.rand(shape))
    assert points.shape == (0, 8, 2)
