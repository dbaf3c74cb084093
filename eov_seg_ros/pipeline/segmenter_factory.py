# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the node's parameters to a loaded segmenter.

PyTorch takes seconds to import.  It is imported where it is needed, so that the node is there at
once and can say what it is doing (`eov_seg_core` imports its public names on first use).
"""

from __future__ import annotations

import logging
import os
from typing import Any, TYPE_CHECKING
import urllib.error
import urllib.request

import eov_seg_core
from eov_seg_core.pretrained import load_pretrained
from eov_seg_core.weights.choice import CAVEATS, Source
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.weights.sources import sources

if TYPE_CHECKING:
    import torch

    from eov_seg_core import Segmenter

_log = logging.getLogger(__name__)

_WARM_UP_SIZES = ((480, 640), (720, 1280))
"""Height and width of images that stand for cameras of 4:3 and of 16:9: the network's input has
the same size for all of one aspect, unless `input_size` leaves images as they are."""

_REACHABLE_S = 2.0
"""Longest wait for the server that has CLIP's weights."""


def load_segmenter(parameters: Parameters) -> Segmenter:
    """Load the model that the parameters describe.

    Raises:
        ValueError: There are no weights, the checkpoint cannot be used, or the device is not
            there; says which parameter helps.
        RuntimeError: CLIP's weights could not be fetched.
    """
    allowed = sources(parameters)   # at once, before PyTorch is imported
    options: dict[str, Any] = {
        'device': _device(parameters), 'precision': parameters.precision,
        'embedding_cache_dir': parameters.embedding_cache_dir or None,
        'compile': parameters.compile, 'runtime': parameters.runtime}
    if parameters.input_size:
        options['input_size'] = parameters.input_size if parameters.input_size > 0 else None
    return _load(parameters, allowed, options)


def warm_up(segmenter: Segmenter, parameters: Parameters) -> None:
    """Run the model, so that the first frame is not the slow one.

    Compiled code is never made while frames arrive, so it is made here for both aspects.  An
    engine is: the node is ready meanwhile.
    """
    if parameters.compile:
        _log.info('compiling for images of 4:3 and of 16:9, which takes minutes')
    for size in _WARM_UP_SIZES if parameters.compile else _WARM_UP_SIZES[:1]:
        segmenter.warm_up(*size, wait=False)


def free_memory() -> None:
    """Give the memory of a dropped segmenter back, on the GPU too."""
    import torch

    from eov_seg_core.device.memory import return_freed_memory

    return_freed_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def gpu_memory_mb(device: torch.device | str) -> int | None:
    """Return the GPU memory that tensors of this process take; None for the CPU."""
    if not str(device).startswith('cuda'):
        return None
    import torch

    return torch.cuda.memory_allocated(device) // 2**20


def _device(parameters: Parameters) -> str:
    from eov_seg_core.device.precision import resolve_device

    try:
        resolve_device(parameters.device)
    except ValueError as error:
        if not parameters.allow_cpu_fallback:
            raise
        _log.warning('using the CPU, which is slow: %s', error)
        return 'cpu'
    return parameters.device


def _load(parameters: Parameters, allowed: list[Source], options: dict[str, Any]) -> Segmenter:
    """Take the best weights that there are and the parameters allow."""
    if allowed[0] == 'clip':
        _use_only_the_cache_if_offline()
    model, source = load_pretrained(parameters.variant, parameters.checkpoint_file,
                                    sources=allowed)
    if source in CAVEATS:
        _log.warning('NO CHECKPOINT. %s Set the parameter checkpoint.', CAVEATS[source])
    return eov_seg_core.Segmenter(model, **{'input_size': model.config.input_size, **options})


def _use_only_the_cache_if_offline() -> None:
    """Keep the hub's client from trying a dead network for a minute, if it was not told already.

    It reads the variable when it is imported, which happens with PyTorch's libraries.
    """
    endpoint = os.environ.get('HF_ENDPOINT', 'https://huggingface.co')
    if 'HF_HUB_OFFLINE' in os.environ:
        return
    try:
        urllib.request.urlopen(endpoint, timeout=_REACHABLE_S).close()
    except urllib.error.HTTPError:
        return      # it answers
    except OSError as error:
        _log.warning('%s cannot be reached (%s): only its cache on this machine is used',
                     endpoint, error)
        os.environ['HF_HUB_OFFLINE'] = '1'
