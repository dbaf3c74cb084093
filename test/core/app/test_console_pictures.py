# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures on the page of `eov-seg console`, in a real browser: chosen, dropped, pasted."""

from __future__ import annotations

import io
import re

from browser_case import wait_for, WIDE
from console_case import chips, load_words
import numpy as np
from PIL import Image
import pytest

pytest.importorskip('nicegui', reason='the extra console is not installed')


def test_a_picture_that_is_chosen_is_shown(page, tmp_path) -> None:
    Image.fromarray(np.full((60, 100, 3), (250, 10, 200), np.uint8)).save(tmp_path / 'pink.png')
    upload = page.element('.view input[type=file]')
    upload.send_keys(str(tmp_path / 'pink.png'))
    wait_for(lambda: 'pink.png · 100 x 60' in page.text('.status'), 'it is not shown')
    page.script('document.querySelectorAll(".under button")[1].click()')    # without the overlay
    wait_for(lambda: page.count_colour((250, 10, 200)) > 5000, 'the picture is not seen')


CLICK_THE_END = """
const scroller = document.querySelector('.scroller'), box = scroller.getBoundingClientRect();
const at = {clientX: box.right - 5, clientY: box.bottom - 5, bubbles: true};
scroller.scrollTo(1e6, 1e6);
document.elementFromPoint(at.clientX, at.clientY).dispatchEvent(new MouseEvent('click', at));
"""


@pytest.mark.parametrize(('width', 'height'), [(30, 3000), (3000, 30)])
def test_a_long_picture_is_scrolled_in_a_size_that_can_be_seen(
        page, tmp_path, width: int, height: int) -> None:
    Image.fromarray(np.full((height, width, 3), (250, 10, 200), np.uint8)).save(
        tmp_path / 'long.png')
    page.element('.view input[type=file]').send_keys(str(tmp_path / 'long.png'))
    wait_for(lambda: f'long.png · {width} x {height}' in page.text('.status'), 'it is not shown')
    wait_for(lambda: min(page.element('.stage .live').size.values()) > 95, 'it is too small')
    page.save(f'long_{width}')
    stage = page.element('.stage').size
    assert (stage['width'] < WIDE[0], stage['height'] < WIDE[1]) == (True, True)
    assert page.script('return document.documentElement.scrollWidth') <= WIDE[0]
    tools, side = page.element('.under').rect, page.element('.side').rect
    assert tools['x'] + tools['width'] <= side['x']     # else the words cover them
    page.script(CLICK_THE_END)
    place = wait_for(lambda: re.match(r'Pixel (\d+), (\d+):', page.text('.under .pixel')),
                     'the click tells nothing')
    assert int(place[1]) > 0.9 * width
    assert int(place[2]) > 0.9 * height


def test_a_damaged_picture_is_refused_with_its_name(page, tmp_path) -> None:
    (tmp_path / 'bad.png').write_bytes(b'\x89PNG nothing more')
    page.element('.view input[type=file]').send_keys(str(tmp_path / 'bad.png'))
    wait_for(lambda: 'bad.png' in page.text('.q-notification'), 'nobody complains')


DROP = """
const [name, content, done] = arguments, data = new DataTransfer();
data.items.add(new File([new Uint8Array(content)], name));
const send = (kind) => !document.querySelector('.stage').dispatchEvent(
  new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
return [send('dragover'), send('drop')];
"""


def test_files_may_be_dropped_anywhere(page, tmp_path) -> None:
    packed = io.BytesIO()
    Image.fromarray(np.full((50, 90, 3), 200, np.uint8)).save(packed, 'PNG')
    # the browser would leave the page to show a file whose events nobody takes
    assert page.script(DROP, 'grey.png', [*packed.getvalue()]) == [True, True]
    wait_for(lambda: 'grey.png · 90 x 50' in page.text('.status'), 'it is not shown')
    page.script(DROP, 'words.yaml', [*b'things: [lamp]\nstuff: [floor, wall]'])
    wait_for(lambda: chips(page) == ['lamp', 'floor', 'wall'], 'the words are not used')
    (tmp_path / 'large.yaml').write_bytes(b'#' * (1 << 20))
    page.element('input[accept=".yaml,.yml"]').send_keys(str(tmp_path / 'large.yaml'))
    wait_for(lambda: 'at most 512 KiB' in page.text('.q-notification'), 'nobody complains')
    load_words(page, tmp_path / 'few.yaml', [])


def test_each_bad_file_of_several_has_its_reason(page) -> None:
    page.script("""
        const data = new DataTransfer();
        for (const [name, content] of arguments[0])
          data.items.add(new File([new Uint8Array(content)], name));
        document.querySelector('.stage').dispatchEvent(
          new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
        """, [('bad.png', [*b'\x89PNG nothing more']), ('notes.txt', [*b'a text']),
              ('room.heic', [*b'\0\0\0\x18ftypheic', *bytes(20)]),
              ('large.yaml', (1 << 20) * [35]), ('wheels.yaml', [*b'wheels: 4'])])
    for reason in ('bad.png is damaged', 'notes.txt is a text, no picture',
                   'room.heic is a HEIC picture, which cannot be read: convert it to JPEG',
                   'large.yaml cannot be taken; expected a YAML file',
                   'wheels.yaml: it has the entries'):
        wait_for(lambda reason=reason: reason in page.script(
            'return [...document.querySelectorAll(".q-notification")].map('
            '(each) => each.innerText).join(" ")'), reason, 8)
    packed = io.BytesIO()
    Image.fromarray(np.full((40, 70, 3), 200, np.uint8)).save(packed, 'PNG')
    page.script(DROP, 'good.png', [*packed.getvalue()])
    wait_for(lambda: 'good.png · 70 x 40' in page.text('.status'), 'nothing is taken any more')


def test_a_picture_is_pasted_from_the_clipboard(page) -> None:
    packed = io.BytesIO()
    Image.fromarray(np.full((30, 80, 3), 200, np.uint8)).save(packed, 'PNG')
    page.driver.execute_cdp_cmd('Browser.grantPermissions', {
        'permissions': ['clipboardReadWrite', 'clipboardSanitizedWrite']})
    failure = page.driver.execute_async_script("""
        const [content, done] = arguments;
        const picture = new Blob([new Uint8Array(content)], {type: 'image/png'});
        navigator.clipboard.write([new ClipboardItem({'image/png': picture})]).then(
          () => done(''), (error) => done(String(error)));
        """, [*packed.getvalue()])
    assert failure == ''
    page.element('body').send_keys('\ue009v\ue000')       # Ctrl+V
    wait_for(lambda: '.png · 80 x 30' in page.text('.status'), 'it is not shown', 20)
