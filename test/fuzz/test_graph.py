# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What others in the ROS graph do to the node: floods, odd orders, those that come and go."""

from __future__ import annotations

import time

from fuzz.sandbox import count, SEED
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from fuzz.node_case import start_node  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from benchmarks.soak import sample  # noqa: E402

pytestmark = pytest.mark.ros
MEMORY_MIB = 100
"""Memory by which the node may grow; what is kept of each participant grows without bound."""


@pytest.fixture
def node(start_process, client, tmp_path):
    """Return the node with the fake segmenter."""
    return start_node(start_process, client, Image, tmp_path / 'log')


def test_a_flood_of_requests_is_answered(node):
    rng = np.random.default_rng([SEED, 10])
    kinds = [(GetParameters, 'get_parameters', GetParameters.Request(names=['score_threshold'])),
             (ListParameters, 'list_parameters', ListParameters.Request()),
             (SetParameters, 'set_parameters', SetParameters.Request(
                 parameters=node.client.parameter_messages(overlay_alpha=0.5))),
             (SetBool, 'set_enabled', SetBool.Request(data=True)),
             (GetState, 'get_state', GetState.Request())]
    callers = [(node.client.node.create_client(kind, f'eov_seg/{name}'), request)
               for kind, name, request in kinds]
    for caller, _ in callers:
        node.client.wait_for(caller.service_is_ready)
    futures = []
    for _ in range(count(300)):
        caller, request = callers[rng.integers(len(callers))]
        futures.append(caller.call_async(request))
        if len(futures) % 8 == 0:   # a service's queue holds ten
            node.client.wait_for(lambda: all(future.done() for future in futures))
    node.check()


def _random_transition(rng):
    """Return a request for any transition but those that end the node for good."""
    request = ChangeState.Request()
    if rng.integers(2):
        request.transition.id = int(rng.choice([0, 1, 2, 3, 4, 9, 10, 60, 98, 255]))
    else:
        request.transition.label = str(rng.choice(
            ['configure', 'activate', 'deactivate', 'cleanup', 'create', 'transition_error',
             'on_configure_success', 'no such', 'x' * 10_000, '\x1b[31m']))
    return request


def test_transitions_in_any_order(node):
    client, rng = node.client, np.random.default_rng([SEED, 11])
    outcomes = set()
    for _ in range(count(60)):
        request = _random_transition(rng)
        outcomes.add(client.call(ChangeState, 'eov_seg/change_state', request).success)
        assert client.state() in ('unconfigured', 'inactive', 'active')
    assert outcomes == {False, True}
    while (state := client.state()) != 'active':
        assert client.change_state({'unconfigured': 'configure', 'inactive': 'activate'}[state])
    node.check()


def test_transitions_without_waiting_for_an_answer(node):
    rng = np.random.default_rng([SEED, 12])
    caller = node.client.node.create_client(ChangeState, 'eov_seg/change_state')
    node.client.wait_for(caller.service_is_ready)
    for _ in range(count(5)):
        # A service's queue holds ten; more at once would be dropped by the middleware.
        futures = [caller.call_async(_random_transition(rng)) for _ in range(8)]
        node.client.wait_for(lambda waiting=futures: all(future.done() for future in waiting))
    while (state := node.client.state()) != 'active':
        node.client.change_state({'unconfigured': 'configure', 'inactive': 'activate'}[state])
    node.check()


def test_subscribers_of_any_quality_that_come_and_go(node):
    rng = np.random.default_rng([SEED, 13])
    before_mib = None
    subscriptions = []
    for number in range(count(100)):
        qos = QoSProfile(
            depth=int(rng.choice([1, 10, 1000])),
            reliability=(ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)[
                rng.integers(2)],
            durability=(DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL)[
                rng.integers(2)])
        topic = str(rng.choice(['panoptic', 'overlay', 'instance', 'semantic', 'confidence']))
        kind, topic = ((CompressedImage, f'{topic}/compressed') if rng.integers(4) == 0
                       else (Image, topic))
        subscriptions.append(node.client.node.create_subscription(
            kind, f'eov_seg/{topic}', lambda _: None, qos))
        node.client.send(number)
        node.client.spin_for(0.02)
        if len(subscriptions) > 10:
            index = rng.integers(len(subscriptions))
            node.client.node.destroy_subscription(subscriptions.pop(index))
        if number == 20:
            before_mib = sample(node.process.pid)[0]
    node.check()
    assert sample(node.process.pid)[0] - before_mib < MEMORY_MIB


def test_participants_that_come_and_go(node):
    before_mib, descriptors = sample(node.process.pid)[:2]
    for _ in range(count(5)):
        contexts = []
        for _ in range(5):
            contexts.append(rclpy.Context())
            rclpy.init(context=contexts[-1])
            other = rclpy.create_node('other', context=contexts[-1])
            other.create_publisher(Image, 'image_raw', 1)
        node.client.spin_for(0.5)
        for context in contexts:        # without a word, as a process that is killed
            context.try_shutdown()
    node.check()
    after_mib, descriptors_after = sample(node.process.pid)[:2]
    assert after_mib - before_mib < MEMORY_MIB
    assert descriptors_after < descriptors + 60


def test_time_that_jumps(node):
    rng = np.random.default_rng([SEED, 14])
    now_s = int(time.time())
    for number in range(count(60)):
        message = Image(height=4, width=4, step=12, encoding='rgb8')
        message.data.frombytes(bytes(48))
        message.header.stamp.sec = int(rng.choice(
            [0, 1, -1, -2**31, 2**31 - 1, now_s, now_s - number, now_s + 3600]))
        message.header.stamp.nanosec = int(rng.choice([0, 999_999_999, 10**9, 2**32 - 1]))
        node.publisher.publish(message)
        node.client.spin_for(0.02)
    node.check()


@pytest.mark.parametrize('words', [['x' * 5_000_000], [f'word {n}' for n in range(20_000)],
                                   ['a,' * 100_000], ['\U0001f600' * 100_000]],
                         ids=['long', 'many', 'synonyms', 'emoji'])
def test_word_lists_of_any_size(node, words):
    started_s = time.monotonic()
    result, = node.client.set(vocabulary__things=words)
    assert time.monotonic() - started_s < 15
    assert result.successful or 0 < len(result.reason) < 10_000
    node.check()
    result, = node.client.set(vocabulary__things=['cup'])
    assert result.successful, result.reason
    node.check()
