# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the extras `bags` and `ray` bring."""

import importlib.util


def require_rosbags() -> None:
    """Raise RuntimeError, which says what to install, if a library for recordings is missing."""
    missing = [name for name in ('rosbags', 'mcap') if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError('recordings are read with rosbags and mcap, and there is no '
                           f"{' and no '.join(missing)}; pip install 'eov_seg_ros[bags]', or "
                           f"pip install {' '.join(missing)}")


def require_ray() -> None:
    """Raise RuntimeError, which says what to install, if there is no Ray."""
    if importlib.util.find_spec('ray') is None:
        raise RuntimeError("--engine ray needs Ray, which is not installed; pip install "
                           "'eov_seg_ros[ray]', or pip install ray")
