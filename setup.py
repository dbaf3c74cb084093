# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An ament_python package (colcon) that is a plain pip package as well."""

from glob import glob
from pathlib import Path
import xml.etree.ElementTree as ElementTree

from setuptools import find_packages, setup

PACKAGE = 'eov_seg_ros'
HERE = Path(__file__).resolve().parent  # colcon --symlink-install runs a link to this file
ROS_DISTRO = 'jazzy'

# Why each library and each bound: README.md, "Dependencies".
INSTALL_REQUIRES = [
    'torch>=2.6',
    'torchvision>=0.21',
    'open_clip_torch>=2.26,<4',
    'timm>=1.0.24,<2',
    'numpy>=1.26',
    'pillow>=9.0.1',
    'opencv-python-headless>=4.5.4',
    'safetensors>=0.4',
    'pyyaml>=6',
    'ftfy>=6',
    'regex',
    'tqdm>=4.60',
    'platformdirs>=3',
    'scipy>=1.11',
]

# ROS 2 without a ROS installation.  The wheels lack vision_msgs and tf2_msgs: scripts/*_msgs.
ROS_WHEELS = [f'ros-{ROS_DISTRO}-{name}' for name in (
    'rclpy', 'rmw-fastrtps-cpp', 'sensor-msgs', 'std-msgs', 'std-srvs', 'geometry-msgs',
    'diagnostic-msgs', 'lifecycle-msgs', 'nav-msgs', 'visualization-msgs')]

EXTRAS_REQUIRE = {
    'ros': ROS_WHEELS,
    'training': ['lightning>=2.4,<3', 'tensorboard>=2.14', 'torchmetrics>=1.4,<2',
                 'pycocotools>=2.0.8'],
    'bags': ['rosbags>=0.11,<0.12', 'mcap>=1.1,<2'],
    'ray': ['ray>=2.40,<3'],
    'console': ['nicegui>=3.14,<4'],
    'onnx': ['onnx>=1.19', 'onnxscript>=0.5',
             'onnxruntime>=1.25; python_version >= "3.11"'],
    'openvino': ['openvino>=2026.4'],
    'demo': ['scikit-image>=0.22'],  # photographs that a wheel ships
    'test': ['pytest>=7', 'pytest-xdist>=3.5', 'hypothesis>=6', 'catkin_pkg>=1.0',
             'selenium>=4.15'],
    'dev': ['ruff>=0.6', 'mypy>=1.11', 'pre-commit>=3', 'codespell>=2.2'],
}


def version() -> str:
    """Read the version from package.xml, the one place that states it."""
    text = ElementTree.parse(HERE / 'package.xml').getroot().findtext('version')
    if not text:
        raise ValueError('package.xml has no <version>')
    return text


def files(pattern: str) -> list[str]:
    """List the files below this directory that match, relative to it; none is fine."""
    return sorted(path for path in glob(pattern, root_dir=HERE) if (HERE / path).is_file())


def config_files() -> list[tuple[str, list[str]]]:
    """Install config/ folder by folder, as data_files wants it."""
    folders = ['config', *glob('config/**/', root_dir=HERE, recursive=True)]
    return [(f'share/{PACKAGE}/{folder.rstrip("/")}', files(f'{folder.rstrip("/")}/*'))
            for folder in dict.fromkeys(folder.rstrip('/') for folder in folders)]


setup(
    name=PACKAGE,
    version=version(),
    description='Open-vocabulary panoptic segmentation (EOV-Seg) for PyTorch and ROS 2',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    maintainer='The eov_seg_ros authors',
    maintainer_email='maintainers@users.noreply.example',
    python_requires='>=3.10',
    packages=find_packages(include=['eov_seg_core*', 'eov_seg_ros*']),
    package_data={'eov_seg_core': ['presets/*.yaml', 'assets/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', files(f'resource/{PACKAGE}')),
        (f'share/{PACKAGE}', ['package.xml']),
        (f'share/{PACKAGE}/launch', files('launch/*.launch.*')),
        # An entry point would be found before /usr/bin/find where pip installs into a PATH.
        (f'lib/{PACKAGE}', files('resource/executables/*')),
        *config_files(),
    ],
    zip_safe=True,
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    entry_points={'console_scripts': [
        'eov-seg = eov_seg_core.app.cli:main',
        'console = eov_seg_ros.console.command:main',
        'segment_node = eov_seg_ros.entry:segment_node',
        'world_camera_node = eov_seg_ros.entry:world_camera_node',
        'eov_seg_find = eov_seg_ros.entry:find',
        'eov_seg_demo = eov_seg_ros.demo.__main__:main',
    ]},
)
