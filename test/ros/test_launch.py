# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file with the real launch_ros, which the ROS wheels do not bring."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
import re
import shutil
import signal
import sys

import pytest

pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with a ROS '
                    'installation')

CHECKOUT = Path(__file__).parents[2]
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
arguments = [argument.split(':=', 1) for argument in sys.argv[2:]]
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    AnyLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)]))
sys.exit(service.run())
"""


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """Install the package's ROS side, with a fake model in the node, and return the prefix."""
    share, lib = tmp_path / 'share/eov_seg_ros', tmp_path / 'lib/eov_seg_ros'
    index = tmp_path / 'share/ament_index/resource_index/packages'
    for folder in (share, lib, index):
        folder.mkdir(parents=True)
    shutil.copy(CHECKOUT / 'resource/eov_seg_ros', index)
    for folder in ('launch', 'config'):
        shutil.copytree(CHECKOUT / folder, share / folder)
    for name, module in (('segment_node', 'test/ros/fake_segmenter.py'),
                         ('world_camera_node', '-m eov_seg_ros.world_camera_node')):
        node = lib / name
        node.write_text(f'#!/bin/sh\ncd "{CHECKOUT}" && exec "{sys.executable}" {module} "$@"\n')
        node.chmod(0o755)
    prefixes = [str(tmp_path), *os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)]
    monkeypatch.setenv('AMENT_PREFIX_PATH', os.pathsep.join(filter(None, prefixes)))
    return tmp_path


@pytest.fixture
def launch_file(prefix):
    return prefix / 'share/eov_seg_ros/launch/segment.launch.py'


@pytest.fixture
def launch_module(launch_file):
    spec = importlib.util.spec_from_file_location('segment_launch', launch_file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.ros
@pytest.mark.slow
def test_arguments_reach_the_node(launch_file, start_process, make_client, tmp_path):
    words = tmp_path / 'words.yaml'
    words.write_text('things: ["cat,kitty", dog]\n')
    parameters = tmp_path / 'parameters.yaml'
    parameters.write_text('/**/eov_seg:\n  ros__parameters:\n    score_threshold: 0.25\n'
                          '    vocabulary:\n      stuff: [floor]\n')
    launch = start_process(
        '-c', LAUNCH, str(launch_file), 'namespace:=robot', 'image:=/camera/image',
        'variant:=m', f'vocabulary_file:={words}', f'params_file:={parameters}',
        AMENT_PREFIX_PATH=os.environ['AMENT_PREFIX_PATH'])
    client = make_client('/robot', '/camera/image')
    client.listen('label_info', 'detections', timeout_s=120)
    label_info = client.wait_for(lambda: client.received['label_info'], timeout_s=60)[0]
    assert [entry.class_name for entry in label_info.class_map] == ['unlabeled', 'cat', 'dog']
    assert label_info.threshold == pytest.approx(0.25)
    client.send_until(lambda: client.received['detections'])
    assert values_of(client, 'variant', 'vocabulary.things', 'vocabulary.stuff') == [
        'm', ['cat,kitty', 'dog'], []]
    launch.send_signal(signal.SIGINT)
    output, _ = launch.communicate(timeout=60)
    assert launch.returncode == 0, output
    assert 'Traceback' not in output, output


@pytest.mark.ros
@pytest.mark.slow
def test_the_demo_starts_camera_and_node(prefix, start_process, make_client):
    launch = start_process(
        '-c', LAUNCH, str(prefix / 'share/eov_seg_ros/launch/demo.launch.py'), 'namespace:=show',
        'width:=64', 'height:=48', 'seed:=3', 'depth:=true',
        AMENT_PREFIX_PATH=os.environ['AMENT_PREFIX_PATH'])
    client = make_client('/show')
    client.listen('overlay', 'label_info', timeout_s=120)
    client.wait_for(lambda: all(client.received.values()), timeout_s=60)
    overlay = client.received['overlay'][0]
    assert (overlay.width, overlay.height) == (64, 48)
    assert overlay.header.frame_id == 'camera_color_optical_frame'
    names = {entry.class_name for entry in client.received['label_info'][0].class_map}
    assert {'sofa', 'rug'} <= names
    assert values_of(client, 'variant', 'depth') == ['t', True]
    launch.send_signal(signal.SIGINT)
    output, _ = launch.communicate(timeout=60)
    assert launch.returncode == 0, output
    assert 'Traceback' not in output, output


def values_of(client, *names):
    from rcl_interfaces.srv import GetParameters
    from rclpy.parameter import Parameter

    response = client.call(GetParameters, 'eov_seg/get_parameters',
                           GetParameters.Request(names=names))
    return [Parameter.from_parameter_msg(_named(value)).value for value in response.values]


def _named(value):
    from rcl_interfaces.msg import Parameter

    return Parameter(name='any', value=value)


def test_documentation_lists_every_argument(launch_module):
    text = (CHECKOUT / 'docs/ros_api.md').read_text(encoding='utf-8')
    table = text[text.index('| argument |'):].partition('\n\n')[0]
    cells = re.findall(r'^\| ([^|]*) \|', table, flags=re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r'`(\w+)`', cell)}
    assert documented == set(launch_module.ARGUMENTS)


