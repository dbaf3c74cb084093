# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`eov-seg console` as a person meets it: the command, the network, and a real browser.

`EOV_SEG_SCREENSHOTS=FOLDER` keeps pictures of the page.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile

from browser_case import free_port, PHONE, wait_for, WIDE
from console_case import chips, load_words, serve, STUFF, THINGS
import pytest

from eov_seg_core.visualization import class_color

pytest.importorskip('nicegui', reason='the extra console is not installed')


def check_contrast(page) -> None:
    """Check that all text has 4.5 to 1, once colours that change slowly have changed."""
    with contextlib.suppress(AssertionError):
        wait_for(lambda: page.contrasts()[0][0] >= 4.5, '', 5)
    worst, text = page.contrasts()[0]
    assert worst >= 4.5, text


def test_a_word_that_is_typed_is_seen_in_the_picture(page) -> None:
    assert chips(page) == ['floor', 'wall']
    assert page.count_colour(class_color('bed')) < 30
    page.type(THINGS, 'bed')
    wait_for(lambda: page.count_colour(class_color('bed')) > 150, 'the bed was not painted')
    assert chips(page) == ['bed', 'floor', 'wall']
    wait_for(lambda: 'words applied in' in page.text('.status'), 'no delay is told')
    press(page, '\ue009z\ue000')        # Ctrl+Z, in the field that is empty now
    wait_for(lambda: page.count_colour(class_color('bed')) < 30, 'the bed is still painted')


def test_the_page_tells_its_language(page) -> None:
    assert page.script('return document.documentElement.lang') == 'en-US'


def press(page, keys: str) -> None:
    page.driver.switch_to.active_element.send_keys(keys)


def test_keys_are_obeyed_while_a_button_has_the_focus(page) -> None:
    page.element('[aria-label="Remove floor"]').click()
    wait_for(lambda: chips(page) == ['wall'], 'it was not removed')
    press(page, '\ue009z\ue000')
    wait_for(lambda: chips(page) == ['floor', 'wall'], 'Ctrl+Z is not obeyed on the cross')
    page.script('arguments[0].focus()', page.element('.segment'))
    press(page, '?')
    wait_for(lambda: 'type a word' in page.text('.q-dialog'), '? is not obeyed on a segment')
    press(page, '/\ue00c')      # a dialog keeps the keys; Escape
    wait_for(lambda: not page.driver.find_elements('css selector', '.q-dialog'), 'it stays')
    page.script('arguments[0].focus()', page.element('.segment'))
    press(page, '/')
    wait_for(lambda: page.script('return document.activeElement.ariaLabel') == 'Add things',
             '/ is not obeyed on a segment')
    press(page, 's / ?')
    assert page.script('return document.activeElement.value') == 's / ?'
    press(page, '\ue009z\ue000')       # takes back what was typed
    wait_for(lambda: page.script('return document.activeElement.value') != 's / ?', 'no undo')
    assert (chips(page), page.text('.q-dialog')) == (['floor', 'wall'], '')


def test_space_does_not_scroll_the_page(page) -> None:
    page.resize(WIDE[0], 400)
    page.script('document.activeElement.blur(); window.scrolls = 0;'
                'addEventListener("scroll", () => window.scrolls++)')
    page.element('body').send_keys(' ')
    page.driver.execute_async_script('setTimeout(arguments[0], 400)')
    assert page.script('return scrolls') == 0


def test_a_second_console_at_its_port_says_what_to_do(address) -> None:
    second = subprocess.run(
        [sys.executable, '-m', 'eov_seg_core.app.cli', 'console', '--no-browser', '--port',
         address.rstrip('/').rsplit(':', 1)[1]], capture_output=True, text=True, timeout=60)
    assert (second.returncode, second.stdout) == (2, '')
    assert 'give this one another port with --port' in second.stderr


def test_a_refused_word_is_explained_where_it_was_typed(page) -> None:
    page.type(STUFF, 'floor')
    wait_for(lambda: 'floor' in page.text('[data-kind=stuff] .q-field__messages'), 'no reason')
    wait_for(lambda: page.script('return document.querySelector(arguments[0]).value', STUFF)
             == 'floor', 'what was typed is gone')
    assert chips(page) == ['floor', 'wall']
    page.save('refused')


