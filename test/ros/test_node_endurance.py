# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No callback ends the node: requests are answered, errors are logged and counted."""

from __future__ import annotations

from fake_segmenter import FakeSegmenter
import pytest

pytestmark = pytest.mark.ros

WORDS = {'vocabulary__things': ['person', 'chair']}


@pytest.mark.parametrize('atomically', [False, True])
def test_a_value_of_an_unknown_type_is_refused(client, start_node, atomically):
    from rcl_interfaces.msg import Parameter, ParameterValue
    from rcl_interfaces.srv import SetParameters, SetParametersAtomically

    start_node(FakeSegmenter(), **WORDS)
    client.wait_for(lambda: client.state() == 'active')
    parameters = [*client.parameter_messages(score_threshold=0.5),
                  Parameter(name='enabled', value=ParameterValue(type=10)),
                  *client.parameter_messages(overlap_threshold=0.5)]
    if atomically:
        results = [client.call(SetParametersAtomically, 'eov_seg/set_parameters_atomically',
                               SetParametersAtomically.Request(parameters=parameters)).result]
    else:
        results = client.call(SetParameters, 'eov_seg/set_parameters',
                              SetParameters.Request(parameters=parameters)).results
    assert [result.successful for result in results] == (
        [False] if atomically else [True, False, False])
    assert 'ValueError' in results[-1].reason
    client.wait_for(lambda: 'refused, and the node goes on' in client.log)
    assert client.state() == 'active'


def test_errors_of_callbacks_are_counted_and_logged_seldom(client, spin_node):
    from rclpy.node import Node
    from std_msgs.msg import String
    from std_srvs.srv import SetBool

    calls = {'timer': 0, 'subscription': 0}

    def fail(name):
        calls[name] += 1
        raise KeyError(f'{name} {calls[name]}')

    def make():
        node = Node('failing')
        node.create_timer(0.02, lambda: fail('timer'))
        node.create_subscription(String, 'text', lambda message: fail('subscription'), 1)
        node.create_service(SetBool, 'refuse', lambda request, response: {}['service'])
        return node

    node = spin_node(make)
    publisher = client.node.create_publisher(String, 'text', 1)
    client.wait_for(lambda: publisher.publish(String()) or (
        calls['timer'] > 20 and calls['subscription'] > 2))
    answer = client.call(SetBool, 'refuse', SetBool.Request())
    assert (answer.success, answer.message) == (False, "'service' [KeyError]")
    assert node.executor.failures >= 24
    client.wait_for(lambda: 'service' in client.log)
    lines = [line for line in client.log.splitlines() if 'the node goes on' in line]
    assert len(lines) == 2, lines


def test_a_fatal_error_ends_the_process_with_a_message_and_code_1(start_process):
    process = start_process('-c', """
import sys
from rclpy.node import Node
from eov_seg_ros.executor import FatalError
from eov_seg_ros.run import run_node
def fail():
    raise FatalError('nothing to be done')
def make():
    node = Node('doomed')
    node.create_timer(0.01, fail)
    return node
sys.exit(run_node(make, []))
""")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert 'nothing to be done' in output
    assert 'Traceback' not in output, output
