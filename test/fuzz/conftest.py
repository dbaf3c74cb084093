# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the fuzz tests share; the other side of a node is that of test/ros.

EOV_SEG_FUZZ=10 runs ten times as many cases as the short form, EOV_SEG_FUZZ_SEED=N other ones.
"""

from pathlib import Path

import pytest
from ros.conftest import client, isolated, make_client, ros, start_process

__all__ = ['client', 'isolated', 'make_client', 'ros', 'start_process']


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `-m 'not fuzz'` leaves them out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker('fuzz')
