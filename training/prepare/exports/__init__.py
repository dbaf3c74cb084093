# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exports of annotation tools, turned into a folder in COCO's panoptic format."""
