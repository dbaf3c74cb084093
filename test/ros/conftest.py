# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for tests over real DDS, which must not leave this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import gc
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for fake_segmenter, which is a script as well

try:
    import rclpy
except ImportError:
    rclpy = None
    collect_ignore_glob = ['test_node*.py', 'test_conversions.py', 'test_pipeline*.py']

CHECKOUT = Path(__file__).parents[2]
ISOLATION = {
    'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    'FASTRTPS_DEFAULT_PROFILES_FILE': str(CHECKOUT / 'config/fastdds_loopback.xml'),
    'FASTDDS_DEFAULT_PROFILES_FILE': str(CHECKOUT / 'config/fastdds_loopback.xml'),
}
if os.environ.get('ROS_DISTRO') == 'humble':     # does not know the first variable
    ISOLATION['ROS_LOCALHOST_ONLY'] = '1'
HEIGHT, WIDTH = 48, 64
OUTPUTS = ('panoptic', 'semantic', 'instance', 'confidence', 'overlay', 'detections')


@pytest.fixture(scope='session')
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Set what is not set, refuse what is set otherwise, and return the environment."""
    if rclpy is None:
        pytest.skip('rclpy is not installed: scripts/setup_env.sh')
    for name, value in ISOLATION.items():
        if os.environ.setdefault(name, value) != value:
            pytest.fail(f'{name} is {os.environ[name]!r}; tests with ROS need {value!r}, so that '
                        'no packet leaves this machine: source scripts/ros_env.sh')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 101))
    os.environ.setdefault('ROS_LOG_DIR', str(tmp_path_factory.mktemp('ros_log')))
    gc.freeze()     # so that collecting after each test does not look through PyTorch
    yield {**os.environ, 'OMP_NUM_THREADS': '1'}
    gc.unfreeze()


@pytest.fixture
def ros(isolated: dict[str, str]) -> Iterator[None]:
    """Start and end rclpy."""
    rclpy.init()
    yield
    # A node that is freed only after the next one of its name was made takes that one's /rosout
    # with it (rcl registers the publisher by the name of the node).
    gc.collect()
    rclpy.try_shutdown()


class Client:
    """The other side of the node: publishes images, collects what comes back.

    Args:
        namespace: The node's.
        image: Topic of the images.
    """

    def __init__(self, namespace: str = '/', image: str = 'image_raw') -> None:
        from rcl_interfaces.msg import Log
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from rclpy.qos import DurabilityPolicy, qos_profile_sensor_data, QoSProfile
        from sensor_msgs.msg import Image
        from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

        self.node = Node('client', namespace=namespace)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.images = self.node.create_publisher(Image, image, qos_profile_sensor_data)
        self.received: dict[str, list[Any]] = {}
        self._types = dict.fromkeys(OUTPUTS, Image)
        self._types |= {'detections': Detection2DArray, 'label_info': LabelInfo,
                        'vision_info': VisionInfo}
        self._latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._log = self.listen_to('/rosout', Log, latched=True)

    @property
    def log(self) -> str:
        """What nodes have logged so far, one message a line."""
        return '\n'.join(message.msg for message in self._log)

    def listen_to(self, topic: str, message_type: type, latched: bool = False) -> list[Any]:
        """Subscribe to any topic; return the list that its messages come into."""
        messages: list[Any] = []
        self.node.create_subscription(message_type, topic, messages.append,
                                      self._latched if latched else 10)
        return messages

    def listen(self, *names: str, timeout_s: float = 40.0) -> None:
        """Subscribe to outputs and wait for the match."""
        from sensor_msgs.msg import CompressedImage

        for name in names:
            self.received[name] = []
            qos = self._latched if name.endswith('_info') else 10
            kind = self._types.get(name.rpartition('/')[2], CompressedImage)
            self.node.create_subscription(
                kind, f'eov_seg/{name}', self.received[name].append, qos)
        self.wait_for(lambda: all(self.node.count_publishers(f'eov_seg/{name}')
                                  for name in names), timeout_s)

    def wait_for(self, condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
        """Spin until the condition holds; return its value or fail."""
        end_s = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() > end_s:
                received = {name: len(got) for name, got in self.received.items()}
                pytest.fail(f'nothing came within {timeout_s:g} s; received {received}; the log '
                            f'is\n{self.log}')
            self.executor.spin_once(timeout_sec=0.02)
        return value

    def send(self, number: int, pixels: np.ndarray | None = None, encoding: str = 'rgb8',
             **changes: Any) -> Any:
        """Publish one image whose stamp is a number; return the message."""
        from std_msgs.msg import Header

        from eov_seg_ros.conversions import image_message

        header = Header(frame_id=f'camera_{number}')
        header.stamp.sec, header.stamp.nanosec = number, 123456789
        pixels = np.full((HEIGHT, WIDTH, 3), 100, np.uint8) if pixels is None else pixels
        message = image_message(header, pixels, encoding)
        for name, value in changes.items():
            setattr(message, name, value)
        self.images.publish(message)
        return message

    def wait_for_answer(self, number: int, topic: str) -> None:
        """Wait until the last output is that of a sent image; best effort may lose the image."""
        for _ in range(8):
            end_s = time.monotonic() + 2.5
            while time.monotonic() < end_s:
                got = self.received[topic]
                if got and got[-1].header.stamp.sec == number:
                    return
                self.executor.spin_once(timeout_sec=0.02)
            self.send(number)
        pytest.fail(f'image {number} was sent eight times and never answered on {topic}')

    def spin_for(self, seconds: float) -> None:
        """Spin for a while."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.executor.spin_once(timeout_sec=0.02)

    def send_until(self, condition: Callable[[], Any], first: int = 1) -> int:
        """Publish numbered images until the condition holds; return the last number."""
        number = first
        self.send(number)
        end_s = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end_s, 'no answer to any image within 20 s'
            self.executor.spin_once(timeout_sec=0.1)
            if not condition():
                number += 1
                self.send(number)
        return number

    def call(self, service_type: Any, name: str, request: Any, timeout_s: float = 20.0) -> Any:
        """Call a service and return its response."""
        client = self.node.create_client(service_type, name)
        self.wait_for(client.service_is_ready)
        future = client.call_async(request)
        self.wait_for(future.done, timeout_s)
        self.node.destroy_client(client)
        return future.result()

    def set(self, *, atomically: bool = False, **values: Any) -> list[Any]:
        """Set parameters over their service; `__` in a name stands for a dot."""
        from rcl_interfaces.srv import SetParameters, SetParametersAtomically

        messages = self.parameter_messages(**values)
        if atomically:
            return [self.call(SetParametersAtomically, 'eov_seg/set_parameters_atomically',
                              SetParametersAtomically.Request(parameters=messages)).result]
        return self.call(SetParameters, 'eov_seg/set_parameters',
                         SetParameters.Request(parameters=messages)).results

    @staticmethod
    def parameter_messages(**values: Any) -> list[Any]:
        """Return parameters as messages; `__` in a name stands for a dot."""
        from rclpy.parameter import Parameter

        parameters = []
        for name, value in values.items():
            kind = Parameter.Type.STRING_ARRAY if value == [] else None
            parameters.append(Parameter(name.replace('__', '.'), kind, value)
                              if kind else Parameter(name.replace('__', '.'), value=value))
        return [parameter.to_parameter_msg() for parameter in parameters]

    def state(self) -> str:
        """Return the node's lifecycle state."""
        from lifecycle_msgs.srv import GetState
        return self.call(GetState, 'eov_seg/get_state', GetState.Request()).current_state.label

    def change_state(self, label: str, timeout_s: float = 20.0) -> bool:
        """Ask for a transition."""
        from lifecycle_msgs.srv import ChangeState
        request = ChangeState.Request()
        request.transition.label = label
        return self.call(ChangeState, 'eov_seg/change_state', request, timeout_s).success


