# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chips of `eov-seg console` that are dragged with a pointer, in a real browser."""

from __future__ import annotations

from browser_case import wait_for
from console_case import chips, STUFF
import pytest

pytest.importorskip('nicegui', reason='the extra console is not installed')
_ENTRIES = ('return [...document.querySelectorAll(`[data-kind=${arguments[0]}] .chip`)].map('
            '(chip) => chip.innerText.split("\\n")[0])')


def words(page, kind: str) -> list[str]:
    return page.script(_ENTRIES, kind)


def drag(page, name: str, target: str) -> None:
    """Press the button of the mouse on a chip, move, and let it go over an element."""
    from selenium.webdriver import ActionChains
    chip = next(each for each in page.driver.find_elements('css selector', '.chip')
                if each.text.startswith(name))
    ActionChains(page.driver).click_and_hold(chip).move_by_offset(8, 8).move_to_element(
        page.element(target)).move_by_offset(3, 3).release().perform()


def test_a_chip_is_dragged_from_stuff_to_things_and_back(page) -> None:
    drag(page, 'wall', '[data-kind=things]')
    wait_for(lambda: words(page, 'things') == ['wall'], 'it is no thing', 10)
    assert words(page, 'stuff') == ['floor']
    wait_for(lambda: ['wall', 'thing'] in page.script(
        'return [...document.querySelectorAll(".segment")].map((row) => ["name", "kind-hint"].map('
        '(part) => row.querySelector("." + part).innerText))'), 'the picture has no thing wall')
    drag(page, 'wall', '[data-kind=stuff] input')
    wait_for(lambda: words(page, 'stuff') == ['floor', 'wall'], 'it is no stuff', 10)
    assert page.script('return document.querySelector(arguments[0]).value', STUFF) == ''
    assert page.driver.find_elements('css selector', '.q-dialog') == []     # no click


def test_a_chip_that_is_dropped_elsewhere_stays(page) -> None:
    for target in ('[data-kind=stuff]', '.stage', '.bar'):
        drag(page, 'floor', target)
    drag(page, 'wall', '[data-kind=things]')    # as the one that is waited for
    wait_for(lambda: 'wall' in words(page, 'things'), 'it is no thing', 10)
    assert chips(page) == ['wall', 'floor']
    drag(page, 'wall', '[data-kind=stuff]')
    wait_for(lambda: words(page, 'stuff') == ['floor', 'wall'], 'it is no stuff', 10)


DROP_FILE = """
const data = new DataTransfer();
data.items.add(new File(['no picture'], 'notes.txt'));
document.querySelector('[data-kind=things]').dispatchEvent(
  new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
"""


def test_a_file_that_is_dropped_among_things_moves_no_chip(page) -> None:
    drag(page, 'wall', '.bar')      # is not moved, and not remembered
    page.script(DROP_FILE)
    wait_for(lambda: 'notes.txt' in page.text('.q-notification'), 'nobody read the file', 10)
    assert (words(page, 'things'), words(page, 'stuff')) == ([], ['floor', 'wall'])
