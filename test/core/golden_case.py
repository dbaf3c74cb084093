# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One golden case: its file, the inputs made from it, and our own arrays under its names.

The format is that of the large parity data: `meta_json` holds the recipe of inputs and, for every
array, its shape and a stride: a strided array is `full.reshape(-1)[::stride]`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
import torch.nn.functional as F

from eov_seg_core.inference.preprocess import preprocess
from eov_seg_core.network.backbone import CNN
from eov_seg_core.network.classification import class_logits
from eov_seg_core.network.decoder import mask_logits
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.vocabulary import Category, split_synonyms, Vocabulary

GOLDEN = Path(__file__).parents[1] / 'golden'
CASES = {'s': ('r50', 'r50_batch'), 'm': ('r50x4',), 'l': ('convnext_l',)}
"""Variant -> names of its golden files."""


class GoldenCase:
    """A golden file and what it was computed from."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self.arrays = {name: file[name] for name in file.files}
        self.meta: dict[str, Any] = json.loads(self.arrays.pop('meta_json').tobytes())
        self.vocabulary = Vocabulary.from_categories(
            Category(split_synonyms(entry), bool(is_thing))
            for entry, is_thing in zip(self.meta['vocab'], self.meta['is_thing']))
        self.images = [self.arrays[f'img{i}/image'] for i in range(len(self.meta['images']))]
        self.output_sizes = [(image['out_h'], image['out_w']) for image in self.meta['images']]

    def use_vocabulary(self, segmenter: Segmenter) -> None:
        """Encode the case's vocabulary and use it."""
        segmenter.set_vocabulary(self.vocabulary, training_names=self.meta['train_names'])

    def check(self, name: str, actual: Tensor | np.ndarray, tolerance: float) -> None:
        """Compare with a golden array; the tolerance is relative to its largest absolute value."""
        entry = self.meta['arrays'][name]
        actual = np.asarray(actual)
        assert list(actual.shape) == entry['shape'], f'{name}: {actual.shape}'
        expected = self.arrays[name].astype(np.float64).reshape(-1)
        difference = np.abs(actual.reshape(-1)[::entry['stride']].astype(np.float64) - expected)
        error = difference.max() / max(np.abs(expected).max(), 1e-12)
        assert error <= tolerance, f'{name}: relative error {error:.1e} over {tolerance:.0e}'

    def check_maps(self, segmenter: Segmenter, least_equal: float) -> None:
        """Compare the id maps of all images and thresholds; `least_equal` is a share of pixels."""
        for number, thresholds in enumerate(self.meta['thresholds']):
            segmenter.score_threshold, segmenter.overlap_threshold = thresholds
            for index, result in enumerate(segmenter(self.images, self.output_sizes)):
                key = f'img{index}/pan{number}'
                golden = self.arrays[key].reshape(self.meta['arrays'][key]['shape'])
                assert (result.instance == golden).mean() >= least_equal, key


def network_arrays(segmenter: Segmenter, case: GoldenCase, cnn: CNN) -> dict[str, Tensor]:
    """Compute every array of the network under its golden name, with a CNN or its stand-in."""
    case.use_vocabulary(segmenter)
    vocabulary = segmenter._prepared.embedding
    model = segmenter.model
    pixels = preprocess(case.images, output_sizes=None, input_size=None, max_input_size=2560,
                        device=torch.device('cpu')).pixels_BCHW
    with torch.inference_mode():
        features = cnn(pixels)
        tokens = model.vit(pixels)
        fused = model.aggregator.fuse(features)
        aggregated = model.aggregator.append_coordinates(fused)
        selected = model.decoder.vas(aggregated, vocabulary.guide_NE)
        arrays = {
            'input_norm_padded': pixels, 'cnn_stem': _stem(model, pixels), 'vit_layer': tokens,
            'aggr_deconv': fused, 'aggr': aggregated, 'vas': selected,
            'vit_up': model.decoder.spatial_upscaler(tokens),
            'text_classifier': vocabulary.text_NE[:-1]}
        arrays |= {f'cnn_res{i}': feature for i, feature in enumerate(features, start=2)}
        arrays['cnn_clip_vis_dense'] = features.res5_BChw
        arrays |= _stage_arrays(model, aggregated, tokens, selected, vocabulary)
        arrays |= _clip_arrays(model, arrays['s2_mask'], features.res5_BChw, vocabulary)
    return arrays


def _stem(model, pixels):
    visual = model.cnn.visual
    if hasattr(visual, 'trunk'):
        return visual.trunk.stem(pixels)
    for index in (1, 2, 3):
        convolution, norm, act = (getattr(visual, f'{part}{index}')
                                  for part in ('conv', 'bn', 'act'))
        pixels = act(norm(convolution(pixels)))
    return pixels


def _stage_arrays(model, aggregated, tokens, selected, vocabulary):
    decoder = model.decoder
    outputs = decoder.all_stages(aggregated, tokens, vocabulary)
    queries = decoder.queries.weight.expand(aggregated.shape[0], -1, -1)
    masks = mask_logits(queries, selected)
    arrays = {'init_mask': masks}
    for index, (stage, output) in enumerate(zip(decoder.stages, outputs)):
        queries = stage.update_queries(queries, masks, selected)
        masks = output.mask_logits_BQhw
        arrays |= {f's{index}_cls': output.class_logits_BQK, f's{index}_mask': masks,
                   f's{index}_kernels': queries}
    return arrays


def _clip_arrays(model, masks, res5, vocabulary):
    inside = F.interpolate(masks, size=res5.shape[2:], mode='bilinear') > 0
    pooled = model.cnn.embed_masks(res5, inside)
    return {'pooled_clip': pooled, 'pooled_is_valid': inside.flatten(2).any(2),
            'out_vocab_logits': class_logits(pooled, vocabulary, model.clip_logit_scale)}
