# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images with depth: which depth belongs to which image, and what is published of both."""
