# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What depends on DDS: quality of service, and why images get lost on the way."""
