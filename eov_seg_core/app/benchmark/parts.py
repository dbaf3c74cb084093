# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each part of a frame costs: time, parameters, operations.

Parts nest (the decoder calls VAS), so each reading goes to the innermost part that runs: the parts
of a frame add up to the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, ExitStack
from functools import wraps
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn, Tensor
from torch.utils.flop_counter import FlopCounterMode

from eov_seg_core.network.backbone import ConvNeXtCLIP, resnet_features
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.segmenter import Segmenter

PARTS = ('preprocess', 'CNN', 'ViT block', 'aggregator', 'VAS', 'decoder', 'spatial pooling',
         'CLIP branch', 'merge')
_PARAMETERS = (  # prefix of a parameter's name -> part; the first that fits
    ('text_tower.', 'text tower'),
    ('cnn.visual.attnpool.', 'CLIP branch'), ('cnn.visual.trunk.head.', 'CLIP branch'),
    ('cnn.visual.head.', 'CLIP branch'), ('void_embedding.', 'CLIP branch'),
    ('clip_logit_scale', 'CLIP branch'), ('cnn.', 'CNN'), ('vit.', 'ViT block'),
    ('aggregator.', 'aggregator'), ('decoder.vas.', 'VAS'),
    ('decoder.spatial_upscaler.', 'spatial pooling'), ('decoder.', 'decoder'))

Reading = npt.NDArray[np.float64]


class PartMeter:
    """Share out what a meter shows to the parts that ran while it moved.

    Args:
        read: Returns the meter's present values.

    Attributes:
        totals: Part -> what it used.
    """

    def __init__(self, read: Callable[[], Reading]) -> None:
        self.totals: dict[str, Reading] = {}
        self._read = read
        self._running: list[str] = []
        self._last = read()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Charge what runs inside to a part, except for parts in it."""
        self._charge()
        self._running.append(name)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def _charge(self) -> None:
        now = self._read()
        if self._running:
            name = self._running[-1]
            self.totals[name] = self.totals.get(name, 0.0) + now - self._last
        self._last = now


def part_times(segmenter: Segmenter, frame: Callable[[], object],
               rounds: int) -> dict[str, dict[str, float]]:
    """Time the parts of a frame; waiting for the device after each makes the whole slower.

    Args:
        segmenter: What `frame` calls.
        frame: Segments one image.
        rounds: Frames to take the median of.

    Returns:
        Part -> `wall_ms` and `cpu_ms`.
    """
    def read() -> Reading:
        if segmenter.device.type == 'cuda':
            torch.cuda.synchronize(segmenter.device)
        return 1e3 * np.array([time.perf_counter(), time.process_time()])

    frames = [_shared_out(segmenter, frame, read) for _ in range(rounds)]
    medians = {part: np.median([totals[part] for totals in frames], axis=0) for part in PARTS}
    return {part: {'wall_ms': float(wall), 'cpu_ms': float(cpu)}
            for part, (wall, cpu) in medians.items()}


def part_operations(segmenter: Segmenter, frame: Callable[[], object]) -> dict[str, float]:
    """Count floating-point operations of the parts, a multiplication and an addition being two.

    PyTorch's counter knows products, convolutions and attention, no elementwise work.

    Args:
        segmenter: What `frame` calls; its model's parameters must not require gradients, which
            the counter would follow.
        frame: Segments one image.

    Returns:
        Part -> 10^9 operations.
    """
    with FlopCounterMode(display=False, custom_mapping=_FURTHER_OPERATIONS) as counter:
        totals = _shared_out(segmenter, frame, lambda: np.array([counter.get_total_flops()]))
    return {part: float(totals[part][0]) / 1e9 for part in PARTS}


def part_parameters(model: EOVSeg) -> dict[str, int]:
    """Count the parameters of the parts; the text tower runs only for new words."""
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = next(part for prefix, part in _PARAMETERS if name.startswith(prefix))
        counts[part] = counts.get(part, 0) + parameter.numel()
    return counts


def cnn_trunk(model: EOVSeg) -> Callable[[Tensor], Tensor]:
    """Return the plain forward pass of CLIP's CNN up to its last map: the yardstick.

    It calls open_clip's and timm's own modules, whatever the model does to be faster.
    """
    visual = model.cnn.visual
    if isinstance(model.cnn, ConvNeXtCLIP):
        forward: Callable[[Tensor], Tensor] = visual.trunk.forward_features
        return forward
    return lambda pixels_BCHW: resnet_features(visual, pixels_BCHW).res5_BChw


def _shared_out(segmenter: Segmenter, frame: Callable[[], object],
                read: Callable[[], Reading]) -> dict[str, Reading]:
    """Run a frame and return what its parts used; what is in no other part is `preprocess`."""
    model, decoder = segmenter.model, segmenter.model.decoder
    methods: tuple[tuple[nn.Module | Segmenter, str, str], ...] = (
        (segmenter.network.cnn, 'forward', 'CNN'), (model.vit, 'forward', 'ViT block'),
        (model.aggregator, 'forward', 'aggregator'), (decoder.vas, 'forward', 'VAS'),
        (decoder, 'forward', 'decoder'), (decoder.spatial_upscaler, 'pool', 'spatial pooling'),
        (model, 'embed_with_clip', 'CLIP branch'), (model, 'finish', 'CLIP branch'),
        (segmenter, 'merge', 'merge'))
    meter = PartMeter(read)
    with ExitStack() as stack:
        for owner, name, part in methods:
            setattr(owner, name, _metered(getattr(owner, name), meter, part))
            stack.callback(delattr, owner, name)    # the class's own method shows again
        with meter.part('preprocess'):
            frame()
    return meter.totals


def _metered(method: Callable[..., Any], meter: PartMeter, part: str) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with meter.part(part):
            return method(*args, **kwargs)
    return call


def _deformable_operations(input_shape: torch.Size, weight_shape: torch.Size, *_: Any,
                           out_shape: torch.Size, **__: Any) -> int:
    """Operations of torchvision's deformable convolution: those of a plain one."""
    return 2 * out_shape.numel() * weight_shape[1:].numel()


def _attention_operations(query_shape: torch.Size, key_shape: torch.Size,
                          value_shape: torch.Size, *_: Any, **__: Any) -> int:
    """Operations of fused attention on a CPU: both products, of each head of each image."""
    return 2 * query_shape[:-1].numel() * key_shape[-2] * (key_shape[-1] + value_shape[-1])


# What the counter of torch 2.14 does not know.
_FURTHER_OPERATIONS = {
    torch.ops.torchvision.deform_conv2d: _deformable_operations,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_operations}
