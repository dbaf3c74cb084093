# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of weights see no cache, no mirror and no proxy of the user who runs them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ('http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY',
                 'HF_HUB_OFFLINE', 'EOV_SEG_OFFLINE', 'EOV_SEG_WEIGHTS_URL', 'HF_ENDPOINT',
                 'EOV_SEG_HF_REPOSITORY'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('EOV_SEG_HOME', str(tmp_path / 'home'))
    return tmp_path / 'home'
