# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures by the million: labelled in parts, in constant memory, by one process or many."""
