# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of the console; needs NiceGUI.  Everything that it knows comes from a session."""
