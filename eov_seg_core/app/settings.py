# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What labels depend on besides the words, so that different ones are never mixed."""

from __future__ import annotations

from dataclasses import asdict
from importlib import metadata
from typing import Any

from eov_seg_core.app.commands import ModelOptions
from eov_seg_core.segmenter import Segmenter


def label_settings(options: ModelOptions, segmenter: Segmenter) -> dict[str, Any]:
    """Return weights, options and version, ready for JSON."""
    return asdict(options) | {
        'weights': segmenter.model.weights_digest, 'precision': segmenter.precision,
        'device': str(segmenter.device), 'version': _version()}


def _version() -> str:
    try:
        return metadata.version('eov_seg_ros')
    except metadata.PackageNotFoundError:   # run from a checkout
        return 'unknown'
