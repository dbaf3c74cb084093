# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build the Python messages of tf2_msgs; a test compares their type hashes with its release."""

from __future__ import annotations

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from message_package import build_messages  # noqa: E402

build_messages('0.36.14')
