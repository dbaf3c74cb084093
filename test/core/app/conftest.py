# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A page of `eov-seg console` in a real browser."""

from __future__ import annotations

import signal

from browser_case import Browser, free_port, wait_for, WIDE
from console_case import serve
import pytest


@pytest.fixture(scope='module')
def address(tmp_path_factory):
    """Serve the page with few words, so that a new one can be seen."""
    port = free_port()
    with serve(port, tmp_path_factory.mktemp('console')) as process:
        yield f'http://127.0.0.1:{port}/'
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


@pytest.fixture(scope='module')
def browser():
    browser = Browser()
    yield browser
    browser.driver.quit()


@pytest.fixture
def page(browser, address):
    browser.resize(*WIDE)
    browser.driver.get(address)
    wait_for(lambda: 'Ready' in browser.text('.status'), 'the page is not ready', 60)
    yield browser
    assert browser.problems() == []