def test_words_that_are_typed_fast_are_all_used(page, tmp_path) -> None:
    words = [f'word {number}' for number in range(12)]
    for word in words:      # the next one comes before the answer to the one before
        page.type(THINGS, word)
    wait_for(lambda: chips(page) == [*words, 'floor', 'wall'], 'words are lost', 20)
    load_words(page, tmp_path / 'few.yaml', [])


def test_a_click_tells_the_pixel_and_outlines_its_segment(page) -> None:
    page.click_at('.stage .live', 0.5, 0.3)
    wait_for(lambda: 'wall' in page.text('.under .hint'), 'the click tells nothing')
    assert 'Pixel 320, 144: wall' in page.text('.under .hint')
    assert 'next: floor' in page.text('.under .hint')
    wait_for(lambda: page.count_colour((255, 255, 255), '.stage .outline') > 500, 'no outline')


def test_a_row_of_the_list_outlines_its_segment_by_keyboard(page) -> None:
    row = page.element('.segment')
    assert row.aria_role == 'button'        # not an item of a list, which nobody would press
    page.script('arguments[0].focus()', row)
    wait_for(lambda: page.count_colour((255, 255, 255), '.stage .outline') > 500, 'no outline')


def test_markup_and_emoji_are_words_like_others(page, tmp_path) -> None:
    words = ['<img src=x onerror=alert(1)>', '🎈 balloon', '{{ 7*7 }}', 'chaise à bascule']
    for word in words:
        page.type(THINGS, word)
        wait_for(lambda word=word: word in chips(page), f'{word} is no chip')
    assert page.driver.find_elements('css selector', 'img[src=x]') == []
    wait_for(lambda: 'Ready' in page.text('.status'), 'not ready')
    load_words(page, tmp_path / 'few.yaml', [])


def test_two_hundred_words_are_shown_and_used(page, tmp_path) -> None:
    load_words(page, tmp_path / 'many.yaml', [f'object {number}' for number in range(198)])
    wait_for(lambda: 'Ready' in page.text('.status'), 'not ready', 60)
    page.save('two_hundred')
    assert page.script('return document.documentElement.scrollWidth') <= WIDE[0]
    load_words(page, tmp_path / 'few.yaml', [])


def test_a_row_is_as_high_as_its_name(page, tmp_path) -> None:
    name = 'a bed whose name is so long that it does not fit into one line'
    load_words(page, tmp_path / 'long.yaml', [f'{name}, bed'])
    wait_for(lambda: name in page.text('.segments'), 'no bed is found')
    page.script('document.querySelector(".segments").style.maxHeight = "60px"')     # it scrolls
    heights = page.script('return [...document.querySelectorAll(".segment .name")].map((name) =>'
                          '[name.offsetHeight, name.parentElement.offsetHeight])')
    assert max(heights)[0] > 36
    assert all(name <= row for name, row in heights)
    load_words(page, tmp_path / 'few.yaml', [])


def test_each_line_that_is_pasted_is_a_word(page, tmp_path) -> None:
    page.driver.execute_cdp_cmd('Browser.grantPermissions', {
        'permissions': ['clipboardReadWrite', 'clipboardSanitizedWrite']})
    field = page.element(THINGS)
    for text, shown in (('bed\r\n\nmug, cup\n', ['bed', 'mug +1']), ('lamp', ['lamp'])):
        page.driver.execute_async_script(
            'navigator.clipboard.writeText(arguments[0]).then(arguments[1])', text)
        field.send_keys('\ue009v\ue000')        # Ctrl+V
        if '\n' not in text:
            wait_for(lambda text=text: page.script('return arguments[0].value', field) == text,
                     'one line is for the field')
            field.send_keys('\ue007')
        wait_for(lambda shown=shown: set(shown) <= set(chips(page)), 'no words')
    assert chips(page) == ['bed', 'mug +1', 'lamp', 'floor', 'wall']
    load_words(page, tmp_path / 'few.yaml', [])


def test_save_downloads_a_whole_zip(page, tmp_path) -> None:
    page.driver.execute_cdp_cmd('Browser.setDownloadBehavior', {
        'behavior': 'allow', 'downloadPath': str(tmp_path)})
    page.script('[...document.querySelectorAll(".bar button")].find('
                '(button) => button.innerText === "Save").click()')
    saved, = wait_for(lambda: list(tmp_path.glob('*.zip')), 'nothing was downloaded', 20)
    with zipfile.ZipFile(saved) as archive:
        assert archive.testzip() is None
        assert {'picture.png', 'overlay.png', 'panoptic.json'} <= set(archive.namelist())


