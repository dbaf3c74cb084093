# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page in the browser for a running node: it sees and changes only what any client can."""
