# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From pixels and words to raw predictions: all that runs around the network."""
