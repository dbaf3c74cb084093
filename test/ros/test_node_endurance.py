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


def test_a_parameter_without_a_name_and_a_label_that_forges_a_line(client, start_node):
    from lifecycle_msgs.srv import ChangeState
    from rcl_interfaces.msg import Parameter, ParameterValue
    from rcl_interfaces.srv import SetParameters

    start_node(FakeSegmenter(), **WORDS)
    client.wait_for(lambda: client.state() == 'active')
    request = SetParameters.Request(
        parameters=[Parameter(name='', value=ParameterValue(type=4, string_value='x'))])
    result, = client.call(SetParameters, 'eov_seg/set_parameters', request).results
    assert (result.successful, result.reason) == (False, 'a parameter has no name')
    request = ChangeState.Request()
    request.transition.label = 'x\n[FATAL] forged'
    assert not client.call(ChangeState, 'eov_seg/change_state', request).success
    client.wait_for(lambda: 'control characters' in client.log)
    assert 'forged' not in client.log


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


def test_a_second_node_of_the_same_name_is_named(client, start_node):
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.context import Context
    from rclpy.node import Node

    diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
    start_node(FakeSegmenter(), **WORDS)
    client.wait_for(lambda: diagnostics)
    assert 'same name' not in diagnostics[-1].status[0].message
    context = Context()
    context.init()
    other = Node('eov_seg', context=context)
    client.wait_for(lambda: 'another node has the same name' in diagnostics[-1].status[0].message)
    client.wait_for(lambda: '/eov_seg: another node has the same name' in client.log)
    other.destroy_node()
    context.shutdown()


def test_parameters_that_nobody_reads_are_named_with_the_nearest(client, start_node):
    start_node(FakeSegmenter(), **WORDS, **{
        'vocabulary.thing': ['mug'], 'score_treshold': 0.5,
        'qos_overrides./eov_seg/overlay.publisher.relibility': 'best_effort',
        'qos_overrides./image_raw.subscription.depth': 2})
    for text in ("'vocabulary.thing' does not exist and is ignored; did you mean "
                 'vocabulary.things?', 'did you mean score_threshold?',
                 'did you mean qos_overrides./eov_seg/overlay.publisher.reliability?'):
        client.wait_for(lambda text=text: text in client.log)
    assert client.log.count('does not exist') == 3


def test_a_parameter_file_for_another_node_is_named(start_process, tmp_path):
    good, bad = tmp_path / 'good.yaml', tmp_path / 'bad.yaml'
    good.write_text('/**:\n  ros__parameters:\n    score_threshold: 0.5\n')
    bad.write_text('eov_segg:\n  ros__parameters:\n    score_threshold: 0.5\n')
    process = start_process(
        '-m', 'eov_seg_ros.segment_node', '--ros-args', '--params-file', str(good),
        '--params-file', str(bad))
    output, _ = process.communicate(timeout=60)
    assert f'{bad} has nothing for this node: its sections are /eov_segg' in output
    assert str(good) not in output


@pytest.mark.parametrize(('section', 'is_used'), [
    ('/**', True), ('/**/eov_seg', True), ('eov_seg', False), ('/robot/eov_seg', True),
    ('/*/eov_seg', True), ('/robot/*', True), ('/*', False), ('/robot/other', False)])
def test_sections_as_ros_reads_them(tmp_path, section, is_used):
    from eov_seg_ros.process.given_parameters import unused_files

    path = tmp_path / 'p.yaml'
    path.write_text(f'{section}:\n  ros__parameters: {{}}\n')
    assert bool(unused_files(['--params-file', str(path)], '/robot/eov_seg')) != is_used
    path.write_text(f'robot:\n  {section}:\n    ros__parameters: {{}}\n')
    assert not unused_files(['--params-file', str(tmp_path / 'none.yaml')], '/robot/eov_seg')


