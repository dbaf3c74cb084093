# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model with the weights that `weights.choice` decides on, and fetching published ones.

PyTorch is imported when a model is built: a download begins, and can fail, before that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import logging
from pathlib import Path
import threading
from typing import Any, NamedTuple, TYPE_CHECKING

from eov_seg_core.weights.builtin import builtin_weights
from eov_seg_core.weights.choice import DEFAULT_VARIANT, Source, usable_sources
from eov_seg_core.weights.download.cache import weights_file
from eov_seg_core.weights.download.obtain import obtain, Request
from eov_seg_core.weights.download.progress import Progress
from eov_seg_core.weights.download.table import PUBLISHED

if TYPE_CHECKING:
    from eov_seg_core.network.model import EOVSeg

_log = logging.getLogger(__name__)


class PretrainedModel(NamedTuple):
    """A model with its weights.

    Attributes:
        model: In evaluation mode, on the CPU.
        source: Where its weights came from.
    """

    model: EOVSeg
    source: Source


def load_pretrained(variant: str | None, checkpoint: str | Path | None = None, *,
                    sources: Sequence[Source] = ('built-in', 'published')) -> PretrainedModel:
    """Build a model with the best weights that there are and the caller allows.

    Args:
        variant: `t`, `s`, `m` or `l`; None: the checkpoint's, else `s`.
        checkpoint: Our `.safetensors` or an official `.pth`; it is used whatever the sources are.
        sources: Without a checkpoint: what is allowed, best first.  If CLIP's weights cannot be
            fetched, the next source is taken.

    Raises:
        CheckpointError: A file is there and cannot be used.
        ValueError: No allowed source has weights of this variant.
        RuntimeError: CLIP's weights could not be fetched, and no other source is allowed.
    """
    from eov_seg_core.network.model import EOVSeg

    if checkpoint:
        return PretrainedModel(EOVSeg.from_checkpoint(checkpoint, variant), 'checkpoint')
    variant = variant or DEFAULT_VARIANT
    *others, last = usable_sources(variant, sources)
    for source in others:
        try:
            return PretrainedModel(_load(variant, source), source)
        except RuntimeError as error:
            _log.warning('%s', error)
    return PretrainedModel(_load(variant, last), last)


def _load(variant: str, source: Source) -> EOVSeg:
    import torch

    from eov_seg_core.network.model import EOVSeg

    if source == 'built-in':
        with builtin_weights(variant) as path:
            return EOVSeg.from_checkpoint(path, variant)
    if source == 'published':
        return EOVSeg.from_checkpoint(weights_file(variant), variant)
    if source == 'clip':
        return EOVSeg.from_variant(variant, clip_pretrained=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return EOVSeg.from_variant(variant)


def fetch_published(variant: str, progress: Progress | None = None,
                    announce: Callable[[str], None] | None = None,
                    stop: threading.Event | None = None) -> None:
    """Fetch the published weights of a variant, unless they are in the cache or built in.

    Args:
        variant: `t`, `s`, `m` or `l`.
        progress: Is called with the bytes received and all bytes (None if not known); None logs.
        announce: Is told what comes, how large, from where and under which licence; None logs it.
        stop: Ends it when it is set.

    Raises:
        NoSourceError: They cannot be fetched; says what to do by hand.
        DownloadError: They are not those of the first download, or `stop` was set.
        OSError: They cannot be kept.
    """
    if variant in PUBLISHED and not weights_file(variant).is_file():
        given: dict[str, Any] = {name: value for name, value in (
            ('progress', progress), ('announce', announce), ('stop', stop)) if value is not None}
        obtain(Request(PUBLISHED[variant], convert_weights, only_if_missing=True, **given))


def convert_weights(source: Path, variant: str, target: Path) -> str:
    """Write weights in our format, once all names and shapes are those of the variant.

    Args:
        source: An official `.pth` or our safetensors.
        variant: What it must hold.
        target: Is written.

    Returns:
        The digest of the weights.

    Raises:
        CheckpointError: The source is damaged, is no checkpoint, or is of another variant.
    """
    from eov_seg_core.network.model import EOVSeg

    model = EOVSeg.from_checkpoint(source, variant)
    model.save(target)
    return str(model.weights_digest)
