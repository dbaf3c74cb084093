# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What evaluation saves, how it goes on from there, and several processes."""

from __future__ import annotations

import dataclasses
from functools import partial
import json
import os
import signal
import subprocess
import sys
import time

import evaluation_case as case
from evaluation_case import CAT, Data, DOG, Fake, figures, many, SKY
import numpy as np
import pytest

from eov_seg_core.io.coco import read_panoptic_png
from eov_seg_core.visualization import class_color
from training.evaluation.dataset import BrokenImage, collect_scores, evaluate
from training.evaluation.folder import image_id, RunFolder
from training.evaluation.image import png_name
from training.evaluation.record import ImageRecord, read_records
from training.evaluation.workers import evaluate_in_processes, Work


def test_saved_files(tmp_path):
    data = Data([case.cat_below_sky('deep/000139.jpg'), *many(2)[1:]])
    folder = RunFolder(tmp_path, {'run': 1})
    scores = evaluate(Fake(data), data, folder=folder)
    panoptic = json.loads((tmp_path / 'panoptic.json').read_text())
    assert [image['id'] for image in panoptic['images']] == [139, 1]
    assert panoptic['categories'][SKY] == {
        'id': 3, 'name': 'sky', 'supercategory': 'sky', 'isthing': 0,
        'color': list(class_color('sky'))}
    first = panoptic['annotations'][0]
    assert (first['image_id'], first['file_name']) == (139, 'deep/000139.png')
    ids = read_panoptic_png(tmp_path / 'panoptic' / first['file_name'])
    np.testing.assert_array_equal(ids, [[1, 1, 1, 1], [1, 2, 2, 0]])
    assert [(segment['id'], segment['category_id'], segment['area'])
            for segment in first['segments_info']] == [(1, 3, 5), (2, 1, 2)]
    instances = json.loads((tmp_path / 'instances.json').read_text())
    assert [(found['image_id'], found['category_id']) for found in instances] == [(139, 1), (1, 2)]
    assert instances[0]['segmentation']['size'] == [2, 4]
    assert json.loads((tmp_path / 'scores.json').read_text()) == {
        'run': {'run': 1}, **json.loads(json.dumps(scores.to_json()))}
    assert (tmp_path / 'classes.csv').read_text() == scores.to_csv()


def test_two_predictions_cannot_be_one_file(tmp_path):
    data = Data([case.cat_below_sky('a.jpg'), case.cat_below_sky('a.png')])
    with pytest.raises(ValueError, match=r'images 0 and 1 \(a\.png\) would both be saved'):
        evaluate(Fake(data), data, folder=RunFolder(tmp_path, {}))
    assert evaluate(Fake(data), data).images == 2


def test_a_finished_run_is_not_run_again(tmp_path):
    for calls in (3, 0):
        folder, fake = RunFolder(tmp_path, {}), Fake(many(3))
        scores = evaluate(fake, many(3), folder=folder)
        folder.close()
        assert fake.calls == calls
        assert scores.images == 3
        assert scores.milliseconds


def test_more_images_of_the_same_data_go_on(tmp_path):
    for limit, calls in ((2, 2), (5, 3), (3, 0)):
        folder, fake = RunFolder(tmp_path, {}), Fake(many(6))
        assert evaluate(fake, many(6), folder=folder, limit=limit).images == limit
        folder.close()
        assert fake.calls == calls


def test_images_that_were_broken_are_tried_again(tmp_path):
    data = Data([*many(2), ValueError('cut')])
    folder = RunFolder(tmp_path, {})
    assert evaluate(Fake(data), data, folder=folder, skip_broken=True).broken == ('cut',)
    folder.close()
    fake = Fake(many(3))
    assert evaluate(fake, many(3), folder=RunFolder(tmp_path, {})).broken == ()
    assert fake.calls == 1


def test_lost_pictures_and_cut_records_are_made_again(tmp_path):
    folder = RunFolder(tmp_path, {})
    expected = figures(evaluate(Fake(many(5)), many(5), folder=folder))
    folder.close()
    (tmp_path / 'panoptic' / '001.png').unlink()
    records, = (path for path in (tmp_path / 'records').iterdir() if path.stat().st_size)
    lines = records.read_text().splitlines(keepends=True)
    records.write_text(''.join(lines[:3]) + '[1, 2]\n' + lines[4][:-20])
    fake = Fake(many(5))
    assert figures(evaluate(fake, many(5), folder=RunFolder(tmp_path, {}))) == expected
    assert fake.calls == 3
    assert (tmp_path / 'panoptic' / '001.png').exists()


def test_a_killed_run_goes_on(tmp_path, checkout):
    """Killed between two images or amid one: the figures are those of a run without a break."""
    process = subprocess.Popen(
        [sys.executable, '-c', f'import runpy, sys; sys.argv[1:] = [{str(tmp_path)!r}, "40"]; '
         'runpy.run_path("test/evaluation_case.py", run_name="__main__")'],
        cwd=checkout, env={**os.environ, 'PYTHONPATH': f'.{os.pathsep}test'})
    try:
        deadline = time.monotonic() + 180
        while not (tmp_path / 'records').is_dir() or len(read_records(tmp_path / 'records')) < 3:
            assert process.poll() is None, 'it ended before it was killed'
            assert time.monotonic() < deadline, 'no image was evaluated in time'
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    fake = Fake(many(40), {DOG: CAT})
    scores = evaluate(fake, many(40), folder=RunFolder(tmp_path, {'run': 1}))
    assert 0 < fake.calls < 38
    assert figures(scores) == figures(evaluate(Fake(many(40), {DOG: CAT}), many(40)))
    assert len(list((tmp_path / 'panoptic').glob('*.png'))) == 40


