# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node with the fake segmenter in a process, and what is asked of it after each attack."""

from __future__ import annotations

from pathlib import Path
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from sensor_msgs.msg import CompressedImage, Image


class Node:
    """The node, and the client that attacks it."""

    def __init__(self, client, process, kind, log):
        self.client, self.process, self.log = client, process, log
        self.publisher = client.node.create_publisher(
            kind, 'image_raw/compressed' if kind is CompressedImage else 'image_raw', 10)
        self.diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
        self._kind, self._number = kind, 0
        client.listen('instance', timeout_s=90)
        client.wait_for(lambda: self.publisher.get_subscription_count(), 60)
        self.check()

    def check(self):
        """Ask for parameters, which must be answered, and for a good image to be segmented."""
        assert self.process.poll() is None, 'the node has ended'
        result, = self.client.set(score_threshold=float(self._number % 2))
        assert result.successful, result.reason
        self._number += 1
        received = self.client.received['instance']
        end_s = time.monotonic() + 30
        while not any(message.header.frame_id == f'good {self._number}' for message in received):
            assert time.monotonic() < end_s, f'no answer to good image {self._number}'
            self.publisher.publish(self._good())
            self.client.spin_for(0.2)
        received.clear()

    def _good(self):
        pixels = np.full((48, 64, 3), 100, np.uint8)
        message = self._kind(format='jpeg') if self._kind is CompressedImage else Image(
            height=48, width=64, step=192, encoding='rgb8')
        content = (cv2.imencode('.jpg', pixels)[1] if self._kind is CompressedImage else pixels)
        message.data.frombytes(content.tobytes())
        message.header.frame_id = f'good {self._number}'
        return message

    def value(self, name):
        """Return the last value of an entry of /diagnostics."""
        return next(value.value for status in self.diagnostics[-1].status
                    for value in status.values if value.key == name)


def start_node(start_process, client, kind, log: Path, **parameters) -> Node:
    """Start the node for images of a kind; its output goes to a file.

    A pipe that nobody reads would stop a node that logs much.
    """
    parameters = {'vocabulary.things': "['chair', 'table']", 'image_transport':
                  'compressed' if kind is CompressedImage else 'raw', **parameters}
    script = (f'import os, sys; os.dup2(os.open({str(log)!r}, os.O_CREAT | os.O_WRONLY), 1); '
              'os.dup2(1, 2); os.execv(sys.executable, [sys.executable, '
              '"test/ros/fake_segmenter.py", *sys.argv[1:]])')
    arguments = [part for name, value in parameters.items() for part in ('-p', f'{name}:={value}')]
    return Node(client, start_process('-c', script, '--ros-args', *arguments), kind, log)
