# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Making the files that published data sets need: `python -m training.prepare NAME --root DIR`."""