@pytest.fixture
def make_client(ros: None) -> Iterator[Callable[..., Client]]:
    """Return a function that makes the other side of a node."""
    clients = []

    def make(*args: str) -> Client:
        clients.append(Client(*args))
        return clients[-1]

    yield make
    for client in clients:
        client.node.destroy_node()


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    """Return the other side of the node in the root namespace."""
    return make_client()


@pytest.fixture
def spin_node(ros: None) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Return a function that makes a node and runs it in a thread."""
    from rclpy.executors import ExternalShutdownException

    from eov_seg_ros.process.executor import EnduringExecutor

    running = []

    def start(make_node: Callable[[], Any]) -> Any:
        node = make_node()
        executor = EnduringExecutor()
        executor.add_node(node)

        def spin() -> None:
            with contextlib.suppress(ExternalShutdownException):
                executor.spin()

        thread = threading.Thread(target=spin)
        thread.start()
        running.append((node, executor, thread))
        return node

    yield start
    while running:
        node, executor, thread = running.pop()
        executor.shutdown()
        thread.join(10)
        node.destroy_node()
    node = executor = thread = None     # nobody keeps a node alive: see `ros`


@pytest.fixture
def start_node(spin_node: Callable[[Callable[[], Any]], Any]) -> Callable[..., Any]:
    """Return a function that runs the segmentation node with a given segmenter in a thread."""
    from rclpy.parameter import Parameter

    from eov_seg_ros.segment_node import SegmentNode

    def start(segmenter: Any, **parameters: Any) -> SegmentNode:
        overrides = [Parameter(name.replace('__', '.'), value=value)
                     for name, value in parameters.items() if name != 'namespace']
        return spin_node(lambda: SegmentNode(
            lambda _: segmenter, parameter_overrides=overrides,
            namespace=parameters.get('namespace', '')))

    return start


@pytest.fixture
def start_process(isolated: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that runs a Python command in a process, ended by its id."""
    processes = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        environment = {**isolated, 'PYTHONUNBUFFERED': '1', **variables}
        # The wheels' interpreter restarts itself once unless this says that it has done so.
        environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=CHECKOUT, text=True, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            # Ignored in what a shell runs in the background, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        processes.append(process)
        return process

    yield start
    for process in processes:
        # First as Ctrl-C does: a launch process that is killed leaves its nodes behind.
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
