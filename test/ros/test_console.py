# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a running node: a real node, real DDS, a real browser."""

from __future__ import annotations

from collections.abc import Iterator
import io
import json
from pathlib import Path
import signal
import subprocess
import sys
import time
import weakref
import zipfile

from browser_case import Browser, free_port, served, wait_for
import numpy as np
import pytest

from eov_seg_core.app.console.words import Words
from eov_seg_core.visualization import class_color

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')
pytest.importorskip('nicegui', reason='the extra console is not installed')
pytestmark = pytest.mark.ros
CONSOLE = 'from eov_seg_ros.console.command import main; raise SystemExit(main())'
REASON = '[data-kind=things] .q-field__messages'
FIND = '[aria-label="Find an object"]'
THINGS = '[data-kind=things] input'
NODE = (str(Path(__file__).with_name('fake_segmenter.py')), '--ros-args',
        '-p', 'depth:=true', '-p', 'world_frame:=odom',
        '-p', "vocabulary.things:=['mug,cup', 'chair']", '-p', "vocabulary.stuff:=['wall']")
CAMERA = ('-m', 'eov_seg_ros.world_camera_node', '--ros-args', '-p', 'rate_hz:=10.0',
          '-p', 'width:=160', '-p', 'height:=120')


class Robot:
    """A camera, a node and its page, each a process."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.port = free_port()

    def start(self, name: str, *arguments: str) -> None:
        self._processes[name] = subprocess.Popen(
            [sys.executable, *arguments], env=self._environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def kill(self, name: str, signum: int = signal.SIGKILL) -> None:
        process = self._processes.pop(name)
        process.send_signal(signum)
        process.wait(20)

    def end(self) -> None:
        for name in list(self._processes):
            self.kill(name, signal.SIGTERM)


@pytest.fixture(scope='module')
def robot(isolated, tmp_path_factory) -> Iterator[Robot]:
    environment = {name: value for name, value in isolated.items()
                   if name != '_ROS_WHEELS_BOOTSTRAP_COMPLETE'}
    robot = Robot(environment)
    robot.start('camera', *CAMERA)
    robot.start('node', *NODE)
    command = [sys.executable, '-c', CONSOLE, '--no-browser', '--port', str(robot.port)]
    log = tmp_path_factory.mktemp('console') / 'log'
    with served(command, robot.port, log, environment) as process:
        yield robot
        robot.end()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, log.read_text()
    assert 'Traceback' not in log.read_text()


@pytest.fixture(scope='module')
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.driver.quit()


@pytest.fixture
def page(browser: Browser, robot: Robot) -> Iterator[Browser]:
    browser.driver.get(f'http://127.0.0.1:{robot.port}/')
    wait_for(lambda: 'Ready' in browser.text('.status'), 'the page is not ready', 40)
    wait_for(lambda: browser.count_colour(class_color('mug')) > 50, 'no mug is painted')
    yield browser
    assert browser.problems() == []


def chips(page: Browser) -> list[str]:
    return page.script('return [...document.querySelectorAll(".chip")].map('
                       '(chip) => chip.innerText.split("\\n")[0])')


def test_words_go_to_the_node_and_are_seen(page, client) -> None:
    assert chips(page) == ['mug +1', 'chair', 'wall']
    page.type(THINGS, 'lamp, light')
    wait_for(lambda: page.count_colour(class_color('lamp')) > 50, 'no lamp is painted')
    wait_for(lambda: 'words applied in' in page.text('.status'), 'no delay is told')
    assert float(page.text('.status').split('words applied in ')[1].split()[0]) < 5
    # what somebody else sets is seen on the page
    client.set(vocabulary__things=['mug,cup', 'chair'])
    wait_for(lambda: chips(page) == ['mug +1', 'chair', 'wall'], 'the page has other words')
    page.save('ros')


def test_a_second_console_at_its_port_says_what_to_do(robot, isolated) -> None:
    second = subprocess.run([sys.executable, '-c', CONSOLE, '--port', str(robot.port)], timeout=60,
                            env=isolated, capture_output=True, text=True)
    assert (second.returncode, second.stdout) == (1, '')
    assert 'give this one another port with --port' in second.stderr


def test_words_that_the_node_never_learned_are_named_below_the_chips(page, client) -> None:
    client.set(vocabulary__things=['mug,cup', 'chair', 'glorp <b>1</b>'])
    wait_for(lambda: 'not learned glorp <b>1</b>: segments' in page.text('.note'), 'no note')
    client.set(vocabulary__things=['mug,cup', 'chair'])
    wait_for(lambda: not page.text('.note'), 'the note stays')


def test_the_page_of_a_node_needs_no_network(isolated) -> None:
    subprocess.run([sys.executable, '-c', 'import sys, eov_seg_ros.console.node_session, '
                    'eov_seg_core.app.console.server; sys.exit("torch" in sys.modules)'],
                   env=isolated, timeout=60, check=True)


def test_what_the_node_refuses_is_explained_where_it_was_typed(page) -> None:
    page.type(THINGS, 'unlabeled')
    wait_for(lambda: 'no class may be called' in page.text(REASON), 'no reason')
    assert chips(page) == ['mug +1', 'chair', 'wall']


def test_segments_pixel_and_pause(page) -> None:
    rows = wait_for(lambda: page.script(
        'return [...document.querySelectorAll(".segments > *")].filter((row) => row.offsetParent)'
        '.map((row) => row.innerText.split("\\n").join(" "))'), 'no segments')
    assert sorted(' '.join(row.split(' ')[1:4]) for row in rows) == [
        'chair thing 0.51', 'mug thing 0.50', 'wall stuff 0.52']
    facts = page.element('.facts .q-item')
    page.script('arguments[0].focus()', facts)
    facts.send_keys(' ')        # unfolds, and does not pause
    wait_for(lambda: 'on cpu in fp32; looks for 3 words' in page.text('.facts'), 'no facts')
    assert 'Ready' in page.text('.status')
    page.element('.bar button').click()
    wait_for(lambda: 'Paused' in page.text('.status'), 'not paused')
    page.click_at('.stage .live', 0.6, 0.5)
    wait_for(lambda: 'score 0.52' in page.text('.under .hint'), 'the click tells nothing')
    page.element('.bar button').click()
    wait_for(lambda: 'Ready' in page.text('.status'), 'still paused')


def test_a_slider_sets_the_parameter(page, client) -> None:
    from rcl_interfaces.srv import GetParameters
    page.script('document.querySelector(".thresholds .q-item").click()')
    slider = page.element('.q-slider [tabindex]')
    slider.send_keys('\ue014')      # the right arrow
    get = GetParameters.Request(names=['score_threshold'])
    wait_for(lambda: client.call(GetParameters, 'eov_seg/get_parameters', get
                                 ).values[0].double_value == 0.05, 'it was not set')
    client.set(score_threshold=0.0)


def find(page: Browser, word: str) -> None:
    page.script('arguments[0].select()', page.element(FIND))    # what is typed replaces it
    page.type(FIND, word)


def test_objects_are_seen_from_above_and_found(page, client) -> None:
    pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs is not installed: scripts/setup_env.sh')
    wait_for(lambda: page.script('return [...document.querySelectorAll(".objects .segment")]'
                                 '.some((row) => /mug\\n.*\\n.*\\n.* m$/.test(row.innerText))'),
             'no mug with a distance is remembered')
    page.element('.viewer')
    marks = page.script('return [...document.querySelectorAll(".mark .name")].map('
                        '(name) => name.textContent)')
    assert {'mug', 'chair'} <= set(marks)
    find(page, 'cups')
    answer = wait_for(lambda: 'm in odom' in page.text('.answer') and page.text('.answer'),
                      'the memory does not answer')
    assert answer.startswith('mug ')
    assert page.text('.mark.selected .name') == page.text('.objects .selected .name') == 'mug'
    page.save('room')
    # what the node does not know is looked for, until somebody cancels it
    client.set(enabled=False)
    find(page, 'stapler')
    wait_for(lambda: 'Looking for stapler' in page.text('.answer'), 'no progress is told')
    wait_for(lambda: 'stapler' in chips(page), 'it was not added')
    page.script('[...document.querySelectorAll(".room button")].find('
                '(button) => button.innerText === "Cancel").click()')
    wait_for(lambda: 'of looking showed no stapler; it knows' in page.text('.answer'), 'no end')
    wait_for(lambda: chips(page) == ['mug +1', 'chair', 'wall'], 'the words are not restored')
    client.set(enabled=True)


def test_a_killed_node_is_told_and_its_successor_is_followed(page, robot) -> None:
    robot.kill('node')
    wait_for(lambda: 'The node /eov_seg has said nothing' in page.text('.banner'), 'not told')
    wait_for(lambda: 'stale' in page.element('.stage').get_attribute('class'), 'it looks live')
    page.save('no_node')
    page.type(THINGS, 'lamp')       # DDS believes for 20 s that the node is there
    wait_for(lambda: 'look whether it still runs' in page.text(REASON), 'no reason')
    robot.start('node', *NODE[:-1], "vocabulary.stuff:=['floor']",
                '-p', 'depth:=false', '-p', 'camera_names:=[left, right]',
                '-r', 'left/image_raw:=image_raw', '-r', 'right/image_raw:=image_raw')
    wait_for(lambda: chips(page) == ['mug +1', 'chair', 'floor'], 'the new words are not read')
    wait_for(lambda: 'Ready' in page.text('.status'), 'the new node is not seen', 40)
    wait_for(lambda: not page.text('.banner'), 'still complaining')
    wait_for(lambda: not page.text(REASON), 'the reason of the node before stays')


def test_another_camera_is_chosen_and_without_a_page_nothing_is_subscribed_to(
        page, client) -> None:
    def topics(camera: str) -> list[str]:
        return [f'/eov_seg/{camera}/{name}' for name in (
            'overlay/compressed', 'instance/compressed', 'semantic/compressed', 'detections')]

    def subscribers(camera: str) -> set[int]:
        return set(map(client.node.count_subscribers, topics(camera)))

    client.wait_for(lambda: (subscribers('left'), subscribers('right')) == ({1}, {0}))
    from eov_seg_ros.console.outputs import segmenters
    client.wait_for(lambda: segmenters(client.node) == ['/eov_seg'])
    page.element('.view .q-select').click()
    wait_for(lambda: page.text('.q-menu') == 'left\nright', 'the cameras are not offered')
    page.script('document.querySelectorAll(".q-menu .q-item")[1].click()')
    client.wait_for(lambda: (subscribers('left'), subscribers('right')) == ({0}, {1}))
    wait_for(lambda: 'right' in page.text('.view .q-select'), 'not shown')
    wait_for(lambda: 'Ready' in page.text('.status'), 'the other camera shows nothing')
    page.driver.get('about:blank')
    client.wait_for(lambda: subscribers('right') == {0})


def messages(result, labels):
    from std_msgs.msg import Header

    from eov_seg_ros import conversions
    header = Header()
    images = {'instance': conversions.instance_image(header, result),
              'semantic': conversions.semantic_image(header, result, labels),
              'confidence': conversions.confidence_image(header, result)}
    return {name: conversions.compress(image) for name, image in images.items()} | {
        'detections': conversions.detections(header, result, False)}


@pytest.fixture
def frame(ros):
    from eov_seg_core.app.console.frame import Frame, jpeg
    from eov_seg_core.results.result import PanopticResult, Segment
    from eov_seg_ros.class_ids import LabelSpace
    from eov_seg_ros.console.assembly import ClassMap, found
    result = PanopticResult(np.array([[1, 1, 0], [2, 2, 2]], np.int32), [
        Segment(1, 1, 'mug', True, 0.71, 2, (0, 0, 2, 1)),
        Segment(2, 2, 'wall', False, 0.6, 3, (0, 1, 3, 2))])
    parts = messages(result, LabelSpace(('mug', 'wall'), (7, 9), 'mono8'))
    classes = ClassMap.of({7: 'mug', 9: 'wall'}, Words(('mug, cup',), ('wall',)))
    picture = jpeg(np.zeros((2, 3, 3), np.uint8))
    return Frame(1, '', picture, lambda: found(parts, picture, classes),
                 classes.vocabulary), result


def test_messages_become_what_was_found(frame) -> None:
    shown, result = frame
    assert np.array_equal(shown.result.instance, result.instance)
    assert shown.result.segments == result.segments
    assert shown.vocabulary.categories[0].names == ('mug', 'cup')


def test_a_frame_of_a_node_is_saved_with_its_overlay(frame) -> None:
    from eov_seg_core.app.console.files import archive
    with zipfile.ZipFile(io.BytesIO(archive(frame[0]))) as packed:
        assert {'overlay.jpg', 'panoptic.json', 'panoptic/picture.png'} <= set(packed.namelist())
        segments = json.loads(packed.read('panoptic.json'))['annotations'][0]['segments_info']
    assert [segment['area'] for segment in segments] == [2, 3]


def test_what_has_not_come_is_not_known(ros) -> None:
    from eov_seg_core.app.console.frame import jpeg
    from eov_seg_ros.console.assembly import ClassMap, found
    picture = jpeg(np.zeros((2, 3, 3), np.uint8))
    nothing = found({}, picture, ClassMap.of({}, Words()))
    assert (nothing.instance.shape, nothing.segments) == ((2, 3), [])


def test_frames_stay_decoded_only_while_they_are_new(ros) -> None:
    import rclpy
    from std_msgs.msg import Header

    from eov_seg_core.app.console.frame import jpeg
    from eov_seg_ros.console.node_session import NodeSession
    from eov_seg_ros.console.outputs import Picture
    node = rclpy.create_node('console_memory')
    session = NodeSession(node, '/nobody')
    picture, decoded = jpeg(np.zeros((8, 9, 3), np.uint8)), []
    for _ in range(32):
        session._on_picture(Picture(Header(), picture, {}))
        decoded.append(weakref.ref(session.frame.result.instance))
    assert 1 <= sum(each() is not None for each in decoded) <= 8
    assert session.frame_of(1).result.instance.shape == (8, 9)      # it is decoded again
    session.stop()
    node.destroy_node()


def test_what_is_a_thing_is_known_in_whatever_order_the_messages_come(ros) -> None:
    import rclpy

    from eov_seg_ros.console.node_session import NodeSession
    node = rclpy.create_node('console_order')
    session = NodeSession(node, '/nobody')
    session._on_class_names({7: 'mug', 9: 'wall'})
    session._parameters.values = {'vocabulary.things': ['mug'], 'vocabulary.stuff': ['wall']}
    session._on_parameters()
    assert [each.is_thing for each in session._classes.vocabulary.categories] == [True, False]
    session.stop()
    node.destroy_node()


def test_the_silence_of_a_node_begins_when_it_is_there(ros, monkeypatch) -> None:
    import rclpy

    from eov_seg_ros.console import node_session
    monkeypatch.setattr(node_session.NodeSession, 'is_watched', True)
    monkeypatch.setattr(node_session, '_SILENT_S', 0.2)
    node = rclpy.create_node('console_silence')
    session = node_session.NodeSession(node, '/nobody')
    for is_there, told in ((False, 'There is no node /nobody'), (True, ''),
                           (True, 'The node /nobody has said nothing since')):
        monkeypatch.setattr(session._parameters, 'look', lambda _, is_there=is_there: is_there)
        session._tick()
        assert session.error[:len(told) or None] == told
        time.sleep(0.3)
    assert session.arrivals == 1
    session.stop()
    node.destroy_node()


def test_what_the_node_says_about_itself_is_told_in_sentences(ros) -> None:
    from eov_seg_ros.console.facts import in_sentences
    told = dict(in_sentences({
        'variant': 't', 'runtime': 'torch 2.14', 'device': 'cpu', 'precision': 'fp32',
        'fallbacks': "{'runtime': 'openvino is not installed'}", 'failed_frames': '2',
        'lost_images': '0', 'zero_stamps': '3', 'depth_matched': '90', 'depth_unmatched': '0',
        'preparing_engine': 'True', 'depth_refused': '1', 'no_pose': '4'},
        'by the picture alone'))
    assert told['Network'] == ('variant t, computed by torch 2.14 on cpu in fp32 until its engine '
                               'is ready')
    assert told['Not used'] == 'runtime: openvino is not installed'
    assert told['Depth'] == ('90 pictures had it, 1 had one that cannot be used, '
                             'for 4 the place of the camera was not known')
    assert told['Faults'] == '2 failed, 3 had no time stamp'
    assert told['Ids'] == 'by the picture alone'
    assert in_sentences({}, '') == []
    assert 'with depth:=true' in dict(in_sentences({'variant': 't'}, ''))['Depth']
