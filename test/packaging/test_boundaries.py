# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The core knows nothing of ROS, imports cost little, and what is imported is declared."""

from __future__ import annotations

import ast
from pathlib import Path
import re
import subprocess
import sys

from catkin_pkg.package import Package, parse_package
import pytest

OWN = {'eov_seg_core', 'eov_seg_ros'}
# The module that each required distribution, or rosdep key, is for.
MODULE_OF = {
    'open_clip_torch': 'open_clip', 'opencv-python-headless': 'cv2', 'pillow': 'PIL',
    'pyyaml': 'yaml',
    'python3-numpy': 'numpy', 'python3-opencv': 'cv2', 'python3-pil': 'PIL',
    'python3-platformdirs': 'platformdirs', 'python3-scipy': 'scipy', 'python3-tqdm': 'tqdm',
    'python3-yaml': 'yaml', 'tf2_ros_py': 'tf2_ros',
}
# Declared though no module of ours imports it.
USED_WITHOUT_IMPORT = {
    'timm',  # open_clip builds the ConvNeXt with it, and checkpoints carry its parameter names
    'rviz2',  # the launch file starts it
}
# Of an extra: the command that needs it says what to install where it is missing.
EXTRAS = {'rosbags', 'mcap', 'ray', 'nicegui', 'fastapi'}    # nicegui requires fastapi
# pip only: package.xml cannot name them, because Ubuntu's are too old or there are none.
PIP_ONLY = {'torch', 'torchvision', 'open_clip', 'timm', 'safetensors', 'ftfy', 'regex'}


def imported_packages(folder: Path) -> set[str]:
    """Name the top-level packages that a folder's modules import, anywhere in them."""
    names: set[str] = set()
    for path in folder.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module or '')
    return {name.partition('.')[0] for name in names}


def foreign_packages(*folders: Path) -> set[str]:
    """Name what folders import beside the standard library and the project itself."""
    imported = set().union(*map(imported_packages, folders))
    return imported - set(sys.stdlib_module_names) - OWN


def requirements(checkout: Path) -> set[str]:
    """Name the modules of the distributions that setup.py requires."""
    for node in ast.parse((checkout / 'setup.py').read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == 'INSTALL_REQUIRES':
            names = (re.match(r'[\w.-]+', item)[0] for item in ast.literal_eval(node.value))
            return {MODULE_OF.get(name, name) for name in names}
    raise LookupError('setup.py has no INSTALL_REQUIRES')


def run_python(code: str, checkout: Path) -> None:
    result = subprocess.run([sys.executable, '-c', code], cwd=checkout, capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope='module')
def package(checkout: Path) -> Package:
    warnings: list[str] = []
    parsed = parse_package(str(checkout / 'package.xml'), warnings=warnings)
    assert warnings == []
    return parsed


@pytest.fixture(scope='module')
def run_dependencies(package: Package) -> set[str]:
    return {MODULE_OF.get(dependency.name, dependency.name)
            for dependency in package.exec_depends}


def test_the_core_imports_neither_ros_nor_training(checkout) -> None:
    core = imported_packages(checkout / 'eov_seg_core')
    assert core & {'rclpy', 'eov_seg_ros', 'training', 'ament_index_python'} == set()
    assert [name for name in core if name.endswith(('_msgs', '_interfaces', '_srvs'))] == []


def test_the_node_does_not_import_training(checkout) -> None:
    assert 'training' not in imported_packages(checkout / 'eov_seg_ros')


def test_every_core_module_imports_without_ros(checkout) -> None:
    run_python("""
import importlib, pkgutil, sys
for name in ('rclpy', 'eov_seg_ros', 'sensor_msgs', 'vision_msgs', 'training'):
    sys.modules[name] = None  # importing it now raises
import eov_seg_core
for module in pkgutil.walk_packages(eov_seg_core.__path__, 'eov_seg_core.'):
    importlib.import_module(module.name)
""", checkout)


def test_importing_the_core_does_not_import_torch(checkout) -> None:
    run_python("""
import sys
import eov_seg_core
import eov_seg_core.app.cli
import eov_seg_core.app.console.session
import eov_seg_core.tracking
import eov_seg_core.vocabulary
assert 'torch' not in sys.modules, 'importing eov_seg_core loads torch'
""", checkout)


def test_every_public_name_resolves(checkout) -> None:
    run_python("""
import eov_seg_core
for name in eov_seg_core.__all__:
    assert getattr(eov_seg_core, name).__name__ == name
""", checkout)


def test_setup_py_requires_what_the_core_imports_and_no_more(checkout) -> None:
    declared = requirements(checkout)
    imported = foreign_packages(checkout / 'eov_seg_core')
    assert imported - declared == EXTRAS
    assert declared - imported - USED_WITHOUT_IMPORT == set()


def test_package_xml_names_what_is_imported_and_no_more(checkout, run_dependencies) -> None:
    imported = foreign_packages(*(checkout / name for name in (*OWN, 'launch')))
    assert imported - run_dependencies - PIP_ONLY == EXTRAS
    assert run_dependencies - imported - USED_WITHOUT_IMPORT == set()


def test_package_xml_is_an_ament_python_package(package) -> None:
    assert package.name == 'eov_seg_ros'
    assert package.licenses == ['Apache-2.0']
    assert package.get_build_type() == 'ament_python'
    assert re.fullmatch(r'\d+\.\d+\.\d+', package.version)
