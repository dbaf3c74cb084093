# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the page of a running node costs, and how far it is behind.

    source scripts/ros_env.sh
    .venv/bin/python -m benchmarks.console [--seconds 20] [--size 480 640] [--rate 30]

A camera, the node with an engine that costs nothing, and the console are processes; a headless
Chromium (of the tests) shows the page.  This process subscribes to `~/overlay/compressed` and
follows the page's frames as the page does; a frame is known again by its bytes, those of a large
one after it was made as small as the page gets it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import contextlib
import http.client
from importlib import metadata
import os
from pathlib import Path
import re
import sys
import threading
import time

import numpy as np
import rclpy
from sensor_msgs.msg import CompressedImage, Image

from benchmarks.node import cpu_seconds, process
from eov_seg_core.app.console.frame import shrunk_jpeg

PORT = 8099
_WARM_UP_S = 4.0


def run_camera(height: int, width: int, rate_hz: float) -> None:
    """Publish pictures that differ at a rate until killed."""
    rclpy.init(args=[])
    node = rclpy.create_node('camera')
    publisher = node.create_publisher(Image, 'image_raw', 1)
    message = Image(height=height, width=width, step=3 * width, encoding='rgb8')
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    number, next_s = 0, time.monotonic()
    while True:
        picture = np.broadcast_to(np.roll(ramp, number % width)[None, :, None], (height, width, 3))
        del message.data[:]
        message.data.frombytes(picture.tobytes())
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        number, next_s = number + 1, max(next_s + 1 / rate_hz, time.monotonic())
        time.sleep(max(0.0, next_s - time.monotonic()))


class Follower(threading.Thread):
    """Asks for frames as the page does, and notes when each one came.

    Attributes:
        came_s: When each frame came, by the hash of its bytes.
        sizes: Bytes of each frame.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.came_s: dict[int, float] = {}
        self.sizes: list[int] = []

    def run(self) -> None:
        """Follow until the server ends."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._follow()

    def _follow(self) -> None:
        connection = http.client.HTTPConnection('127.0.0.1', PORT, timeout=30)
        shown = '0'
        while True:
            connection.request('GET', f'/frame/overlay?after={shown}')
            answer = connection.getresponse()
            data = answer.read()
            if answer.status == 200:
                shown = answer.headers['x-frame']
                self.came_s[hash(data)] = time.monotonic()
                self.sizes.append(len(data))


@contextlib.contextmanager
def browser() -> Iterator[object]:
    """Open the page in a headless Chromium; None where there is none."""
    sys.path.insert(0, str(Path(__file__).parents[1] / 'test'))
    from browser_case import Browser
    import pytest
    try:
        page = Browser()
    except pytest.skip.Exception as reason:
        print(f'without a browser: {reason}')
        yield None
        return
    try:
        yield page
    finally:
        page.driver.quit()


def wait_for_page() -> float:
    """Wait until the server answers; return how long one answer then takes, in seconds."""
    while True:
        start_s = time.monotonic()
        try:
            connection = http.client.HTTPConnection('127.0.0.1', PORT, timeout=10)
            connection.request('GET', '/')
            connection.getresponse().read()
            return time.monotonic() - start_s
        except OSError:
            time.sleep(0.2)


def measure_browser(page: object) -> None:
    """Print how long the page takes to show a picture, and a word to be in it."""
    from browser_case import wait_for
    start_s = time.monotonic()
    page.driver.get(f'http://127.0.0.1:{PORT}/')
    wait_for(lambda: page.script(
        'return document.querySelector(".stage .live")?.dataset.frame'), 'no picture', 60)
    print(f'page opened to first picture: {time.monotonic() - start_s:.2f} s')
    wait_for(lambda: page.text('.chip'), 'no words')
    for word in ('lamp', 'mug', 'lamp shade'):
        before = page.text('.status')
        page.type('[data-kind=things] input', word)
        wait_for(lambda before=before: 'applied' in page.text('.status')
                 and _delay(page.text('.status')) != _delay(before), 'no delay')
        print(f'word {word!r} typed to first picture with it: {_delay(page.text(".status"))} s')


