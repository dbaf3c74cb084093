# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node with the built-in camera; `ros2 launch eov_seg_ros demo.launch.py --show-args`.

Arguments of segment.launch.py that are not listed here can be given as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = Path(get_package_share_directory('eov_seg_ros'))

ARGUMENTS = {
    'variant': ('t', 'Size of the model; t is the one for the built-in world'),
    'vocabulary_file': (str(SHARE / 'config/vocabularies/world.yaml'),
                        "What to look for: YAML with lists 'things' and 'stuff'"),
    'namespace': ('', 'Namespace of both nodes and of their topics'),
    'rviz': ('false', 'Show the overlay in RViz'),
    'dds_profile': ('loopback', 'As in segment.launch.py, for the camera too'),
    'seed': ('700043', 'Which room'),
    'rate_hz': ('10.0', 'Images per second'),
    'width': ('320', 'Width of the images in pixels'),
    'height': ('240', 'Height of the images in pixels'),
}
_OF_THE_CAMERA = {'seed': int, 'rate_hz': float, 'width': int, 'height': int}


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in ARGUMENTS.items()),
        # First, because its dds_profile sets the environment of all that comes after.
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(SHARE / 'launch/segment.launch.py')),
            launch_arguments=[(name, LaunchConfiguration(name)) for name in ARGUMENTS
                              if name not in _OF_THE_CAMERA]),
        OpaqueFunction(function=_camera),
    ])


def _camera(context: LaunchContext) -> list[Any]:
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    return [Node(
        package='eov_seg_ros', executable='world_camera_node', name='world_camera',
        namespace=value('namespace'), output='screen',
        parameters=[{name: kind(value(name)) for name, kind in _OF_THE_CAMERA.items()}])]
