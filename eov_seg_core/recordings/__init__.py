# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of ROS 2 (bags) in and out, without ROS; needs the extra `bags`."""
