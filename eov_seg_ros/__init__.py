# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 node around `eov_seg_core`: parameters, threads and messages, no tensor maths."""
