# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sub-command `eov-seg export`: the network as a file for other programs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from eov_seg_core.app.arguments import add_weights, model_options
from eov_seg_core.app.words import choose_vocabulary
from eov_seg_core.inference.engines.choice import EXPORT_PRECISIONS

if TYPE_CHECKING:
    from eov_seg_core.app.commands import ModelOptions
    from eov_seg_core.vocabulary import Vocabulary


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        'export', help='write the network for ONNX Runtime, OpenVINO or TensorRT; words stay free',
        description='Write the network from pixels and words to masks and embeddings. Its words '
                    'are an input, so that one file serves every vocabulary. See '
                    'docs/engines.md; needs the extra onnx or openvino, or TensorRT.')
    parser.add_argument('target', metavar='OUT',
                        help='ends in .onnx, in .xml for OpenVINO IR, or in .engine for TensorRT '
                             "on this machine's GPU, which needs --size")
    parser.add_argument('--size', type=int, nargs=2, metavar=('WIDTH', 'HEIGHT'),
                        help="of the network's input, multiples of 32 (free)")
    parser.add_argument('--precision', choices=EXPORT_PRECISIONS, default='fp32',
                        help='mixed: the spatial branch in float16, as PyTorch runs it on CUDA; '
                             'not for .xml (fp32)')
    parser.add_argument('--vocabulary', metavar='NAME',
                        help='write these words, a preset or a file, and an example, to OUT.npz')
    add_weights(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    target, vocabulary = Path(arguments.target), None
    if not target.parent.is_dir():
        raise ValueError(f'{target.parent} is no folder; make it first')
    if arguments.vocabulary is not None:
        vocabulary = choose_vocabulary(arguments.vocabulary, [], [])
    precision, arguments.precision = arguments.precision, 'fp32'
    arguments.device, arguments.input_size, arguments.runtime = 'cpu', None, 'torch'
    size = None if arguments.size is None else (arguments.size[1], arguments.size[0])
    for path in export_network(model_options(arguments), target, size, vocabulary, precision):
        print(f'{path}: {path.stat().st_size / 1e6:.1f} MB')
    return 0


def export_network(options: ModelOptions, target: Path, size: tuple[int, int] | None = None,
                   vocabulary: Vocabulary | None = None, precision: str = 'fp32') -> list[Path]:
    """Export a network, and words with an example of inputs and outputs beside it.

    Args:
        options: Which weights.
        target: As for `save_network`.
        size: (H, W) of the input; None: free.
        vocabulary: To write beside it; None: write none.
        precision: As for `save_network`; the example is always in float32.

    Returns:
        The files that were written.

    Raises:
        ValueError: There are no weights, a library is missing, or the size, the precision or the
            ending of the target is of no use.
        RuntimeError: TensorRT cannot build the engine.
        OSError: A file cannot be written.
    """
    import numpy as np

    from eov_seg_core.app.commands import build_segmenter
    from eov_seg_core.inference.engines.example import example_arrays
    from eov_seg_core.inference.engines.files import companions, save_network
    from eov_seg_core.io.files import replacing
    segmenter = build_segmenter(options)
    model = segmenter.model.requires_grad_(False)
    names = {} if vocabulary is None else {'names': json.dumps(vocabulary.synonyms)}
    save_network(model, target, size, names, precision)
    written = [target, *companions(target)]
    if vocabulary is not None:
        words = segmenter.prepare_vocabulary(vocabulary).embedding
        arrays: dict[str, Any] = example_arrays(model, words, size or (288, 384))
        arrays['names'] = np.array(vocabulary.synonyms)
        with replacing(target.with_suffix('.npz')) as temporary, temporary.open('wb') as file:
            np.savez_compressed(file, **arrays)
        written.append(target.with_suffix('.npz'))
    return written
