# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network in other runtimes than PyTorch, and the files that it is exported to."""
