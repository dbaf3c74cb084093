# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `pip install .` and colcon install: all that a user needs, where it is looked for."""

from __future__ import annotations

from pathlib import Path
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile

import pytest

NOT_INSTALLED = ('test/', 'docs/', 'scripts/', 'benchmarks/', '.')


@pytest.fixture(scope='module')
def source(checkout, project_files, tmp_path_factory) -> Path:
    """Copy the project, because a build leaves its traces where the sources are."""
    copy = tmp_path_factory.mktemp('source')
    for path in project_files:
        if not str(path).startswith(NOT_INSTALLED):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / path, copy / path)
    return copy


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('wheel')
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps',
                    '--no-build-isolation', '--no-index', '--wheel-dir', str(folder), str(source)],
                   check=True, capture_output=True)
    return next(folder.glob('*.whl'))


@pytest.fixture(scope='module')
def wheel_names(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_is_pure_and_has_the_version_of_package_xml(wheel, checkout) -> None:
    version = ElementTree.parse(checkout / 'package.xml').getroot().findtext('version')
    assert wheel.name == f'eov_seg_ros-{version}-py3-none-any.whl'


def test_the_wheel_holds_every_file_of_the_packages(wheel_names, project_files) -> None:
    wanted = {path.as_posix() for path in project_files
              if path.parts[0] in ('eov_seg_core', 'eov_seg_ros')}
    assert wanted
    assert wanted - wheel_names == set()


def test_the_wheel_holds_what_ros_looks_up(wheel_names, project_files) -> None:
    shared = {path.as_posix() for path in project_files if path.parts[0] in ('config', 'launch')}
    installed = {name.partition('.data/data/share/')[2] for name in wheel_names}
    assert {f'eov_seg_ros/{name}' for name in {*shared, 'package.xml'}} - installed == set()
    assert 'ament_index/resource_index/packages/eov_seg_ros' in installed


def test_the_wheel_holds_nothing_else(wheel_names) -> None:
    tops = {name.partition('/')[0].partition('-')[0] for name in wheel_names}
    assert tops == {'eov_seg_core', 'eov_seg_ros'}


def test_the_wheel_declares_the_commands(wheel) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entry = next(name for name in archive.namelist() if name.endswith('entry_points.txt'))
        text = archive.read(entry).decode()
    assert 'eov-seg = eov_seg_core.app.cli:main' in text
    assert 'segment_node = eov_seg_ros.entry:segment_node' in text
    assert '\nfind =' not in text     # it would hide /usr/bin/find


def test_ros_finds_the_executables_in_lib(source, tmp_path) -> None:
    """Install as colcon does, with setup.py; `ros2 run` looks into lib/<package>."""
    subprocess.run(
        [sys.executable, 'setup.py', 'build', '--build-base', str(tmp_path / 'build'), 'install',
         '--prefix', str(tmp_path / 'prefix'), '--single-version-externally-managed',
         '--record', str(tmp_path / 'record')],
        cwd=source, check=True, capture_output=True)
    executables = tmp_path / 'prefix' / 'lib' / 'eov_seg_ros'
    for name in ('segment_node', 'find'):
        assert (executables / name).stat().st_mode & 0o111
    assert (tmp_path / 'prefix/share/eov_seg_ros/package.xml').is_file()
    # as the entry points, find runs with the Python of the installation, whatever `python3` is
    for place in (executables, tmp_path / 'prefix' / 'bin'):
        program = place / 'eov_seg_find'
        place.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {place.name} "$@"\n')
        program.chmod(0o755)
        found = subprocess.run([executables / 'find', 'fire extinguisher'], check=True,
                               capture_output=True, text=True, env={'PATH': '/usr/bin:/bin'})
        assert found.stdout == f'{place.name} fire extinguisher\n'
        program.unlink()
