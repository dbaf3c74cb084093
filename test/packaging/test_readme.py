# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the documentation tells a reader to type exists."""

from __future__ import annotations

import ast
from pathlib import Path
import re
import shlex
import subprocess
import sys

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted(str(path.relative_to(CHECKOUT))
               for pattern in ('*.md', 'docs/*.md') for path in CHECKOUT.glob(pattern))
BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\((?!https?:)([^)#]*)(#[^)]+)?\)')


def blocks(checkout: Path, language: str) -> list[str]:
    return [text for page in PAGES
            for found, text in BLOCK.findall((checkout / page).read_text(encoding='utf-8'))
            if found == language]


def commands(checkout: Path) -> list[list[str]]:
    """List the commands of all bash blocks as words, without comments and assignments."""
    lines = [line for text in blocks(checkout, 'bash') for line in text.splitlines()]
    parsed = [shlex.split(part, comments=True) for line in lines for part in line.split(' && ')]
    without_assignments = [[word for index, word in enumerate(words)
                            if index or not re.match(r'[A-Z]+=', word)] for words in parsed]
    return [words for words in without_assignments if words]


def options(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith('--')}


def test_there_is_something_to_check(checkout) -> None:
    programs = {words[0] for words in commands(checkout)}
    assert {'./scripts/test.sh', './scripts/demo.sh', 'eov-seg', 'ros2'} <= programs


def test_bash_blocks_parse(checkout) -> None:
    for text in blocks(checkout, 'bash'):
        subprocess.run(['bash', '-n'], input=text, text=True, check=True)


def test_scripts_exist(checkout) -> None:
    for words in commands(checkout):
        if words[0].startswith('./'):
            assert (checkout / words[0]).is_file(), words


def test_the_command_has_what_the_page_uses(checkout) -> None:
    for program, subcommand, *arguments in (
            words for words in commands(checkout) if words[0] == 'eov-seg'):
        usage = subprocess.run(
            [sys.executable, '-c', 'from eov_seg_core.app.cli import main; main()', subcommand,
             '-h'],
            cwd=checkout, capture_output=True, text=True, check=True).stdout
        missing = {option for option in options(arguments) if option not in usage}
        assert missing == set(), f'{program} {subcommand}'


def test_the_demo_has_what_the_page_uses(checkout) -> None:
    pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')
    usage = subprocess.run(
        [sys.executable, '-c', 'from eov_seg_ros.demo.__main__ import main; main()', '-h'],
        cwd=checkout, capture_output=True, text=True, check=True).stdout
    for words in commands(checkout):
        if words[0] == './scripts/demo.sh':
            assert {option for option in options(words) if option not in usage} == set()


def test_launch_files_and_their_arguments_exist(checkout) -> None:
    launches = [words for words in commands(checkout) if words[:2] == ['ros2', 'launch']]
    assert launches
    for _, _, package, launch_file, *arguments in launches:
        assert package == 'eov_seg_ros'
        text = (checkout / 'launch' / launch_file).read_text(encoding='utf-8')
        for argument in arguments:
            assert f"'{argument.partition(':=')[0]}'" in text


def test_parameters_exist_and_have_the_type_that_is_set(checkout) -> None:
    from eov_seg_ros.parameters import specs

    type_of = {spec.name: type(spec.default) for spec in specs()}
    changes = [words for words in commands(checkout) if words[:3] == ['ros2', 'param', 'set']]
    assert changes
    for *_, name, text in changes:
        value = yaml.safe_load(text)    # as ros2 param set reads it
        assert type_of[name] is (tuple if isinstance(value, list) else type(value)), name


def test_python_blocks_compile_and_import_what_exists(checkout) -> None:
    import eov_seg_core

    snippets = blocks(checkout, 'python')
    assert snippets
    for text in snippets:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module == 'eov_seg_core':
                assert {alias.name for alias in node.names} <= set(eov_seg_core.__all__)


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_somewhere(checkout, page: str) -> None:
    path = checkout / page
    for target, anchor in LINK.findall(path.read_text(encoding='utf-8')):
        other = (path.parent / target) if target else path
        assert other.is_file(), f'{page} links to {target}'
        if anchor:
            headings = re.findall(r'^#+ (.+)$', other.read_text(encoding='utf-8'), re.MULTILINE)
            slugs = {'#' + re.sub(r'[^\w -]', '', title).lower().replace(' ', '-')
                     for title in headings}
            assert anchor in slugs, f'{page} links to {target}{anchor}'


def test_the_architecture_names_every_room(checkout) -> None:
    text = (checkout / 'docs' / 'architecture.md').read_text(encoding='utf-8')
    rooms = {f'{path.parent.name}/' if path.name == '__init__.py' else path.stem
             for package in ('eov_seg_core', 'eov_seg_ros', 'training')
             for path in (*(checkout / package).glob('*.py'),
                          *(checkout / package).glob('*/__init__.py'))
             if path.parent.name != package or path.name != '__init__.py'}
    assert {name for name in rooms if f'`{name}`' not in text} == set()
