# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A page in the browser: look at pictures, type words, point at things (extra `console`)."""
