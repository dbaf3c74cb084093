# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The segmenter of long work, and what its labels depend on besides the words."""

from __future__ import annotations

from dataclasses import asdict
from importlib import metadata
from typing import Any

from eov_seg_core.app.commands import build_segmenter, ModelOptions, without_auto
from eov_seg_core.segmenter import Segmenter


def build_labeller(options: ModelOptions) -> tuple[Segmenter, dict[str, Any]]:
    """Return the segmenter, and weights, options and version, ready for JSON.

    `auto` is PyTorch here: a part that is made again must not depend on what a cache holds.

    Raises:
        ValueError: As for `build_segmenter`.
        RuntimeError: As for `build_segmenter`.
    """
    options = without_auto(options)
    segmenter = build_segmenter(options, frames_wait=True)
    return segmenter, asdict(options) | {
        'weights': segmenter.model.weights_digest, 'precision': segmenter.precision,
        'device': str(segmenter.device), 'version': _version()}


def _version() -> str:
    try:
        return metadata.version('eov_seg_ros')
    except metadata.PackageNotFoundError:   # run from a checkout
        return 'unknown'
