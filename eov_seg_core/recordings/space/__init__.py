# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth, transforms and lasting ids for the images of a recording."""
