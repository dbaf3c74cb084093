# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What scripts/setup_env.sh does on machines that lack something, with stubs for the machine."""

from __future__ import annotations

from pathlib import Path
import shutil
import subprocess
import sys

import pytest

REAL_TOOLS = ('bash', 'basename', 'cat', 'cut', 'dirname', 'env', 'grep', 'rm', 'sha256sum')


class Machine:
    """A PATH of our own making and a copy of what the script reads."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self._checkout = folder / 'checkout'
        self._bin = folder / 'bin'
        self._bin.mkdir()
        for name in ('setup.py', 'setup.cfg', 'package.xml', 'pyproject.toml', 'scripts'):
            source, target = checkout / name, self._checkout / name
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        for name in REAL_TOOLS:
            self.link(name, shutil.which(name))

    def link(self, name: str, target: str) -> None:
        (self._bin / name).symlink_to(target)

    def stub(self, name: str, body: str) -> None:
        path = self._bin / name
        path.write_text(f'#!/bin/bash\n{body}\n')
        path.chmod(0o755)

    def set_up(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ['bash', 'scripts/setup_env.sh'], cwd=self._checkout, capture_output=True, text=True,
            env={'PATH': str(self._bin), **variables}, check=False)


@pytest.fixture
def machine(tmp_path, checkout) -> Machine:
    """Return a machine with a Python, but without compilers."""
    machine = Machine(tmp_path, checkout)
    machine.link('python3', str(Path(sys.executable).resolve()))
    return machine


def test_a_user_is_told_the_one_line_to_run(machine) -> None:
    machine.stub('id', 'echo 1000')
    machine.stub('apt-get', 'exit 99')
    machine.stub('sudo', 'exit 1')  # wants a password

    result = machine.set_up()

    assert result.returncode == 3
    assert ('sudo apt-get update && sudo apt-get install -y --no-install-recommends gcc g++'
            in result.stderr)


def test_root_gets_the_packages_installed(machine, tmp_path) -> None:
    machine.stub('id', 'echo 0')
    machine.stub('apt-get', f'echo "$@" >> {tmp_path}/calls; [ "$1" = update ]')

    result = machine.set_up()

    calls = (tmp_path / 'calls').read_text().splitlines()
    assert calls == ['update -qq', 'install -y --no-install-recommends gcc g++']
    assert result.returncode == 3  # this apt-get could not install
    assert 'by hand' in result.stderr


def test_another_system_is_told_what_is_missing(machine) -> None:
    result = machine.set_up()
    assert result.returncode == 3
    assert 'gcc g++' in result.stderr


def test_an_old_python_is_refused_by_name(machine) -> None:
    machine.stub('python3.9', 'exit 1')
    result = machine.set_up(PYTHON='python3.9')
    assert result.returncode == 1
    assert 'PYTHON=python3.9 is not a Python >= 3.10' in result.stderr


def test_without_python_its_packages_are_named(tmp_path, checkout) -> None:
    result = Machine(tmp_path, checkout).set_up()
    assert result.returncode == 3
    assert 'python3 python3-venv python3-dev gcc g++' in result.stderr
