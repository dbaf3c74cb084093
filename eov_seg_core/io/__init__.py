# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files: pictures and videos in, results in COCO's formats in and out."""
