# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sub-command `eov-seg export`: the network as a file for other programs."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from eov_seg_core.app.arguments import add_weights, model_options
from eov_seg_core.app.words import choose_vocabulary
from eov_seg_core.inference.engines.choice import EXPORT_PRECISIONS

if TYPE_CHECKING:
    from eov_seg_core.app.commands import ModelOptions
    from eov_seg_core.segmenter import Segmenter
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
    from eov_seg_core.app.commands import build_segmenter
    from eov_seg_core.inference.engines.files import (
        check_network_file,
        companions,
        save_network,
    )
    from eov_seg_core.io.files import check_target, replacing
    # before weights are fetched and the network is exported, which take minutes
    check_network_file(target, size, precision)
    words = target.with_suffix('.npz')
    written = [target, *companions(target), *([] if vocabulary is None else [words])]
    for path in written:
        check_target(path)
    segmenter = build_segmenter(options)
    model = segmenter.model.requires_grad_(False)
    names = {} if vocabulary is None else {'names': json.dumps(vocabulary.synonyms)}
    with ExitStack() as stack:
        if vocabulary is not None:  # before the network, which must not stay there alone
            temporary = stack.enter_context(replacing(words))
            _write_words(temporary, segmenter, vocabulary, size or (288, 384))
        save_network(model, target, size, names, precision)
    return written


def _write_words(path: Path, segmenter: Segmenter, vocabulary: Vocabulary, size: tuple[int, int]
                 ) -> None:
    """Write words, and an example of inputs and outputs in a size of (H, W)."""
    import numpy as np

    from eov_seg_core.inference.engines.example import example_arrays
    embedding = segmenter.prepare_vocabulary(vocabulary).embedding
    arrays: dict[str, Any] = example_arrays(segmenter.model, embedding, size)
    arrays['names'] = np.array(vocabulary.synonyms)
    with path.open('wb') as file:
        np.savez_compressed(file, **arrays)
