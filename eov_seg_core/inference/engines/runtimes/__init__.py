# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One module for each runtime; `interface.Runtime` says what it has."""
