# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the segmentation node; `ros2 launch eov_seg_ros segment.launch.py --show-args`.

Arguments that are left empty do not override the parameter file.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
import sys
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

from ament_index_python.packages import get_package_prefix, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
import yaml

from eov_seg_core.vocabulary import Vocabulary
from eov_seg_ros.parameters import specs

CONFIG = Path(get_package_share_directory('eov_seg_ros'), 'config')

_BOOL = ('true', 'false', 'True', 'False')


class Argument(NamedTuple):
    """What is declared of an argument; without choices any value is taken."""

    default: str
    description: str
    choices: tuple[str, ...] = ()

    def declare(self, name: str) -> DeclareLaunchArgument:
        """Return the action that declares it; launch refuses what is none of the choices."""
        return DeclareLaunchArgument(name, default_value=self.default,
                                     description=self.description, choices=self.choices or None)


ARGUMENTS = {
    'image': Argument('image_raw', 'Topic of the camera images'),
    'image_transport': Argument('', 'raw or compressed', ('', 'raw', 'compressed')),
    'depth': Argument('', 'true: points and boxes in metres, from depth and camera_info',
                      ('', *_BOOL)),
    'depth_image': Argument('depth/image_raw', 'Topic of the depth images'),
    'camera_info': Argument('camera_info', "Topic of the camera's calibration"),
    'world_frame': Argument('', 'Frame of boxes and memory, with z up; read from /tf'),
    'tracking': Argument('', 'auto, off, 2d or 3d: ids that stay with objects',
                         ('', 'auto', 'off', '2d', '3d')),
    'variant': Argument('', 'Size of the model: t, s, m or l', ('', 't', 's', 'm', 'l')),
    'checkpoint': Argument('', 'Weights: a published .pth or our .safetensors, or published: '
                           'those of the variant, as segment.yaml has it'),
    'download': Argument('', 'Fetch published weights that are not on this machine',
                         ('', *_BOOL)),
    'device': Argument('', 'auto, cpu, cuda or cuda:N'),
    'vocabulary_file': Argument(
        '', "What to look for: YAML with lists 'things' and 'stuff', for example "
        f'{CONFIG}/vocabularies/indoor.yaml'),
    'params_file': Argument(str(CONFIG / 'segment.yaml'), 'Parameters of the node'),
    'namespace': Argument('', 'Namespace of the node and of its topics'),
    'autostart': Argument('', 'false: wait for a lifecycle manager', ('', *_BOOL)),
    'respawn': Argument('false', 'Start the node again, after 5 s, when it ends', _BOOL),
    'rviz': Argument('false', 'Show the overlay in RViz, with depth points and boxes too', _BOOL),
    'console': Argument('false', 'Serve a page in the browser at http://127.0.0.1:8080', _BOOL),
    'use_sim_time': Argument('false', 'Take the time from /clock', _BOOL),
    'log_level': Argument('info', 'debug, info, warn, error or fatal',
                          ('debug', 'info', 'warn', 'error', 'fatal')),
    'dds_profile': Argument(
        '', 'Room for images in DDS: loopback or network (Fast DDS on this machine only, or on '
        'several), cyclonedds; empty: as the environment says',
        ('', 'loopback', 'network', 'cyclonedds')),
}


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *(argument.declare(name) for name, argument in ARGUMENTS.items()),
        OpaqueFunction(function=_actions),
    ])


def _actions(context: LaunchContext) -> list[Any]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    actions = [*(LogInfo(msg=f'WARNING: {text}') for text in _undeclared(sys.argv)),
               *_dds_profile(values['dds_profile']), _segment_node(values)]
    if _is_true(values['rviz']):
        actions.append(_rviz(values))
    if _is_true(values['console']):
        actions.append(_console(values))
    return actions


def _undeclared(command_line: list[str]) -> list[str]:
    """Return a warning for each argument that was typed and is not declared: launch has none."""
    typed = [word.partition(':=')[0] for word in command_line if ':=' in word]
    is_direct = any(Path(word).name == 'segment.launch.py' for word in command_line)
    parameters = {spec.name for spec in specs()}
    warnings = []
    for name in typed:
        nearest = difflib.get_close_matches(name, ARGUMENTS, 1, cutoff=0.75)
        if name in ARGUMENTS:
            continue
        if name in parameters:
            warnings.append(f'{name!r} is a parameter and no argument, and is ignored; write it '
                            'into a file and give that as params_file:=FILE')
        elif nearest or is_direct:
            hint = f'; did you mean {nearest[0]}?' if nearest else '; see --show-args'
            warnings.append(f'there is no argument {name!r}, and it is ignored{hint}')
    return warnings