def _delay(status: str) -> str:
    found = re.search(r'applied in ([\d.]+)\s', status)
    return '' if found is None else found[1]


def installed_bytes(name: str) -> dict[str, int]:
    """Return the sizes of a distribution and of all that only it brings.

    Args:
        name: Of the distribution.
    """
    def closure(names: list[str]) -> set[str]:
        found: set[str] = set()
        while names:
            each = re.sub(r'[-_.]+', '-', names.pop()).lower()
            with contextlib.suppress(metadata.PackageNotFoundError):
                needed = metadata.requires(each) or []
                if each not in found:
                    found.add(each)
                    names += [re.match(r'[\w.-]+', entry)[0] for entry in needed
                              if 'extra ==' not in entry]
        return found

    own = [re.match(r'[\w.-]+', entry)[0] for entry in metadata.requires('eov_seg_ros') or []
           if 'extra ==' not in entry]
    return {each: sum(Path(str(file.locate())).stat().st_size
                      for file in metadata.files(each) or () if Path(str(file.locate())).is_file())
            for each in closure([name]) - closure(own)}


def measure(height: int, width: int, rate_hz: float, duration_s: float) -> None:
    """Print all figures."""
    rclpy.init(args=[])
    node = rclpy.create_node('watcher')
    sent_s: dict[int, float] = {}

    def note(message: CompressedImage) -> None:
        now_s = time.monotonic()    # before the frame is made smaller, which the page waits for
        sent_s[hash(shrunk_jpeg(bytes(message.data)))] = now_s

    node.create_subscription(CompressedImage, 'eov_seg/overlay/compressed', note, 5)

    def spin(seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            rclpy.spin_once(node, timeout_sec=0.05)

    with process('benchmarks.node', 'free_node'), process(
            'benchmarks.console', 'camera', '--size', str(height), str(width), '--rate',
            str(rate_hz)), process('eov_seg_ros.console.command', '--no-browser', '--port',
                                   str(PORT)) as console, browser() as page:
        wait_for_page()
        print(f'page of the server: {wait_for_page():.2f} s')
        if page is not None:
            measure_browser(page)
        follower = Follower()
        follower.start()
        spin(_WARM_UP_S)
        sent_s.clear()
        follower.came_s.clear()
        start_s, cpu_s = time.monotonic(), cpu_seconds(console.pid)
        spin(duration_s)
        seconds, cpu_s = time.monotonic() - start_s, cpu_seconds(console.pid) - cpu_s
    delays_ms = [1000 * (came - sent_s[key]) for key, came in list(follower.came_s.items())
                 if key in sent_s]
    shown = len(follower.came_s)
    print(f'{width} x {height}: {len(sent_s) / seconds:.1f} overlays a second from the node, '
          f'{shown / seconds:.1f} shown, {np.mean(follower.sizes) / 1e3:.0f} kB each; '
          f'load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
    if delays_ms:
        print('behind ~/overlay here, ms: ' + ', '.join(
            f'p{percent} {np.percentile(delays_ms, percent):.1f}' for percent in (50, 95, 99)))
    print(f'processor time of the console: {cpu_s / seconds:.2f} of a core with '
          f'{1 + (page is not None)} pages')
    sizes = installed_bytes('nicegui')
    print(f'extra console: {sum(sizes.values()) / 1e6:.0f} MB in {len(sizes)} packages')
    rclpy.try_shutdown()


def main() -> int:
    """Run the measurement, or its camera."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('part', nargs='?', default='all', choices=['all', 'camera'])
    parser.add_argument('--seconds', type=float, default=20.0)
    parser.add_argument('--size', type=int, nargs=2, default=(480, 640), metavar=('H', 'W'))
    parser.add_argument('--rate', type=float, default=30.0)
    options = parser.parse_args()
    if options.part == 'camera':
        with contextlib.suppress(KeyboardInterrupt):
            run_camera(*options.size, options.rate)
    else:
        measure(*options.size, options.rate, options.seconds)
    return 0


if __name__ == '__main__':
    sys.exit(main())
