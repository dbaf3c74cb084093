# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Published weights: where they are, how they are fetched, where they are kept; no PyTorch."""