@pytest.mark.parametrize(('argument', 'value', 'reason'), [
    ('params_file', 'no_such.yaml', 'params_file names a file that is not there'),
    ('vocabulary_file', 'no_such.yaml', 'no_such.yaml')])
def test_wrong_arguments_are_refused(launch_module, argument, value, reason):
    from launch import LaunchContext

    context = LaunchContext()
    for name, declared in launch_module.ARGUMENTS.items():
        context.launch_configurations[name] = value if name == argument else declared.default
    with pytest.raises((ValueError, OSError), match=reason):
        launch_module._actions(context)


@pytest.mark.parametrize(('argument', 'value'), [
    ('dds_profile', 'fast'), ('rviz', 'maybe'), ('variant', 'x'), ('image_transport', 'jpeg'),
    ('autostart', '1'), ('log_level', 'loud')])
def test_what_is_none_of_the_choices_is_refused(launch_module, argument, value):
    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations[argument] = value
    with pytest.raises(RuntimeError, match=argument):
        launch_module.ARGUMENTS[argument].declare(argument).execute(context)


def test_without_rviz_the_node_starts_alone_and_says_so(launch_module):
    from launch.actions import LogInfo

    values = {name: declared.default for name, declared in launch_module.ARGUMENTS.items()}
    assert isinstance(launch_module._rviz(values), LogInfo)


def test_arguments_that_are_not_declared_are_named(launch_module):
    def warned(*words):
        return launch_module._undeclared(['ros2', 'launch', *words])

    assert warned('eov_seg_ros', 'segment.launch.py', 'image:=a', 'rviz:=true') == []
    assert 'did you mean image_transport?' in warned('robot.launch.py', 'image_transprt:=raw')[0]
    assert 'params_file:=FILE' in warned('robot.launch.py', 'score_threshold:=0.5')[0]
    assert '--show-args' in warned('segment.launch.py', 'unheard_of:=1')[0]
    assert warned('demo.launch.py', 'seed:=3', 'rate_hz:=5.0', 'width:=64', 'height:=48') == []


def test_rviz_and_profile_add_their_actions(launch_module, monkeypatch):
    from launch import LaunchContext

    monkeypatch.setattr(launch_module, 'get_package_prefix', lambda name: name)
    context = LaunchContext()
    for name, declared in launch_module.ARGUMENTS.items():
        context.launch_configurations[name] = declared.default
    assert len(launch_module._actions(context)) == 1
    context.launch_configurations.update(rviz='true', dds_profile='loopback')
    assert len(launch_module._actions(context)) == 5
    context.launch_configurations.update(console='true')
    assert len(launch_module._actions(context)) == 6
    context.launch_configurations.update(rviz='false', console='false', dds_profile='cyclonedds')
    assert len(launch_module._actions(context)) == 2
