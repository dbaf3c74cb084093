# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`ros2 run eov_seg_ros find "stapler"`: where an object is, from the memory or by watching."""