def test_another_run_is_refused_and_says_why(tmp_path):
    RunFolder(tmp_path, {'variant': 's', 'weights': 'abc', 'tasks': ['panoptic']}).close()
    with pytest.raises(ValueError, match=r"holds another evaluation: variant was 's' and is now "
                                         r"'m'; weights was 'abc' and is now 'abd'\. Choose"):
        RunFolder(tmp_path, {'variant': 'm', 'weights': 'abd', 'tasks': ['panoptic']})
    RunFolder(tmp_path, {'variant': 's', 'weights': 'abc', 'tasks': ('panoptic',)}).close()


def test_a_damaged_run_is_refused(tmp_path):
    (tmp_path / 'run.json').write_text('{"a"')
    with pytest.raises(ValueError, match=r'run\.json is damaged'):
        RunFolder(tmp_path, {})


def test_one_run_at_a_time(tmp_path):
    first = RunFolder(tmp_path, {})
    with pytest.raises(ValueError, match='another evaluation is writing'):
        RunFolder(tmp_path, {})
    first.close()
    RunFolder(tmp_path, {}).close()


def test_records_survive_their_file(tmp_path):
    folder = RunFolder(tmp_path, {})
    evaluate(Fake(many(2)), many(2), folder=folder)
    records = read_records(tmp_path / 'records')
    for record in records.values():
        assert ImageRecord.from_line(record.to_line()) == record
        assert dataclasses.replace(record, comparison=None) != record
    with pytest.raises(ValueError, match='cut'):
        ImageRecord.from_line(records[0].to_line()[:-1])


@pytest.mark.parametrize('name', ['../a.jpg', '/a.jpg', 'b/../../a.jpg', '..\\a.jpg', ''])
def test_predictions_stay_in_their_folder(name):
    with pytest.raises(ValueError, match='names no file below a folder'):
        png_name(name)


@pytest.mark.parametrize(('name', 'expected'), [
    ('000000000139.jpg', 139), ('ADE_val_00000001.jpg', 'ADE_val_00000001'), ('a/7.png', 7)])
def test_image_ids_are_those_of_published_annotations(name, expected):
    record = ImageRecord(0, name, (1, 1), {}, False)
    assert image_id(record) == expected
    assert image_id(dataclasses.replace(record, image_id=0)) == 0      # the annotation's own


def work(tmp_path=None, **options):
    return Work(partial(case.setup, **options), ('panoptic', 'semantic', 'instance'), None,
                tmp_path, 1)


PROCESSES = """
import json, sys
from functools import partial
import evaluation_case as case
from training.evaluation.dataset import collect_scores
from training.evaluation.workers import evaluate_in_processes, Work

def main():
    work = Work(partial(case.setup, replace={case.DOG: case.CAT}, count=7),
                ('panoptic', 'semantic', 'instance'), None, None, 1)
    scores = collect_scores(lambda indices: evaluate_in_processes(work, indices, 2), case.many(7),
                    work.tasks)
    print(json.dumps(scores.to_json()))
    for fail in ('no such weights', 'exit'):
        failing = Work(partial(case.setup, fail=fail), work.tasks, None, None, 1)
        try:
            list(evaluate_in_processes(failing, range(3), 1))
        except RuntimeError as error:
            print(json.dumps(str(error)))

if __name__ == '__main__':
    main()
"""


def test_the_number_of_processes_changes_nothing(tmp_path, checkout):
    script = tmp_path / 'processes.py'
    script.write_text(PROCESSES)
    result = subprocess.run(
        [sys.executable, str(script)], cwd=checkout, capture_output=True, text=True, timeout=500,
        env={**os.environ, 'OMP_NUM_THREADS': '1',
             'PYTHONPATH': os.pathsep.join([str(checkout), str(checkout / 'test')])}, check=False)
    assert result.returncode == 0, result.stderr
    content, failed, ended = map(json.loads, result.stdout.splitlines())
    del content['frame_rate'], content['milliseconds']
    data = many(7)
    expected = figures(evaluate(Fake(data, {DOG: CAT}), data))
    assert content == json.loads(json.dumps(expected))
    assert failed == 'no such weights'
    assert 'ended with status 3' in ended


def test_no_image_needs_no_process():
    assert list(evaluate_in_processes(work(), [], 2)) == []


def test_broken_images_of_all_processes_are_reported_in_order():
    outcomes = [BrokenImage(2, 'second'), BrokenImage(0, 'first')]
    scores = collect_scores(lambda indices: iter(outcomes), many(3), ('panoptic',),
                            skip_broken=True)
    assert scores.broken == ('first', 'second')
