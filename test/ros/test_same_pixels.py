# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The same file gives the same pixels to the command, the node, the demo and training."""

from __future__ import annotations

import numpy as np
from picture_case import CLOSE, EXACT, REFUSED
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from sensor_msgs.msg import CompressedImage  # noqa: E402

from eov_seg_core.io.media import name_sources, read_image  # noqa: E402
from eov_seg_ros.conversions import image_to_rgb  # noqa: E402
from eov_seg_ros.demo.files import prepare_pictures  # noqa: E402
from training.data.files import read_rgb  # noqa: E402


def by_command(path):
    return next(iter(name_sources([str(path)], path.parent)[0].pictures())).rgb


def by_node(path):
    message = CompressedImage(format='jpeg')
    message.data.frombytes(path.read_bytes())
    return image_to_rgb(message)


def by_demo(path):
    played = path.parent / 'demo'
    return read_image(played / 'played' / prepare_pictures([str(path)], played, 1)[0])


READERS = (by_command, by_demo, read_rgb)


@pytest.mark.parametrize('name', EXACT | CLOSE)
def test_same_pixels(tmp_path, name):
    path = tmp_path / name
    path.write_bytes((EXACT | CLOSE)[name][0])
    expected = read_image(path)
    for reader in READERS:
        np.testing.assert_array_equal(reader(path), expected)
    if path.suffix in ('.jpg', '.png'):
        np.testing.assert_array_equal(by_node(path), expected)
    else:
        with pytest.raises(ValueError, match='expected JPEG, PNG'):
            by_node(path)


@pytest.mark.parametrize('name', REFUSED)
def test_refused_by_all(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(REFUSED[name][0])
    for reader in (*READERS, by_node):
        with pytest.raises(ValueError, match=r'.'):
            reader(path)
