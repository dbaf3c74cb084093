# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in a room, what it looks like, and where it goes."""