def _segment_node(values: dict[str, str]) -> Node:
    if not Path(values['params_file']).is_file():
        raise ValueError(f'params_file names a file that is not there: {values["params_file"]!r}')
    overrides: dict[str, Any] = {
        name: values[name] for name in ('variant', 'checkpoint', 'device', 'image_transport',
                                        'world_frame', 'tracking') if values[name]}
    overrides |= {name: _is_true(values[name]) for name in ('autostart', 'depth', 'download')
                  if values[name]}
    overrides['use_sim_time'] = _is_true(values['use_sim_time'])
    files = [values['params_file']]
    if values['vocabulary_file']:
        files.append(_vocabulary_parameters(values['vocabulary_file']))
    return Node(
        package='eov_seg_ros', executable='segment_node', name='eov_seg',
        namespace=values['namespace'], output='screen',
        respawn=_is_true(values['respawn']), respawn_delay=5.0,
        remappings=[('image_raw', values['image']), ('depth/image_raw', values['depth_image']),
                    ('camera_info', values['camera_info'])],
        parameters=[*files, overrides],
        ros_arguments=['--log-level', values['log_level']])


def _console(values: dict[str, str]) -> Node:
    return Node(
        package='eov_seg_ros', executable='console', name='eov_seg_console',
        namespace=values['namespace'], output='screen', arguments=['--no-browser'],
        parameters=[{'use_sim_time': _is_true(values['use_sim_time'])}])


def _rviz(values: dict[str, str]) -> Node | LogInfo:
    try:
        get_package_prefix('rviz2')
    except LookupError:     # the launch would end with it, and leave the node behind
        return LogInfo(msg='WARNING: rviz2 is not installed, so nothing is shown: sudo apt '
                           'install ros-$ROS_DISTRO-rviz2')
    return Node(
        package='rviz2', executable='rviz2', namespace=values['namespace'], output='screen',
        arguments=['-d', str(CONFIG / ('segment_3d.rviz' if _is_true(values['depth'])
                                       else 'segment.rviz'))],
        remappings=[(f'/eov_seg/{name}', f'eov_seg/{name}')
                    for name in ('overlay', 'points', 'markers', 'viewpoints')],
        parameters=[{'use_sim_time': _is_true(values['use_sim_time'])}])


def _vocabulary_parameters(path: str) -> str:
    """Turn a vocabulary file into a parameter file and return its path.

    A file, because launch_ros refuses the empty list of a vocabulary without things or stuff.
    """
    entries: dict[bool, list[str]] = {True: [], False: []}
    for category in Vocabulary.from_file(path).categories:
        entries[category.is_thing].append(','.join(category.names))
    lists = {'things': entries[True], 'stuff': entries[False]}
    with NamedTemporaryFile('w', prefix='eov_seg_vocabulary_', suffix='.yaml', delete=False,
                            encoding='utf-8') as file:
        yaml.safe_dump({'/**': {'ros__parameters': {'vocabulary': lists}}}, file)
    return file.name


def _dds_profile(name: str) -> list[SetEnvironmentVariable]:
    variables = {}
    if name in ('loopback', 'network'):
        path = str(CONFIG / f'fastdds_{name}.xml')
        variables = {'FASTRTPS_DEFAULT_PROFILES_FILE': path, 'FASTDDS_DEFAULT_PROFILES_FILE': path}
    if name == 'loopback':
        variables['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        if os.environ.get('ROS_DISTRO') == 'humble':    # does not know the variable above
            variables['ROS_LOCALHOST_ONLY'] = '1'
    if name == 'cyclonedds':
        variables = {'CYCLONEDDS_URI': f'file://{CONFIG}/cyclonedds.xml'}
    return [SetEnvironmentVariable(*item) for item in variables.items()]


def _is_true(text: str) -> bool:
    return text.lower() == 'true'
