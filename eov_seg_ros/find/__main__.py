# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m eov_seg_ros.find "stapler"`."""

from __future__ import annotations

from eov_seg_ros.find.command import main

raise SystemExit(main())