def test_words_are_removed_by_keyboard_one_after_another(page, tmp_path) -> None:
    load_words(page, tmp_path / 'three.yaml', ['bed', 'mug, cup', 'lamp'])
    cross = page.element('[aria-label="Remove mug"]')
    page.script('arguments[0].focus()', cross)
    for _ in range(2):
        before = chips(page)
        page.driver.switch_to.active_element.send_keys('\ue007')
        wait_for(lambda before=before: len(chips(page)) < len(before), 'nothing was removed')
        wait_for(lambda: page.script('return document.activeElement.className') == 'remove',
                 'the focus is lost')
    assert chips(page) == ['bed', 'floor', 'wall']
    load_words(page, tmp_path / 'few.yaml', [])


def test_two_pages_show_the_same_words(page, address) -> None:
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window('tab')
    page.driver.get(address)
    page.type(STUFF, 'ceiling')
    wait_for(lambda: 'ceiling' in chips(page), 'the word is not on its page')
    page.driver.close()
    page.driver.switch_to.window(first)
    wait_for(lambda: 'ceiling' in chips(page), 'the word is not on the other page')
    page.element('[aria-label="Remove ceiling"]').click()
    wait_for(lambda: 'ceiling' not in chips(page), 'the word is still there')


@pytest.mark.parametrize('is_dark', [False, True])
def test_all_text_can_be_read(page, tmp_path, is_dark: bool) -> None:
    page.resize(*WIDE, is_dark=is_dark)
    page.type(STUFF, 'floor')       # its refusal is text too
    wait_for(lambda: page.text('[data-kind=stuff] .q-field__messages'), 'no reason')
    page.type(THINGS, 'zorp, snark')        # as what is said about commas and strange words
    wait_for(lambda: 'snark' in page.text('.note'), 'nobody says that it is not known')
    page.script('document.querySelector(".thresholds .q-item").click()')
    check_contrast(page)
    page.save('dark' if is_dark else 'light')
    page.script('document.querySelector(".chip button").click()')
    wait_for(lambda: page.text('.q-dialog'), 'no dialog')
    check_contrast(page)
    page.save('dialog_dark' if is_dark else 'dialog_light')
    page.driver.switch_to.active_element.send_keys('\ue00c')     # Escape
    load_words(page, tmp_path / 'few.yaml', [])


_STATUS = 'return getComputedStyle(document.querySelector(".status") ?? document.body).visibility'


def test_a_server_that_ended_is_told_and_its_successor_is_followed(browser, tmp_path) -> None:
    port = free_port()
    with serve(port, tmp_path):
        browser.driver.get(f'http://127.0.0.1:{port}/')
        wait_for(lambda: 'Ready' in browser.text('.status'), 'the page is not ready')
    wait_for(lambda: 'lost' in browser.element('.stage').get_attribute('class'), 'it looks live')
    assert browser.script(_STATUS) == 'hidden'      # it says that all is ready
    browser.save('no_server')
    with serve(port, tmp_path):
        wait_for(lambda: browser.script(_STATUS) == 'visible' and 'Ready' in browser.text(
            '.status'), 'the new server is not followed')
        assert chips(browser) == ['floor', 'wall']
        browser.driver.get('about:blank')
    browser.problems()      # connections that were refused


def test_the_values_of_the_thresholds_are_seen_and_cover_nothing(page) -> None:
    page.script('document.querySelector(".thresholds .q-item").click()')
    for key, value in (('\ue014', '0.05'), ('\ue012', '0.00')):     # the right and left arrow
        page.element('.q-slider [tabindex]').send_keys(key)
        wait_for(lambda value=value: page.text('.threshold') == value, 'the value is not seen')
        assert page.script('return document.querySelectorAll(".q-slider__text").length') == 0


def test_it_fits_a_telephone(page) -> None:
    page.resize(*PHONE)
    page.save('phone')
    assert page.script('return document.documentElement.scrollWidth') <= PHONE[0]
    assert page.element('.stage .live').size['width'] > 340


def test_a_page_of_another_site_cannot_change_words(address) -> None:
    for headers in ({'Origin': 'http://evil.example'}, {'Host': 'evil.example'}):
        request = urllib.request.Request(f'{address}_nicegui_ws/socket.io/?transport=polling',
                                         headers=headers)
        with pytest.raises(urllib.error.HTTPError, match='40[03]'):
            urllib.request.urlopen(request, timeout=10)
