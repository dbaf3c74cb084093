# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium that tests drive, and servers that they start and end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
import signal
import socket
import subprocess
import time
from typing import Any
import urllib.error
import urllib.request

import pytest

OTHER_HOST = '127.0.0.2'
"""An address of this machine that the console takes for one that others reach."""
WIDE, PHONE = (1280, 900), (375, 812)
# A page that asks another machine for anything would fail at once, and say so in its log.
_ARGUMENTS = ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
              '--hide-scrollbars', '--force-device-scale-factor=1',
              '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, '
              f'EXCLUDE {OTHER_HOST}')
_COUNT_COLOUR = """
const [selector, red, green, blue] = arguments, image = document.querySelector(selector);
if (!image || !image.naturalWidth) return -1;
const canvas = document.createElement('canvas');
canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
const context = canvas.getContext('2d');
context.drawImage(image, 0, 0);
const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
let count = 0;
for (let i = 0; i < data.length; i += 4)
  count += Math.abs(data[i] - red) < 20 && Math.abs(data[i + 1] - green) < 20
    && Math.abs(data[i + 2] - blue) < 20 && data[i + 3] > 0;
return count;
"""

_CONTRASTS = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
function rgba(text) {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
  return canvas.getImageData(0, 0, 1, 1).data;
}
function light(colour) {
  const [r, g, b] = [...colour].slice(0, 3).map((value) => value / 255).map(
    (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ground(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] > 250) return colour;
  }
  return [255, 255, 255, 255];
}
const found = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.offsetParent || element.closest('.stage')) continue;
  const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
  found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.textContent.trim()]);
}
return found.sort((x, y) => x[0] - y[0]);
"""


class Browser:
    """A page in a headless Chromium."""

    def __init__(self) -> None:
        webdriver = pytest.importorskip('selenium.webdriver', reason='selenium is not installed')
        driver = shutil.which('chromedriver')
        program = shutil.which('chromium') or shutil.which('chromium-browser')
        if driver is None or program is None:
            pytest.skip('there is no Chromium: apt install chromium chromium-driver')
        options = webdriver.ChromeOptions()
        options.binary_location = program
        options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
        for argument in _ARGUMENTS:
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options,
                                       service=webdriver.ChromeService(executable_path=driver))
        self.resize(*WIDE)

    def resize(self, width: int, height: int, *, is_dark: bool = False) -> None:
        """Give the window a size in pixels and a theme."""
        self.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
            'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': width < 500})
        self.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [
            {'name': 'prefers-color-scheme', 'value': 'dark' if is_dark else 'light'}]})

    def script(self, code: str, *arguments: Any) -> Any:
        """Return what JavaScript returns."""
        return self.driver.execute_script(code, *arguments)

    def element(self, selector: str) -> Any:
        """Return the first element of a CSS selector once it is there."""
        return wait_for(lambda: self.driver.find_elements('css selector', selector),
                        f'no element {selector}')[0]

    def text(self, selector: str) -> str:
        """Return the text of an element; '' if it is not there."""
        return str(self.script(
            'return document.querySelector(arguments[0])?.innerText ?? ""', selector))

    def type(self, selector: str, text: str) -> None:
        """Type into a field and press Enter; any character, those beyond 16 bits too."""
        field = self.element(selector)
        self.script('arguments[0].focus()', field)
        self.driver.execute_cdp_cmd('Input.insertText', {'text': text})
        field.send_keys('\ue007')

    def count_colour(self, rgb: Sequence[int], selector: str = '.stage .live') -> int:
        """Return how many pixels of a picture nearly have a colour; -1: there is no picture."""
        return int(self.script(_COUNT_COLOUR, selector, *map(int, rgb)))

    def contrasts(self) -> list[tuple[float, str]]:
        """Return contrast to the ground and text of all that is written, the worst first."""
        return [(float(ratio), str(text)) for ratio, text in self.script(_CONTRASTS)]

    def click_at(self, selector: str, right: float, down: float) -> None:
        """Click at a place given as shares of width and height."""
        from selenium.webdriver import ActionChains
        element = self.element(selector)
        size = element.size
        ActionChains(self.driver).move_to_element_with_offset(
            element, int((right - 0.5) * size['width']),
            int((down - 0.5) * size['height'])).click().perform()

    def problems(self) -> list[str]:
        """Return what the browser logged as errors since the last call."""
        return [entry['message'] for entry in self.driver.get_log('browser')
                if entry['level'] == 'SEVERE']

    def save(self, name: str) -> None:
        """Save the whole page as a picture where EOV_SEG_SCREENSHOTS says, for people."""
        folder = os.environ.get('EOV_SEG_SCREENSHOTS')
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder, f'{name}.png')))


def wait_for(condition: Callable[[], Any], complaint: str, timeout_s: float = 60.0) -> Any:
    """Return the first value of a condition that is true."""
    end_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < end_s, complaint
        time.sleep(0.05)
    return value


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(command: Sequence[str], port: int, log: Path,
           environment: Mapping[str, str] = os.environ, host: str = '127.0.0.1'
           ) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it answers at the port when the block begins."""
    # NiceGUI behaves otherwise where it sees a test
    variables = {name: value for name, value in environment.items() if 'PYTEST' not in name}
    with log.open('wb') as output, subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=variables) as process:
        try:
            wait_for(lambda: _answers(host, port) or process.poll() is not None, 'no answer', 90)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


def _answers(host: str, port: int) -> bool:
    try:
        with urllib.request.urlopen(f'http://{host}:{port}/', timeout=5):
            return True
    except urllib.error.HTTPError:      # a refusal is an answer, too
        return True
    except (urllib.error.URLError, OSError):
        return False
