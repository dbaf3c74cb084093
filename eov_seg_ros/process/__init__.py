# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the processes of our nodes start, spin, end, and take what they were given."""
