# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Long work in parts: resumed after an interruption, shared by processes and machines."""
