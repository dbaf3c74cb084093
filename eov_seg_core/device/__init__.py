# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Devices, their number formats, their memory, and copies to and from them."""
