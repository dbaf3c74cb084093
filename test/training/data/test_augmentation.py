# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Large-scale jitter: image and masks stay together, whatever is drawn."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import torch

from training.data.augmentation import LargeScaleJitter, PAD_GREY
from training.data.samples import PanopticSample, SegmentLabel

SIDES = st.integers(1, 150)
SEEDS = st.integers(0, 2 ** 32)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def sample_of(ids, segments):
    """Make a sample whose colours tell the segments: the red channel is 20 x id."""
    ids = np.asarray(ids, np.int32)
    image = np.repeat((ids * 20).astype(np.uint8)[..., None], 3, axis=2)
    return PanopticSample('a drawing', image, ids, tuple(segments))


def blocks(height, width):
    """Return a sample of four blocks: void, segments 1, 3 and a crowd, 2."""
    ids = np.zeros((height, width), np.int32)
    ids[:height // 2, width // 2:] = 1
    ids[height // 2:, :width // 2] = 2
    ids[height // 2:, width // 2:] = 3
    found = set(np.unique(ids).tolist())
    labels = [SegmentLabel(3, 5), SegmentLabel(2, 0, is_crowd=True), SegmentLabel(1, 0)]
    return sample_of(ids, [label for label in labels if label.id in found])


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES, seed=SEEDS)
def test_every_size_gives_an_example(height, width, seed):
    sample = blocks(height, width)
    pixels, (labels, masks) = LargeScaleJitter(64)(sample, generator(seed))
    kept = [segment for segment in sample.segments if not segment.is_crowd]
    assert pixels.shape == (3, 64, 64)
    assert pixels.dtype == torch.uint8
    assert pixels.is_contiguous()
    assert labels.tolist() == [segment.class_index for segment in kept]
    assert masks.dtype == torch.bool
    assert len(masks) == len(kept)
    assert max(masks.shape[1:]) <= 64
    assert not (masks.sum(0) > 1).any()


@settings(max_examples=60, deadline=None)
@given(height=st.integers(32, 150), width=st.integers(32, 150), seed=SEEDS,
       flip=st.sampled_from([0, 1]))
def test_masks_lie_on_their_colours(height, width, seed, flip):
    sample = blocks(height, width)
    pixels, (_, masks) = LargeScaleJitter(64, flip=flip)(sample, generator(seed))
    red = pixels[0, :masks.shape[1], :masks.shape[2]]
    for key, mask in zip((3, 1), masks):
        assert (red[inner(mask)] == 20 * key).all()


def inner(mask):
    """Return the pixels around which all within 8 are of the mask; at its border colours blend."""
    padded = torch.nn.functional.pad(mask[None].float(), [8] * 4)
    return -torch.nn.functional.max_pool2d(-padded, 17, 1)[0] == 1


@given(seed=SEEDS)
def test_equal_generators_give_equal_examples(seed):
    first, second = (LargeScaleJitter(32)(blocks(20, 30), generator(seed)) for _ in range(2))
    assert torch.equal(first.pixels_CHW, second.pixels_CHW)
    assert torch.equal(first.target.labels_T, second.target.labels_T)
    assert torch.equal(first.target.masks_Thw, second.target.masks_Thw)


def test_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    LargeScaleJitter(32)(blocks(20, 30), generator())
    assert torch.equal(before, torch.random.get_rng_state())


def test_identity_and_mirror():
    """Scale 1 of an image as large as the box changes nothing but the side."""
    sample = blocks(64, 64)
    plain = LargeScaleJitter(64, (1, 1), flip=0)(sample, generator())
    mirrored = LargeScaleJitter(64, (1, 1), flip=1)(sample, generator())
    assert torch.equal(plain.pixels_CHW.permute(1, 2, 0), torch.from_numpy(sample.image_rgb))
    assert torch.equal(plain.target.masks_Thw, torch.stack(
        [torch.from_numpy(sample.ids == key) for key in (3, 1)]))
    assert torch.equal(mirrored.pixels_CHW, plain.pixels_CHW.flip(2))
    assert torch.equal(mirrored.target.masks_Thw, plain.target.masks_Thw.flip(2))


@pytest.mark.parametrize(('side', 'expected'), [
    (96, lambda ids: ids[1::3, 1::3]),                      # the middle one of nine pixels
    (16, lambda ids: ids.repeat(2, axis=0).repeat(2, axis=1)),
])
def test_ids_are_taken_from_the_nearest_pixel(side, expected):
    ids = np.random.default_rng(0).integers(0, 4, (side, side), np.int32)
    sample = sample_of(ids, [SegmentLabel(key, 0) for key in (1, 2, 3)])
    masks = LargeScaleJitter(32, (1, 1), flip=0)(sample, generator()).target.masks_Thw
    for key, mask in zip((1, 2, 3), masks):
        np.testing.assert_array_equal(mask, expected(ids) == key)


@pytest.mark.parametrize(('size', 'factor', 'expected'), [
    ((40, 80), 0.5, (16, 32)),      # the longer side fits into 0.5 x 64
    ((40, 80), 1.0, (32, 64)),
    ((80, 40), 1.5, (64, 48)),      # 96 x 48, cropped
    ((80, 80), 2.0, (64, 64)),
    ((1, 1), 0.5, (32, 32)),
    ((1, 150), 0.1, (1, 6)),        # never less than a pixel
])
def test_size_before_padding(size, factor, expected):
    pixels, target = LargeScaleJitter(64, (factor, factor))(
        sample_of(np.ones(size), [SegmentLabel(1, 0)]), generator())
    assert target.masks_Thw.shape == (1, *expected)
    assert target.masks_Thw.all()
    assert (pixels[:, :expected[0], :expected[1]] == 20).all()
    assert (pixels[:, expected[0]:] == PAD_GREY).all()
    assert (pixels[:, :, expected[1]:] == PAD_GREY).all()


def test_no_segment():
    _, target = LargeScaleJitter(32)(sample_of(np.zeros((9, 9)), []), generator())
    assert target.labels_T.shape == (0,)
    assert target.labels_T.dtype == torch.int64
    assert len(target.masks_Thw) == 0
    assert target.masks_Thw.dtype == torch.bool


def test_only_a_crowd():
    crowd = sample_of(np.ones((9, 9)), [SegmentLabel(1, 0, is_crowd=True)])
    _, target = LargeScaleJitter(32)(crowd, generator())
    assert len(target.labels_T) == len(target.masks_Thw) == 0


def test_segment_that_the_crop_misses_stays_as_an_empty_mask():
    ids = np.ones((64, 64), np.int32)
    ids[0, 0] = 2
    sample = sample_of(ids, [SegmentLabel(2, 1), SegmentLabel(1, 0)])
    jitter = LargeScaleJitter(32, (2, 2), flip=0)
    areas = [jitter(sample, generator(seed)).target.masks_Thw.sum((1, 2)) for seed in range(20)]
    assert all(len(area) == 2 and area[1] > 0 for area in areas)
    assert any(area[0] == 0 for area in areas)


def test_scale_and_side_are_uniform():
    """Over 400 draws the mean side is that of 0.1..2 cut at 1, and half are mirrored."""
    ids = np.ones((8, 8), np.int32)
    ids[:, 0] = 2
    sample = sample_of(ids, [SegmentLabel(1, 0)])
    jitter = LargeScaleJitter(32, (0.1, 1.0))
    targets = [jitter(sample, generator(seed)).target.masks_Thw[0] for seed in range(400)]
    sides = [mask.shape[0] / 32 for mask in targets]
    assert min(sides) < 0.15 < 0.95 < max(sides)
    assert np.mean(sides) == pytest.approx(0.55, abs=0.04)
    assert np.mean([bool(mask[0, 0]) for mask in targets]) == pytest.approx(0.5, abs=0.08)


def test_crops_reach_all_sides():
    ids = np.full((64, 64), 5, np.int32)
    ids[0], ids[-1], ids[1:-1, 0], ids[1:-1, -1] = 1, 2, 3, 4
    sample = sample_of(ids, [SegmentLabel(key, 0) for key in (1, 2, 3, 4, 5)])
    jitter = LargeScaleJitter(32, (2, 2), flip=0)
    seen = torch.stack([jitter(sample, generator(seed)).target.masks_Thw.any(2).any(1)
                        for seed in range(600)])
    assert seen.any(0).all()
    assert seen.float().mean(0)[:4].tolist() == pytest.approx([1 / 64] * 4, abs=0.02)


@pytest.mark.parametrize(('arguments', 'message'), [
    ({'size': 100}, 'multiple of 32'),
    ({'size': 0}, 'multiple of 32'),
    ({'scale': (0, 1)}, 'low <= high'),
    ({'scale': (2, 1)}, 'low <= high'),
    ({'flip': 1.5}, r'0\.\.1'),
])
def test_refused_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        LargeScaleJitter(**arguments)
