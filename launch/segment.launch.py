# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the segmentation node; `ros2 launch eov_seg_ros segment.launch.py --show-args`.

Arguments that are left empty do not override the parameter file.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
import yaml

from eov_seg_core.vocabulary import Vocabulary

CONFIG = Path(get_package_share_directory('eov_seg_ros'), 'config')

ARGUMENTS = {
    'image': ('image_raw', 'Topic of the camera images'),
    'variant': ('', 'Size of the model: t, s, m or l'),
    'checkpoint': ('', 'Weights: a published .pth or our .safetensors'),
    'device': ('', 'auto, cpu, cuda or cuda:N'),
    'vocabulary_file': ('', "What to look for: YAML with lists 'things' and 'stuff', for example "
                        f'{CONFIG}/vocabularies/indoor.yaml'),
    'params_file': (str(CONFIG / 'segment.yaml'), 'Parameters of the node'),
    'namespace': ('', 'Namespace of the node and of its topics'),
    'rviz': ('false', 'Show the overlay in RViz'),
    'use_sim_time': ('false', 'Take the time from /clock'),
    'log_level': ('info', 'debug, info, warn, error or fatal'),
    'dds_profile': ('', 'Room for images in DDS: loopback or network (Fast DDS on this machine '
                    'only, or on several), cyclonedds; empty: as the environment says'),
}


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in ARGUMENTS.items()),
        OpaqueFunction(function=_actions),
    ])


def _actions(context: LaunchContext) -> list[Any]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    actions = [*_dds_profile(values['dds_profile']), _segment_node(values)]
    if _is_true('rviz', values):
        actions.append(_rviz(values))
    return actions


def _segment_node(values: dict[str, str]) -> Node:
    overrides: dict[str, Any] = {name: values[name] for name in ('variant', 'checkpoint', 'device')
                                 if values[name]}
    overrides['use_sim_time'] = _is_true('use_sim_time', values)
    files = [values['params_file']]
    if values['vocabulary_file']:
        files.append(_vocabulary_parameters(values['vocabulary_file']))
    return Node(
        package='eov_seg_ros', executable='segment_node', name='eov_seg',
        namespace=values['namespace'], output='screen',
        remappings=[('image_raw', values['image'])],
        parameters=[*files, overrides],
        ros_arguments=['--log-level', values['log_level']])


def _rviz(values: dict[str, str]) -> Node:
    return Node(
        package='rviz2', executable='rviz2', namespace=values['namespace'], output='screen',
        arguments=['-d', str(CONFIG / 'segment.rviz')],
        remappings=[('/eov_seg/overlay', 'eov_seg/overlay')],
        parameters=[{'use_sim_time': _is_true('use_sim_time', values)}])


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
    if name in ('loopback', 'network'):
        path = str(CONFIG / f'fastdds_{name}.xml')
        variables = {'FASTRTPS_DEFAULT_PROFILES_FILE': path, 'FASTDDS_DEFAULT_PROFILES_FILE': path}
        if name == 'loopback':
            variables['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    elif name == 'cyclonedds':
        variables = {'CYCLONEDDS_URI': f'file://{CONFIG}/cyclonedds.xml'}
    elif not name:
        variables = {}
    else:
        raise ValueError(
            f"dds_profile must be 'loopback', 'network' or 'cyclonedds', got {name!r}")
    return [SetEnvironmentVariable(*item) for item in variables.items()]


def _is_true(name: str, values: dict[str, str]) -> bool:
    text = values[name].lower()
    if text not in ('true', 'false'):
        raise ValueError(f"{name} must be 'true' or 'false', got {values[name]!r}")
    return text == 'true'
