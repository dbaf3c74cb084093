# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera for the demo: shows one picture of a folder at a time, at a steady rate.

    python -m eov_seg_ros.demo.player FOLDER [RATE_HZ]

Each line on standard input is the file name of the picture to show from then on; the end of the
input ends the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import sys
import threading
from typing import Any

import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from eov_seg_core.io.media import read_image
from eov_seg_ros.conversions import image_message


def main(args: Sequence[str] | None = None) -> int:
    """Publish pictures on `image_raw` until standard input ends.

    Args:
        args: The folder and the rate in Hz; None: the process's.
    """
    folder, *rest = sys.argv[1:] if args is None else args
    period_s = 1.0 / float(rest[0] if rest else 10.0)
    ended, shown = threading.Event(), _Shown(Path(folder))
    threading.Thread(target=_read_commands, args=(shown, ended), daemon=True).start()
    rclpy.init(args=[])
    node = rclpy.create_node('demo_camera')
    publisher = node.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
    try:
        while not ended.wait(period_s) and rclpy.ok():
            if shown.picture is None:
                continue
            name, image_rgb = shown.picture
            header = Header(stamp=node.get_clock().now().to_msg(), frame_id=name)
            publisher.publish(image_message(header, image_rgb, 'rgb8'))
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


class _Shown:
    """The picture that is being shown: (file name, image), or None at the start."""

    def __init__(self, folder: Path) -> None:
        self.picture: tuple[str, Any] | None = None
        self._folder = folder

    def show(self, name: str) -> None:
        self.picture = name, read_image(self._folder / name)


def _read_commands(shown: _Shown, ended: threading.Event) -> None:
    try:
        for line in sys.stdin:
            shown.show(line.strip())
    finally:
        ended.set()


if __name__ == '__main__':
    sys.exit(main())
