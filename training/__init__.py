# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training and evaluation of EOV-Seg; not installed, run it from the checkout.

Nothing in `eov_seg_core` and `eov_seg_ros` imports this package.
"""