def test_a_fatal_error_ends_the_process_with_a_message_and_code_1(start_process):
    process = start_process('-c', """
import sys
from rclpy.node import Node
from eov_seg_ros.process.executor import FatalError
from eov_seg_ros.process.run import run_node
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


def test_images_that_come_while_the_executor_is_busy_are_all_counted(client, start_node):
    import time

    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import Image

    camera = client.node.create_publisher(Image, 'image_raw', QoSProfile(depth=10))
    node = start_node(FakeSegmenter(), **WORDS, **{
        'qos_overrides./image_raw.subscription.reliability': 'reliable'})
    client.wait_for(camera.get_subscription_count)
    client.wait_for(lambda: client.state() == 'active')
    frames = node._pipeline._frames
    before = frames.counts('').received
    busy = node.create_timer(0.01, lambda: (busy.cancel(), time.sleep(1.0)))
    client.spin_for(0.3)
    for _ in range(8):
        camera.publish(Image(height=2, width=2, step=6, encoding='rgb8', data=bytes(12)))
    client.wait_for(lambda: frames.counts('').received >= before + 8)


@pytest.mark.parametrize('moment', ['log', 'destroy'])
def test_ctrl_c_while_a_failed_start_ends_is_no_traceback(start_process, moment):
    process = start_process('-c', f"""
import os, signal, sys
import rclpy
from rclpy.node import Node
from eov_seg_ros.process.executor import FatalError
from eov_seg_ros.process.run import run_node
interrupt = lambda *_: os.kill(os.getpid(), signal.SIGINT)
class Doomed(Node):
    def destroy_node(self):
        if {moment!r} == 'destroy':
            interrupt()
        super().destroy_node()
def make():
    if {moment!r} == 'log':
        rclpy.logging.get_logger = interrupt
    node = Doomed('doomed')
    def fail():
        raise FatalError('nothing to be done')
    node.create_timer(0.01, fail)
    return node
sys.exit(run_node(make, []))
""")
    output, _ = process.communicate(timeout=30)
    assert process.returncode in (0, 1)
    assert 'Traceback' not in output, output


@pytest.mark.parametrize('node', ['segment_node', 'world_camera_node'])
def test_ctrl_c_while_it_imports_is_no_traceback(start_process, node):
    process = start_process('-c', f"""
import builtins, os, signal
original = builtins.__import__
def interrupted(name, *arguments):
    if name.startswith('rclpy'):
        os.kill(os.getpid(), signal.SIGINT)
    return original(name, *arguments)
builtins.__import__ = interrupted
from eov_seg_ros.entry import {node}
{node}()
""")
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, '')


@pytest.mark.parametrize('node', ['segment_node', 'world_camera_node'])
@pytest.mark.parametrize(('arguments', 'code', 'words'), [
    (['--help'], 0, '--ros-args [-p NAME:=VALUE]'),
    (['-p', 'rate_hz:=5.0'], 2, 'unrecognized arguments: -p rate_hz:=5.0'),
    (['room.yaml', '--ros-args', '-p', 'rate_hz:=5.0'], 2, 'unrecognized arguments: room.yaml'),
    (['--ros-args', '-p', 'variant:='], 1, "'-p variant:='")])
def test_what_is_no_ros_argument_is_not_ignored(start_process, node, arguments, code, words):
    output, _ = (process := start_process('-m', f'eov_seg_ros.{node}', *arguments)).communicate(
        timeout=30)
    assert (process.returncode, words in output, 'Traceback' in output) == (code, True, False)


_KEYS = ('identity_ca.cert.pem', 'cert.pem', 'key.pem', 'permissions_ca.cert.pem',
         'governance.p7s', 'permissions.p7s')


@pytest.mark.parametrize('files', [(), _KEYS], ids=['no keys', 'no true keys'])
def test_security_without_keys_is_a_sentence(start_process, tmp_path, files):
    """The second fails later: where the middleware takes the keys, or has no security at all."""
    for name in files:
        path = tmp_path / 'enclaves' / 'eov_seg' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('no key')
    process = start_process(
        'test/ros/fake_segmenter.py', '--ros-args', '--enclave', '/eov_seg',
        ROS_SECURITY_ENABLE='true', ROS_SECURITY_STRATEGY='Enforce',
        ROS_SECURITY_KEYSTORE=str(tmp_path))
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert 'ros2 security create_enclave' in output, output
    assert 'Traceback' not in output, output
