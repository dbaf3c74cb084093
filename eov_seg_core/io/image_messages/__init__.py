# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages as the node and a recording have them, to RGB; needs no ROS."""
