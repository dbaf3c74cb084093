# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From image messages to published results: what lives from configure to cleanup."""
