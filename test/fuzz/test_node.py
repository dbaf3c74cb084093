# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hostile messages and requests over DDS: the node lives, answers, and segments the next image."""

from __future__ import annotations

from fuzz.sandbox import count, SEED
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from fuzz.messages import cdr, compressed_image, raw_image  # noqa: E402
from fuzz.node_case import start_node  # noqa: E402
from rcl_interfaces.msg import Parameter, ParameterValue  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
import rclpy.parameter  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from benchmarks.soak import sample  # noqa: E402

pytestmark = pytest.mark.ros
MEMORY_MIB = 300
"""Memory by which the node may grow; what is kept of bad frames grows without bound, if any."""
LOG_BYTES = 200_000
_NAMES = ('enabled', 'score_threshold', 'overlay_alpha', 'max_rate_hz', 'vocabulary.things',
          'vocabulary.stuff', 'vocabulary.preset', 'variant', 'device', 'no such', '', 'x' * 1000,
          'use_sim_time', 'qos_overrides./image_raw.subscription.depth', '\x1b[31m')
_TEXTS = ('', 'chair', 'x' * 100_000, '\x1b[31m', 'a\nb', ',', 'café', '[', '\ufffd')


@pytest.fixture
def start(start_process, client, tmp_path):
    """Return a function that starts the node with the fake segmenter."""
    return lambda kind: start_node(start_process, client, kind, tmp_path / 'log')


def _bad_images(kind, rng):
    """Yield hostile messages; every fourth as bytes that are no right message for DDS."""
    generate = compressed_image if kind is CompressedImage else raw_image
    while True:
        message = generate(rng).content
        yield cdr(message, rng) if rng.integers(4) == 0 else message


@pytest.mark.parametrize('kind', [Image, CompressedImage], ids=['raw', 'compressed'])
def test_the_node_lives_through_hostile_images(start, kind, tmp_path):
    node = start(kind)
    rng = np.random.default_rng([SEED, 1])
    before_mib = sample(node.process.pid)[0]
    for number, message in zip(range(count(50)), _bad_images(kind, rng)):
        node.publisher.publish(message)
        node.client.spin_for(0.02)
        if number % 25 == 24:
            node.check()
    node.check()
    node.client.wait_for(lambda: int(node.value('failed_frames')) > 0)
    assert sample(node.process.pid)[0] - before_mib < MEMORY_MIB
    assert max(len(value.value) for message in node.diagnostics for status in message.status
               for value in status.values) < 20_000
    assert (tmp_path / 'log').stat().st_size < LOG_BYTES, 'each kind seldom, and cut'


def _random_value(rng):
    """Return a parameter's value of any type, also of none that there is."""
    text = str(_TEXTS[rng.integers(len(_TEXTS))])
    return ParameterValue(
        type=int(rng.choice([*range(11), 200])), bool_value=bool(rng.integers(2)),
        integer_value=int(rng.choice([0, -1, 2**63 - 1, -2**63])), string_value=text,
        double_value=float(rng.choice([0.0, -1.0, np.nan, np.inf, 1e308])),
        string_array_value=[text] * int(rng.choice([0, 1, 2, 5000])),
        double_array_value=[np.nan], integer_array_value=[1], bool_array_value=[],
        byte_array_value=[b'\0'])


_VALID = {'enabled': True, 'score_threshold': 0.5, 'overlay_alpha': 0.25, 'max_rate_hz': 30.0,
          'vocabulary.things': ['chair', 'cup'], 'vocabulary.stuff': ['floor']}


def _random_parameter(rng):
    """Return a parameter for a request: a valid one every second time."""
    if rng.integers(2):
        name = str(rng.choice(list(_VALID)))
        return rclpy.parameter.Parameter(name, value=_VALID[name]).to_parameter_msg()
    return Parameter(name=str(_NAMES[rng.integers(len(_NAMES))]), value=_random_value(rng))


def test_the_node_lives_through_requests_of_any_name_type_and_value(start):
    node = start(Image)
    rng = np.random.default_rng([SEED, 2])
    outcomes = []
    for number in range(count(40)):
        request = SetParameters.Request(parameters=[_random_parameter(rng)])
        response = node.client.call(SetParameters, 'eov_seg/set_parameters', request)
        assert len(response.results) == 1
        outcomes.append(response.results[0].successful)
        assert outcomes[-1] or 0 < len(response.results[0].reason) < 10_000
        if number % 20 == 19:
            node.client.set(enabled=True, max_rate_hz=0.0)
            node.check()
    assert 0.1 < sum(outcomes) / len(outcomes) < 0.9
