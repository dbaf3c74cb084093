# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which weights the parameters allow, how they are fetched, and what is said without any."""
