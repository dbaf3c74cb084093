# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each exact shortcut is worth: a frame without it over a frame with it, in turns.

    python -m benchmarks.shortcuts weights.safetensors [--rounds 5] [--only NAME ...]

Each shortcut is replaced by the plain way of computing the same, one at a time.  The ratio is that
of whole frames, host to host, by the clock on the wall and by the process's CPU time, on CUDA by
that of the stream; beside it stands the share of equal pixels of the two id maps.  `python -m
benchmarks.weights` makes weights whose masks give the merge something to do.  CUDA graphs are off,
since they would not notice what is replaced; `eov-seg benchmark --against cuda_graphs=false` pairs
them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, ExitStack
from functools import partial
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
import torch.nn.functional as F
from torchvision.ops import deform_conv2d
from tqdm import tqdm

from benchmarks.postprocess import published
from eov_seg_core import EOVSeg, Segmenter, Vocabulary
from eov_seg_core import segmenter as segmenter_module
from eov_seg_core.app.benchmark.timing import ratio, Sample, timed
from eov_seg_core.inference import preprocess
from eov_seg_core.network import aggregator as aggregator_module
from eov_seg_core.network import classification, decoder
from eov_seg_core.network.pooling import mask_pool
from eov_seg_core.results import assign_gpu, tiles
from eov_seg_core.results.result import PanopticResult
from eov_seg_core.world import generate_scene, random_camera, render


