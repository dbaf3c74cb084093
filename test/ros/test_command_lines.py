# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong in the command lines of `console` and `find` is told in a line."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')
pytestmark = pytest.mark.ros


def _console(*options: str) -> int:
    from eov_seg_ros.console.command import main
    return main(options)


def _find(*options: str) -> int:
    from eov_seg_ros.find.command import main
    return main(['find', 'mug', *options])


@pytest.fixture(params=[_console, _find])
def run(request, capsys):
    """Return a function that runs a command, which ends with status 2, and returns its error."""
    def run(*options: str) -> str:
        with pytest.raises(SystemExit) as ended:
            request.param(*options)
        assert ended.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]
    return run


@pytest.mark.parametrize('name', ['bad//name', '1abc', '/', 'a b', 'eov_seg/', 'é', 'a' * 300, ''])
def test_a_name_that_no_node_has_is_refused(run, name: str) -> None:
    assert 'argument --node: expected the name of a node such as eov_seg' in run('--node', name)


@pytest.mark.parametrize('options', [['--bogus'], ['-p', 'x'], ['-r', 'a']])
def test_what_ros_does_not_understand_is_refused(run, options: list[str]) -> None:
    error = run('--ros-args', *options)
    assert 'what stands after --ros-args is wrong: ' in error
    assert ' '.join(options) in error
    assert 'expected for example -p NAME:=VALUE' in error


@pytest.mark.parametrize('topic', ['bad//topic', '1abc', 'a b', '/', ''])
def test_a_goal_that_is_no_topic_is_refused(capsys, topic: str) -> None:
    with pytest.raises(SystemExit):     # before it looks for half a minute, and then fails
        _find('--goal', topic)
    assert f"--goal: expected a topic such as goal_pose or /robot/goal_pose, got '{topic}'" in (
        capsys.readouterr().err)
