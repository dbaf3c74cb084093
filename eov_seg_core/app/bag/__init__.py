# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`eov-seg bag` and `eov-seg bag-sample`: recordings."""
