# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`find` as a process against the node: memory, search, goals, and words that are given back."""

from __future__ import annotations

import json
import signal

from fake_segmenter import FakeSegmenter
from geometry_msgs.msg import PoseStamped
import pytest
from rcl_interfaces.srv import GetParameters
from test_node_world import Robot
from vision_msgs.msg import Detection3DArray

pytestmark = pytest.mark.ros

WORDS = {'vocabulary__things': ['chair,seat'], 'vocabulary__stuff': ['wall']}


@pytest.fixture
def robot(client) -> Robot:
    return Robot(client)


@pytest.fixture
def find(client, robot, start_process):
    """Return a function that runs `find` while the robot looks, and returns code and output."""
    def run(*arguments: str, until=None, timeout_s: float = 60.0):
        process = start_process('-m', 'eov_seg_ros.find', *arguments)

        def is_done():
            if until is not None and until():
                process.send_signal(signal.SIGINT)
            return process.poll() is not None

        robot.send_until(is_done, timeout_s)
        return process.returncode, process.communicate()[0]

    return run


def words(client) -> list[list[str]]:
    names = ['vocabulary.things', 'vocabulary.stuff']
    answer = client.call(GetParameters, 'eov_seg/get_parameters', GetParameters.Request(
        names=names))
    return [list(value.string_array_value) for value in answer.values]


def test_the_memory_answers_and_a_goal_is_sent(client, start_node, robot, find):
    start_node(FakeSegmenter(), depth=True, **WORDS)
    objects = client.listen_to('eov_seg/objects', Detection3DArray, latched=True)
    goals = client.listen_to('/goal_pose', PoseStamped)
    robot.send_until(lambda: objects and objects[-1].detections)
    code, output = find('seats', '--json', '--goal', '/goal_pose')
    answer = json.loads(output)
    found, = answer['objects']
    assert (code, answer['source'], found['name']) == (0, 'memory', 'chair')
    assert found['id'] == objects[-1].detections[0].id
    assert found['center']['x'] == pytest.approx(5.0, abs=0.1)
    assert found['viewpoint']['x'] == pytest.approx(3.0)
    client.wait_for(lambda: goals)
    assert goals[0].header.frame_id == 'odom'
    assert goals[0].pose.position.x == pytest.approx(3.0)


def test_an_unknown_word_is_looked_for_and_the_words_are_given_back(client, start_node, find):
    start_node(FakeSegmenter(), depth=True, **WORDS)
    code, output = find('stapler', '--timeout', '30')
    assert code == 0, output
    assert output.startswith('find: the memory has no stapler; looking for 30 s\nstapler ')
    assert words(client) == [['chair,seat'], ['wall']]


def test_what_is_not_seen_is_said_with_near_words_and_the_words_are_given_back(
        client, start_node, find):
    start_node(FakeSegmenter(), depth=True, vocabulary__things=['chair', 'table'])
    code, output = find('chairr', '--timeout', '0')
    assert code == 1
    assert 'the memory has no chairr; it knows' in output
    assert 'Did you mean chair?' in output
    assert words(client) == [['chair', 'table'], []]


def test_synonyms_are_near_words_too(client, start_node, find):
    start_node(FakeSegmenter(), depth=True, **WORDS)
    code, output = find('saet', '--timeout', '0')
    assert (code, 'Did you mean seat?' in output) == (1, True), output


def until(client, condition) -> None:
    """Ask now and then: asked without a pause, the node has no time to answer others."""
    for _ in range(60):
        client.spin_for(0.5)
        if condition():
            return
    pytest.fail('it did not come in 30 s')


@pytest.mark.parametrize('first', [0, 1])
def test_two_at_once_give_the_words_back(client, start_node, start_process, first):
    start_node(FakeSegmenter(), depth=True, vocabulary__preset='world')
    client.set(enabled=False)
    both = []
    for word in ('stapler', 'zebra'):
        both.append(start_process('-m', 'eov_seg_ros.find', word))
        until(client, lambda word=word: word in words(client)[0])
    for process in (both[first], both[1 - first]):
        process.send_signal(signal.SIGINT)
        until(client, lambda process=process: process.poll() is not None)
    assert words(client) == [[], []]


def test_an_interrupt_gives_the_words_back(client, start_node, find):
    start_node(FakeSegmenter(), depth=True, **WORDS)
    client.set(enabled=False)
    interrupts = []

    def again_and_again():
        if interrupts or words(client)[0][-1] == 'stapler':
            interrupts.append('one')
        return bool(interrupts)

    code, output = find('stapler', until=again_and_again)
    assert len(interrupts) > 1
    assert code == 130, output
    assert words(client) == [['chair,seat'], ['wall']]


def test_why_a_question_cannot_be_asked(client, start_node, find):
    code, output = find('stapler', '--node', '/nobody')
    assert (code, 'there is no node /nobody' in output) == (2, True)
    start_node(FakeSegmenter(), **WORDS)
    code, output = find('stapler')
    assert (code, 'keeps no memory: start it with depth:=true' in output) == (2, True)
    code, output = find('stapler', '--timeout', 'long')
    assert (code, "'long' is no number of seconds" in output) == (2, True)
    code, output = find(' ')
    assert (code, 'no word was given' in output) == (2, True)
    assert 'Traceback' not in output


@pytest.mark.parametrize(('parameters', 'reason'), [
    ({'tracking': '2d'}, 'its tracking is 2d; start it with tracking:=auto'),
    ({'world_frame': ''}, "it has world_frame '' or pose_source none"),
    ({'autostart': False}, 'is not ready: it still loads its model'),
])
def test_a_node_without_a_memory_says_which_setting_it_is(client, start_node, find, parameters,
                                                          reason):
    start_node(FakeSegmenter(), depth=True, **parameters, **WORDS)
    code, output = find('stapler')
    assert (code, reason in output) == (2, True), output


def test_stuff_has_no_place_and_a_refused_word_is_said(client, start_node, find):
    start_node(FakeSegmenter(), depth=True, **WORDS)
    code, output = find('walls')
    assert (code, 'wall is stuff' in output) == (1, True)
    code, output = find('unlabeled')
    assert (code, 'refuses the word: no class may be called' in output) == (2, True)
    assert words(client) == [['chair,seat'], ['wall']]
