# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo from end to end, with the real model in its smallest size and random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from sensor_msgs.msg import Image  # noqa: E402

from eov_seg_core.world import generate_scene  # noqa: E402
from eov_seg_ros.demo import __main__ as demo  # noqa: E402
from eov_seg_ros.demo import files as demo_files  # noqa: E402
from eov_seg_ros.demo import report as demo_report  # noqa: E402
from eov_seg_ros.demo import world as demo_world  # noqa: E402
from eov_seg_ros.demo.collector import NODE, Received  # noqa: E402


@pytest.fixture
def pictures(tmp_path):
    """Return a folder with a photograph-like picture, a large one and a file that is neither."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / 'a.jpg'), cv2.resize(noise, (160, 120)))
    cv2.imwrite(str(folder / 'b.png'), cv2.resize(noise, (1500, 20)))
    (folder / 'notes.txt').write_text('not a picture')
    return folder


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    from eov_seg_core.network.model import EOVSeg

    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    EOVSeg.from_variant('t').save(path)
    return path


@pytest.mark.ros
@pytest.mark.slow
def test_the_built_in_world_from_camera_to_figures(isolated, checkpoint, tmp_path):
    output = tmp_path / 'out'
    finished = subprocess.run(
        [sys.executable, '-m', 'eov_seg_ros.demo', '--seconds', '4', '--checkpoint',
         str(checkpoint), '--output', str(output)],
        env={**isolated, 'XDG_CACHE_HOME': str(tmp_path / 'cache')}, text=True, timeout=150,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert finished.returncode == 0, finished.stdout
    assert 'Traceback' not in finished.stdout, finished.stdout
    assert 'UNTRAINED' not in finished.stdout
    figures = json.loads((output / 'figures.json').read_text(encoding='utf-8'))
    assert figures['switch']['names_with_unchanged_ids'] == ['floor', 'wall', 'ceiling', 'rug']
    for name in ('before', 'after'):
        assert figures[name]['frames'] > 0
        assert figures[name]['latency_ms']['p50'] <= figures[name]['latency_ms']['p99']
        assert 0 <= figures[name]['panoptic_quality'] <= 100
        memory = figures[name]['memory']
        assert memory['found'] <= memory['there']
        assert memory['invented'] <= memory['remembered']
    assert figures['after']['memory']['there'] > 0
    assert figures['ids']['switches'] >= 0
    assert 'things found' in finished.stdout
    assert cv2.imread(str(output / 'contact_sheet.png')).shape[1] == 3 * 320
    video = cv2.VideoCapture(str(output / 'demo.mp4'))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= 20
    assert video.read()[0]


def test_words_of_the_world_are_categories_then_the_colours_of_the_room():
    scene = generate_scene(7)
    before, after = demo_world.phases_of(scene)
    assert 'sofa' in before.things
    assert 'white sofa' in after.things
    assert before.stuff == after.stuff == ['floor', 'wall', 'ceiling', 'rug']
    assert len(set(after.things)) == len(after.things)


def test_a_class_map_that_comes_again_belongs_to_its_words():
    phases = demo_world.phases_of(generate_scene(7))
    watcher = demo_world.Watcher(phases, None, None)
    maps = [dict(enumerate(['unlabeled', *phase.things, *phase.stuff])) for phase in phases]
    for class_map in (maps[0], maps[0], {0: 'unlabeled', 1: 'other'}):
        watcher.take_class_map(class_map)
    assert (phases[0].class_map, phases[1].class_map) == (maps[0], {})
    watcher.take_class_map(maps[1])
    assert phases[1].class_map == maps[1]


def frame_of(class_id, stamp_ns):
    """Return a frame that shows one class alone."""
    label = Image(height=2, width=2, encoding='32SC1',
                  data=np.full((2, 2), class_id << 16, np.int32).tobytes())
    overlay = Image(height=2, width=2, encoding='rgb8', data=bytes(12))
    return Received('', stamp_ns, 0, 0., {
        f'{NODE}/panoptic': label, 'world_camera/truth/panoptic': label,
        f'{NODE}/overlay': overlay})


def test_a_frame_may_come_before_its_class_map():
    phases = demo_world.phases_of(generate_scene(7))
    space, video = Mock(), Mock()
    space.take_frame.return_value = (np.zeros((2, 2, 3), np.uint8),) * 2
    watcher = demo_world.Watcher(phases, video, space)
    before, after = phases
    maps = [{0: 'unlabeled', **dict(enumerate([*phase.things, *phase.stuff], first))}
            for phase, first in ((before, 1), (after, 101))]
    watcher.take_class_map(maps[0])
    for class_id, stamp_ns in ((1, 10), (101, 20), (102, 30)):
        watcher(frame_of(class_id, stamp_ns))
    assert (before.stamps_s, after.stamps_s, watcher.new_frame_s) == ([1e-8], [], None)
    watcher.take_class_map(maps[1])
    assert (before.stamps_s, after.stamps_s) == ([1e-8], [2e-8, 3e-8])
    assert watcher.new_frame_s is not None
    with pytest.raises(RuntimeError, match=r'has the classes \[1\], which belong to no vocab'):
        watcher(frame_of(1, 40))


def test_video_lasts_as_long_as_its_frames(tmp_path):
    video = demo_report.Video(tmp_path / 'v.mp4')
    picture = np.zeros((48, 64, 3), np.uint8)
    for stamp_s in (100.0, 100.25, 102.0):
        video.add(stamp_s, demo_report.Shown(picture, picture, picture), 'title')
    video.close()
    capture = cv2.VideoCapture(str(tmp_path / 'v.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == pytest.approx(21, abs=1)
    demo_report.Video(tmp_path / 'none.mp4').close()


def test_sampling_is_even_and_takes_no_more_than_there_is():
    assert demo_report.sample([1, 2, 3, 4, 5], 3) == [1, 3, 5]
    assert demo_report.sample([1], 3) == [1]
    assert demo_report.sample([], 3) == []


@pytest.mark.ros
@pytest.mark.slow
def test_real_model_between_real_processes(isolated, checkpoint, pictures, tmp_path):
    output = tmp_path / 'out'
    finished = subprocess.run(
        [sys.executable, '-m', 'eov_seg_ros.demo', str(pictures), '--variant', 't',
         '--checkpoint', str(checkpoint), '--input-size', '64', '--output', str(output)],
        env={**isolated, 'XDG_CACHE_HOME': str(tmp_path / 'cache')}, text=True, timeout=100,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert finished.returncode == 0, finished.stdout
    assert 'Traceback' not in finished.stdout, finished.stdout
    assert 'UNTRAINED' not in finished.stdout
    assert 'unchanged class ids: flag = 5, wall = 6' in finished.stdout
    assert cv2.imread(str(output / 'overview.png')) is not None
    content = json.loads((output / 'detections.json').read_text(encoding='utf-8'))
    assert list(content) == ['first', 'second']
    for label, part in content.items():
        assert part['class_map']['0'] == 'unlabeled'
        assert [frame['picture'] for frame in part['frames']] == ['00_a.png', '01_b.png']
        for frame in part['frames']:
            check_frame(frame, part['class_map'], output, label)


@pytest.mark.ros
def test_a_node_that_cannot_start_fails_the_demo_at_once(isolated, pictures, tmp_path):
    finished = subprocess.run(
        [sys.executable, '-m', 'eov_seg_ros.demo', str(pictures), '--checkpoint', 'no_such.pth',
         '--output', str(tmp_path / 'out')],
        env=isolated, text=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert finished.returncode == 1, finished.stdout
    assert 'no_such.pth' in finished.stdout
    assert 'demo failed' in finished.stdout
    assert 'Traceback' not in finished.stdout, finished.stdout


def check_frame(frame, class_map, output, label):
    played = cv2.imread(str(output / 'played' / frame['picture']))
    assert (frame['height'], frame['width']) == played.shape[:2]
    stem = frame['picture'].removesuffix('.png')
    images = {kind: cv2.imread(str(output / label / f'{stem}_{kind}.png'), cv2.IMREAD_UNCHANGED)
              for kind in ('overlay', 'instance', 'semantic', 'panoptic')}
    assert {image.shape[:2] for image in images.values()} == {played.shape[:2]}
    np.testing.assert_array_equal(images['panoptic'][..., 2], images['semantic'])
    assert set(np.unique(images['semantic'])) <= set(map(int, class_map))
    assert set(np.unique(images['instance'])) - {0} == {d['id'] for d in frame['detections']}
    for detection in frame['detections']:
        mask = images['instance'] == detection['id']
        assert {class_map[str(number)] for number in np.unique(images['semantic'][mask])} == {
            detection['name']}


def test_pictures_are_found_numbered_and_made_smaller(pictures, tmp_path):
    output = tmp_path / 'out'
    names = demo_files.prepare_pictures([str(pictures), str(pictures / 'a.jpg')], output, 6)
    assert names == ['00_a.png', '01_b.png', '02_a.png']
    assert cv2.imread(str(output / 'played' / '01_b.png')).shape == (17, 1280, 3)
    assert demo_files.prepare_pictures([str(pictures)], output, 1) == ['00_a.png']
    assert len(list((output / 'played').iterdir())) == 1


def test_one_broken_picture_does_not_end_the_demo(pictures, tmp_path, capsys):
    (pictures / 'a0.jpg').write_bytes((pictures / 'a.jpg').read_bytes()[:200])
    (pictures / 'new\nline.png').write_bytes((pictures / 'b.png').read_bytes())
    names = demo_files.prepare_pictures([str(pictures)], tmp_path / 'out', 6)
    assert names == ['00_a.png', '01_b.png', '02_new_line.png']
    assert 'left out: ' in capsys.readouterr().out


def test_the_demo_removes_its_own_pictures_only(pictures, tmp_path):
    played = tmp_path / 'out' / 'played'
    played.mkdir(parents=True)
    (played / 'mine.png').write_bytes((pictures / 'b.png').read_bytes())
    (played / '07_old.png').write_bytes(b'')
    with pytest.raises(ValueError, match='lies in the folder'):
        demo_files.prepare_pictures([str(played)], tmp_path / 'out', 6)
    demo_files.prepare_pictures([str(pictures / 'a.jpg')], tmp_path / 'out', 6)
    assert sorted(path.name for path in played.iterdir()) == ['00_a.png', 'mine.png']


def test_video_is_sampled_evenly(tmp_path):
    path = tmp_path / 'video.avi'
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    if not video.isOpened():
        pytest.skip('this OpenCV cannot write MJPG')
    for number in range(9):
        video.write(np.full((48, 64, 3), 20 * number, np.uint8))
    video.release()
    names = demo_files.prepare_pictures([str(path)], tmp_path / 'out', 3)
    assert names == ['00_video_00000.png', '01_video_00004.png', '02_video_00008.png']
    levels = [cv2.imread(str(tmp_path / 'out' / 'played' / name)).mean() for name in names]
    np.testing.assert_allclose(levels, [0, 80, 160], atol=4)


def test_default_photographs_are_shipped(tmp_path):
    pytest.importorskip('skimage', reason='scikit-image is not installed: scripts/setup_env.sh')
    names = demo_files.prepare_pictures([], tmp_path, 6)
    assert names == ['00_astronaut.png', '01_chelsea.png', '02_coffee.png']


@pytest.mark.parametrize(('inputs', 'limit', 'reason'), [
    (['no_such.png'], 6, 'no_such.png'),
    (['no_such.mp4'], 6, 'no video'),
    (['empty'], 6, 'no picture or video'),
    (['pictures/notes.txt'], 6, 'no picture'),
    (['pictures'], 0, '--limit'),
])
def test_unusable_inputs_are_named(pictures, tmp_path, monkeypatch, capsys, inputs, limit, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    assert demo.main([*inputs, '--limit', str(limit), '--output', str(tmp_path / 'out')]) == 1
    assert reason in capsys.readouterr().err