def guide_every_frame(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Project the text for VAS in every frame instead of once for a vocabulary."""
    vas = segmenter.model.decoder.vas
    text_NE = segmenter._prepared.embedding.text_NE
    forward = vas.forward
    return patch.object(vas, 'forward', lambda features, _: forward(
        features, vas.guide_text(text_NE)))


def stored_softmax(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Store VAS's embedding of all pixels and their softmax over all names, then its maximum."""
    vas = segmenter.model.decoder.vas
    return patch.object(vas, '_response_by_chunks', vas._response_of_batch)


def every_stage_classified(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Classify and fuse experts in all three stages; this needs the upscaled map, too."""
    network = segmenter.model.decoder
    return patch.object(network, 'forward', lambda *inputs: network.all_stages(*inputs)[-1])


def stored_upscaling(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Store the upscaled ViT map, then pool it inside the masks."""
    upscaler = segmenter.model.decoder.spatial_upscaler
    return patch.object(upscaler, 'pool',
                        lambda tokens, masks: mask_pool(upscaler(tokens), masks))


def library_deformable(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Use torchvision's operator for the deformable convolution."""
    def convolve(feature: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
        return deform_conv2d(feature, offset, weight, padding=(1, 1), mask=mask)

    return patch.object(aggregator_module, 'modulated_deform_conv', convolve)


def stored_attention(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Run the ViT block as open_clip does, which stores every pair of tokens."""
    vit = segmenter.model.vit
    return patch.object(vit, '_run_block', lambda tokens: vit.block(tokens))


def loop_over_synonyms(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Take the maximum over a class's names class by class."""
    def maximum(logits_BQN: Tensor, vocabulary: classification.VocabularyEmbedding) -> Tensor:
        of_class = vocabulary.class_of_row_N
        return torch.stack([logits_BQN[..., of_class == index].amax(-1)
                            for index in range(vocabulary.num_classes)], dim=-1)

    return patch.object(classification, '_max_over_synonyms', maximum)


def loop_over_queries(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Run the dynamic convolutions query by query."""
    def forward(self: decoder.DynamicConvolution, query_BQD: Tensor, value_BQD: Tensor) -> Tensor:
        taps_BQ3 = self.taps(query_BQD)
        rows = [F.conv1d(value[None, None], taps[None, None], padding=1)[0, 0]
                for taps, value in zip(taps_BQ3.flatten(0, 1), value_BQD.flatten(0, 1))]
        return self.norm(torch.stack(rows).view_as(value_BQD))

    return patch.object(decoder.DynamicConvolution, 'forward', forward)


def published_merge(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Resize all masks to the image twice, then loop over the queries."""
    def postprocess(log_probs_QK: Tensor, mask_logits_Qhw: Tensor, *, padded_size: Any,
                    network_size: Any, output_size: Any, vocabulary: Vocabulary,
                    **_: Any) -> PanopticResult:
        ids = published(log_probs_QK, mask_logits_Qhw, list(vocabulary.is_thing), output_size,
                        padded_size, network_size)
        return PanopticResult(ids.numpy(), [])

    return patch.object(segmenter_module, 'postprocess', postprocess)


def separate_batch_norms(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Run CLIP's ResNet as open_clip does: batch norms apart, channels first."""
    return patch.object(segmenter.network, 'cnn', segmenter.model.cnn)


def compiled_competition(segmenter: Segmenter) -> AbstractContextManager[Any]:
    """Let PyTorch's compiler make a Triton kernel of what the merge on a GPU does at a pixel."""
    compiled = torch.compile(assign_gpu._winners, fullgraph=True, dynamic=False)
    return patch.object(assign_gpu, '_winners', compiled)


@contextmanager
def waiting_copies(segmenter: Segmenter) -> Iterator[None]:
    """Copy from and to ordinary memory, for which the host waits each time."""
    with ExitStack() as stack:
        for module in (preprocess, tiles):
            stack.enter_context(patch.object(
                module, 'to_device', lambda host, device: host.to(device)))
        stack.enter_context(patch.object(
            assign_gpu, 'to_host', lambda *tensors: [tensor.cpu() for tensor in tensors]))
        yield


SHORTCUTS: dict[str, Callable[[Segmenter], AbstractContextManager[Any]]] = {
    'text guide once for a vocabulary': guide_every_frame,
    'VAS by chunks of pixels': stored_softmax,
    'last stage only classified': every_stage_classified,
    'upscaled map pooled in bands': stored_upscaling,
    'deformable convolution by our sampling': library_deformable,
    'fused attention': stored_attention,
    'synonyms by scatter': loop_over_synonyms,
    'dynamic convolutions without a loop': loop_over_queries,
    'merge in one pass': published_merge,
    'batch norms folded, channels last': separate_batch_norms,
    'merge uncompiled (CUDA)': compiled_competition,
    'pinned copies (CUDA)': waiting_copies}


def compare(segmenter: Segmenter, frame: Callable[[], PanopticResult],
            plain: Callable[[Segmenter], AbstractContextManager[Any]],
            rounds: int) -> tuple[dict[str, Any], float]:
    """Time a frame without a shortcut and with it, in turns.

    Returns:
        The ratio of times, without over with; the share of equal pixels.
    """
    slow: list[Sample] = []
    fast: list[Sample] = []
    equal = 0.0
    for step in range(-1, rounds):
        with plain(segmenter):
            without, expected = timed(frame, segmenter.device)
        using, found = timed(frame, segmenter.device)
        equal = float(np.mean(expected.instance == found.instance))
        if step >= 0:
            slow.append(without)
            fast.append(using)
    return ratio(slow, fast), equal


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('checkpoint')
    parser.add_argument('--device', default='auto')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--size', type=int, nargs=2, default=(640, 480), metavar=('W', 'H'))
    parser.add_argument('--vocabulary', default='ade20k_150')
    parser.add_argument('--only', nargs='+', choices=SHORTCUTS, default=list(SHORTCUTS),
                        metavar='NAME')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures here, too')
    options = parser.parse_args()
    model = EOVSeg.from_checkpoint(options.checkpoint)
    segmenter = Segmenter(model, options.device, 'fp32', model.config.input_size,
                          cuda_graphs=False, runtime='torch')
    segmenter.set_vocabulary(Vocabulary.preset(options.vocabulary))
    scene = generate_scene(seed=0)
    camera = random_camera(scene, width=options.size[0], height=options.size[1])
    frame = partial(segmenter, render(scene, camera).rgb)
    second = 'device' if segmenter.device.type == 'cuda' else 'cpu'
    print(f'| shortcut | without / with, {second} | without / with, wall | equal pixels |')
    print('|---|---|---|---|')
    torch.set_num_threads(options.threads)
    found = {}
    for name in tqdm(options.only, unit='shortcut', disable=None):
        clocks, equal = compare(segmenter, frame, SHORTCUTS[name], options.rounds)
        found[name] = {'without_over_with': clocks, 'equal_pixels': equal}
        cells = [f'{clocks[clock]["p50"]:.3f} ({clocks[clock]["p25"]:.3f} to '
                 f'{clocks[clock]["p75"]:.3f})' for clock in (second, 'wall')]
        tqdm.write(f'| {name} | {" | ".join(cells)} | {100 * equal:.3f} % |')
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == '__main__':
    main()
