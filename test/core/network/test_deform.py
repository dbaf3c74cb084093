# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The deformable convolution against torchvision's."""

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
import torch.nn.functional as F
from torchvision.ops import deform_conv2d

from eov_seg_core.network import deform
from eov_seg_core.network.deform import modulated_deform_conv


def inputs(batch, height, width, reach, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)
    return (normal(batch, 5, height, width), reach * normal(batch, 18, height, width),
            normal(batch, 9, height, width).sigmoid(), normal(3, 5, 3, 3))


@settings(max_examples=60, deadline=None)
@given(batch=st.integers(1, 2), height=st.integers(1, 7), width=st.integers(1, 7),
       reach=st.sampled_from([0.0, 0.3, 2.0, 20.0]), seed=st.integers(0, 99))
def test_equals_torchvision(batch, height, width, reach, seed):
    feature, offset, mask, weight = inputs(batch, height, width, reach, seed)
    expected = deform_conv2d(feature, offset, weight, padding=(1, 1), mask=mask)
    with torch.no_grad():
        actual = modulated_deform_conv(feature, offset, mask, weight)
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize('whole', [-3, -1, 1, 2])
def test_whole_offsets_shift_a_plain_convolution(whole):
    feature, offset, mask, weight = inputs(1, 6, 7, 0.0, 0)
    offset[:, 1::2] = whole     # to the right
    shifted = torch.zeros_like(feature)
    if whole > 0:
        shifted[..., :-whole] = feature[..., whole:]
    else:
        shifted[..., -whole:] = feature[..., :whole]
    inside = slice(max(0, -whole) + 1, 7 - max(0, whole) - 1)   # the border shifts in zeros
    with torch.no_grad():
        actual = modulated_deform_conv(feature, offset, torch.ones_like(mask), weight)
    expected = F.conv2d(shifted, weight, padding=1)
    torch.testing.assert_close(actual[..., inside], expected[..., inside])


@settings(max_examples=40, deadline=None)
@given(batch=st.integers(1, 2), height=st.integers(1, 6), width=st.integers(1, 6),
       reach=st.sampled_from([0.3, 2.0, 20.0]), seed=st.integers(0, 99))
def test_gradients_equal_those_of_torchvision(batch, height, width, reach, seed):
    tensors = [tensor.requires_grad_() for tensor in inputs(batch, height, width, reach, seed)]
    feature, offset, mask, weight = tensors
    expected = deform_conv2d(feature, offset, weight, padding=(1, 1), mask=mask)
    actual = modulated_deform_conv(feature, offset, mask, weight)
    torch.testing.assert_close(actual, expected)
    direction = torch.linspace(-1, 2, actual.numel(), dtype=actual.dtype).view_as(actual)
    for gradient, reference in zip(torch.autograd.grad(actual, tensors, direction),
                                   torch.autograd.grad(expected, tensors, direction)):
        torch.testing.assert_close(gradient, reference)


def test_a_gpu_samples_with_kernels_that_a_graph_can_capture(monkeypatch):
    monkeypatch.setattr(deform, 'deform_conv2d', None)
    with FakeTensorMode(), torch.inference_mode():
        found = modulated_deform_conv(*(
            torch.empty(shape, device='cuda')
            for shape in ((2, 5, 4, 6), (2, 18, 4, 6), (2, 9, 4, 6), (3, 5, 3, 3))))
    assert found.shape == (2, 3, 4, 6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_a_gpu_computes_the_same():
    tensors = inputs(2, 20, 27, 2.0, 0, torch.float32)
    with torch.inference_mode():
        found = modulated_deform_conv(*(tensor.cuda() for tensor in tensors)).cpu()
        expected = modulated_deform_conv(*(tensor.double() for tensor in tensors))
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
