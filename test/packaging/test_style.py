# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What holds for every file of the project and no linter checks."""

from __future__ import annotations

from pathlib import Path
import re
import shutil
import subprocess

import pytest

HEADER = ('# Copyright 2026 The eov_seg_ros authors', '# SPDX-License-Identifier: Apache-2.0')
MOST_LINES = 400
LARGEST_FILE_BYTES = 2 * 1024 * 1024
MACHINE_PATH = re.compile(rb'(?<![\w.])/(?:root|work|Users/\w+|home/\w+)/')


@pytest.fixture(scope='module')
def scripts(project_files: list[Path]) -> list[Path]:
    shells = [path for path in project_files if path.suffix == '.sh'] + [Path('.ci/run')]
    assert len(shells) > 3
    return shells


@pytest.fixture(scope='module')
def modules(project_files: list[Path]) -> list[Path]:
    python = [path for path in project_files if path.suffix == '.py']
    assert python
    return python


def offenders(checkout: Path, paths: list[Path], is_wrong) -> list[str]:
    return [str(path) for path in paths if is_wrong((checkout / path).read_bytes())]


def test_every_source_file_names_the_licence(checkout, modules, scripts) -> None:
    def lacks_header(content: bytes) -> bool:
        lines = content.decode().splitlines()
        return any(line not in lines[:4] for line in HEADER)

    assert offenders(checkout, [*modules, *scripts], lacks_header) == []


def test_no_module_is_longer_than_a_reader_stands(checkout, modules) -> None:
    assert offenders(
        checkout, modules, lambda content: len(content.splitlines()) > MOST_LINES) == []


def test_no_file_names_a_path_of_one_machine(checkout, project_files) -> None:
    assert offenders(checkout, project_files, MACHINE_PATH.search) == []


def test_the_machine_path_pattern_finds_some() -> None:
    assert MACHINE_PATH.search(b'open("/' + b'home/somebody/image.png")')
    assert not MACHINE_PATH.search(b'scripts/test.sh and ../shared/home/x')


def test_no_file_is_large(checkout, project_files) -> None:
    others = [path for path in project_files if path.suffix != '.safetensors']
    assert offenders(checkout, others, lambda content: len(content) > LARGEST_FILE_BYTES) == []


def test_the_weights_of_variant_t_are_small(checkout, project_files) -> None:
    weights, = (path for path in project_files if path.suffix == '.safetensors')
    assert (checkout / weights).stat().st_size <= 16 * 2 ** 20


def test_shell_scripts_parse(checkout, scripts) -> None:
    for script in scripts:
        subprocess.run(['bash', '-n', str(script)], cwd=checkout, check=True)


def test_shell_scripts_pass_shellcheck(checkout, scripts) -> None:
    if shutil.which('shellcheck') is None:
        pytest.skip('shellcheck is not installed')
    result = subprocess.run(['shellcheck', '--external-sources', *map(str, scripts)],
                            cwd=checkout, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_commands_are_executable(checkout) -> None:
    for name in ('.ci/run', 'scripts/test.sh', 'scripts/setup_env.sh', 'scripts/demo.sh'):
        assert (checkout / name).stat().st_mode & 0o111, name
