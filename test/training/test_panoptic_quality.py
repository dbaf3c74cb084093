# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Panoptic quality: by hand, against sets of pixels, against panopticapi, and on broken files."""

from __future__ import annotations

from collections import Counter
import json
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from eov_seg_core.io.coco import ids_to_rgb
from eov_seg_core.io.media import save_picture
from eov_seg_core.quality import count_overlaps, PanopticMap, PanopticQuality, Segment
from training.panoptic_quality import evaluate_files, main

PERSON, CAR, SKY = 1, 2, 7
IS_THING = {PERSON: True, CAR: True, SKY: False}
NOTHING = {'pq': 0.0, 'sq': 0.0, 'rq': 0.0}


def row(ids, *segments):
    """Make a map of one row; a segment is (id, category), (id, category, 'crowd') or with area."""
    parsed = [Segment(key, category, 'crowd' in rest, next(
        (item for item in rest if isinstance(item, int)), None))
        for key, category, *rest in segments]
    return PanopticMap(np.array([ids], np.int32), parsed, 'a row')


def quality_of(*pairs):
    quality = PanopticQuality(IS_THING)
    for truth, prediction in pairs:
        quality.add(truth, prediction)
    return quality.compute()


def test_no_image():
    result = quality_of()
    assert result['All'] == result['Things'] == result['Stuff'] == {**NOTHING, 'n': 0}
    assert result['per_class'] == {'1': NOTHING, '2': NOTHING, '7': NOTHING}


def test_no_segment():
    assert quality_of((row([0, 0, 0]), row([0, 0, 0])))['All'] == {**NOTHING, 'n': 0}


def test_one_perfect_segment():
    result = quality_of((row([5, 5, 0], (5, SKY)), row([9, 9, 0], (9, SKY))))
    assert result['Stuff'] == {'pq': 1.0, 'sq': 1.0, 'rq': 1.0, 'n': 1}
    assert result['Things'] == {**NOTHING, 'n': 0}
    assert result['per_class']['7'] == {'pq': 1.0, 'sq': 1.0, 'rq': 1.0}


def test_match_and_miss_and_false_alarm():
    """Person: IoU 3/4, one match.  Car: one missed, one spurious.  Averages over two classes."""
    result = quality_of((
        row([1, 1, 1, 1, 2, 2, 2, 2, 2, 2], (1, PERSON), (2, CAR)),
        row([1, 1, 1, 3, 3, 0, 0, 0, 0, 0], (1, PERSON), (3, CAR))))
    assert result['per_class']['1'] == {'pq': 0.75, 'sq': 0.75, 'rq': 1.0}
    assert result['per_class']['2'] == NOTHING
    assert result['Things'] == result['All'] == {'pq': 0.375, 'sq': 0.375, 'rq': 0.5, 'n': 2}


def test_counts_of_images_are_added():
    """Twice IoU 1 and once a miss: RQ 2 / (2 + 1/2)."""
    perfect = (row([1, 1], (1, CAR)), row([1, 1], (1, CAR)))
    result = quality_of(perfect, perfect, (row([1, 1], (1, CAR)), row([0, 0])))
    assert result['per_class']['2'] == {'pq': 0.8, 'sq': 1.0, 'rq': 0.8}


def test_half_is_no_match():
    result = quality_of((row([1, 1], (1, CAR)), row([1, 0], (1, CAR))))
    assert result['per_class']['2'] == NOTHING
    assert result['All']['n'] == 1


def test_the_class_must_agree():
    result = quality_of((row([1, 1], (1, CAR)), row([1, 1], (1, PERSON))))
    assert result['All'] == {**NOTHING, 'n': 2}


def test_void_below_a_prediction_does_not_lower_the_iou():
    result = quality_of((row([1, 1, 0, 0], (1, CAR)), row([1, 1, 1, 1], (1, CAR))))
    assert result['per_class']['2']['pq'] == 1.0


@pytest.mark.parametrize(('truth', 'is_spurious'), [([0, 0, 2, 2], True), ([0, 0, 0, 2], False)])
def test_a_prediction_mostly_in_void_is_excused(truth, is_spurious):
    result = quality_of((row(truth, (2, SKY)), row([1, 1, 1, 1], (1, CAR))))
    assert result['Things']['n'] == int(is_spurious)


@pytest.mark.parametrize(('category', 'is_spurious'), [(PERSON, False), (CAR, True)])
def test_crowd_excuses_its_own_class_only(category, is_spurious):
    result = quality_of((row([1, 1, 1, 2], (1, PERSON, 'crowd'), (2, SKY)),
                         row([5, 5, 5, 5], (5, category))))
    assert result['Things']['n'] == int(is_spurious)


def test_crowd_and_void_excuse_together():
    result = quality_of((row([1, 0, 0, 2, 2], (1, PERSON, 'crowd'), (2, SKY)),
                         row([5, 5, 5, 5, 5], (5, PERSON))))
    assert result['Things']['n'] == 0


def test_crowd_is_neither_matched_nor_missed():
    crowd = row([1, 1, 1], (1, PERSON, 'crowd'))
    assert quality_of((crowd, row([0, 0, 0])))['All']['n'] == 0
    assert quality_of((crowd, row([1, 1, 1], (1, PERSON))))['All']['n'] == 0


def test_only_the_last_crowd_of_a_class_excuses():
    prediction = row([5, 5, 5, 5], (5, PERSON))
    crowds = [(1, PERSON, 'crowd'), (2, PERSON, 'crowd')]
    assert quality_of((row([1, 1, 1, 2], *crowds), prediction))['All']['n'] == 1
    assert quality_of((row([1, 1, 1, 2], *crowds[::-1]), prediction))['All']['n'] == 0


@pytest.mark.parametrize('area', [2, 4, 1, 300])
def test_a_stated_area_that_the_map_contradicts_is_refused(area):
    """With 1 instead of 3 the IoU would be 3 / (1 + 3 - 3) = 3."""
    with pytest.raises(ValueError, match=f'has 3 pixels, but its JSON states an area of {area};'):
        quality_of((row([1, 1, 1], (1, CAR, area)), row([1, 1, 1], (1, CAR))))


@pytest.mark.parametrize('area', [3, 3.0, 2.3, 3.9])
def test_a_stated_area_may_be_fractional(area):
    truth = PanopticMap(np.ones((1, 3), np.int32), [Segment(1, CAR, False, area)], 'truth')
    assert quality_of((truth, row([1, 1, 1], (1, CAR))))['per_class']['2']['sq'] == 1


def of_sets(truth, prediction):
    """Count by sets of pixels: category -> [IoUs, spurious, missed]."""
    def pixels(panoptic, key):
        return {index for index, value in enumerate(panoptic.ids_HW.flat) if value == key}
    void = pixels(truth, 0)
    counts = {category: [[], 0, 0] for category in IS_THING}
    matched = set()
    for true in truth.segments:
        inside = pixels(truth, true.id)
        ious = {found.id: len(inside & pixels(prediction, found.id))
                / len(inside | pixels(prediction, found.id) - void)
                for found in prediction.segments if found.category_id == true.category_id}
        best = max(ious, key=ious.get, default=None)
        if true.is_crowd:
            continue
        if best is not None and ious[best] > 0.5:
            counts[true.category_id][0].append(ious[best])
            matched.add(best)
        else:
            counts[true.category_id][2] += 1
    for found in prediction.segments:
        crowds = [pixels(truth, true.id) for true in truth.segments
                  if true.is_crowd and true.category_id == found.category_id]
        area = pixels(prediction, found.id)
        excused = len(area & (void | (crowds[-1] if crowds else set())))
        if found.id not in matched and excused / len(area) <= 0.5:
            counts[found.category_id][1] += 1
    return counts


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_equals_sets_of_pixels(data):
    maps = []
    for _ in range(2):
        ids = data.draw(st.lists(st.sampled_from([0, 0, 3, 3, 3, 4, 300, 70000]),
                                 min_size=9, max_size=9))
        segments = [Segment(key, data.draw(st.sampled_from([PERSON, SKY])),
                            not maps and data.draw(st.booleans()))
                    for key in sorted(set(ids) - {0})]
        maps.append(PanopticMap(np.array(ids).reshape(3, 3), segments, 'a map'))
    per_class = quality_of(tuple(maps))['per_class']
    for category, (ious, spurious, missed) in of_sets(*maps).items():
        weight = len(ious) + 0.5 * spurious + 0.5 * missed
        expected = sum(ious) / weight if weight else 0.0
        assert per_class[str(category)]['pq'] == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[st.sampled_from([0, 1, 2, 70000, 2 ** 31 - 1])] * 2), max_size=12))
def test_overlaps_equal_a_counter(pairs):
    first, second = (np.array([pair[side] for pair in pairs], np.int32)[None] for side in (0, 1))
    assert count_overlaps(first, second) == Counter(pairs)


@pytest.mark.parametrize(('truth', 'prediction', 'message'), [
    (row([0]), row([0, 0]), 'a row has 2 x 1 pixels, but its ground truth a row has 1 x 1'),
    (row([0]), row([4]), 'a row has segments 4 that its JSON does not list'),
    (row([4]), row([0]), 'a row has segments 4 that its JSON does not list'),
    (row([0]), row([0], (3, CAR)), 'a row has no pixel of segments 3 that its JSON lists'),
    (row([0], *((key, CAR) for key in range(1, 8))), row([0]), '1, 2, 3, 4, 5 and 2 more that'),
    (row([0]), row([3], (3, 99)), 'segment 3 of a row is of category 99, which the ground truth'),
])
def test_contradictions_are_refused_and_not_counted(truth, prediction, message):
    quality = PanopticQuality(IS_THING)
    with pytest.raises(ValueError, match=message):
        quality.add(truth, prediction)
    assert quality.compute() == quality_of()


class Files:
    """Ground truth and predictions of two images on disk, to be broken by tests."""

    def __init__(self, folder):
        self.folder = folder
        for side in ('gt', 'pred'):
            (folder / side).mkdir()
        self.gt = {
            'categories': [{'id': key, 'isthing': int(is_thing), 'name': str(key)}
                           for key, is_thing in IS_THING.items()],
            'annotations': [
                self.image('gt', 1, [[70000, 70000, 70000, 0], [8, 8, 8, 8]],
                           [(70000, PERSON), (8, SKY)]),
                self.image('gt', 2, [[300, 300, 300, 300]], [(300, SKY)])]}
        self.pred = {'annotations': [
            self.image('pred', 1, [[1, 1, 0, 1], [2, 2, 2, 0]], [(1, PERSON), (2, SKY)]),
            self.image('pred', 2, [[0, 0, 0, 0]], [])]}

    def image(self, side, key, ids, segments):
        save_picture(self.folder / side / f'{key}.png', ids_to_rgb(np.array(ids)))
        return {'image_id': key, 'file_name': f'{key}.png', 'segments_info': [
            {'id': segment, 'category_id': category, 'area': int((np.array(ids) == segment).sum()),
             'iscrowd': 0} for segment, category in segments]}

    def arguments(self):
        for side in ('gt', 'pred'):
            content = getattr(self, side)
            if content is not None:
                text = content if isinstance(content, str) else json.dumps(content)
                (self.folder / f'{side}.json').write_text(text)
        return [self.folder / f'{name}' for name in ('gt.json', 'pred.json', 'gt', 'pred')]

    def run(self, *more):
        truth, prediction, truth_folder, prediction_folder = map(str, self.arguments())
        return main([truth, prediction, '--gt-folder', truth_folder,
                     '--pred-folder', prediction_folder, *more])


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def test_command_on_hand_worked_files(files, capsys):
    """Person: 2 of 3 pixels, void beside it. Sky: 3 of 4, and one image missed."""
    assert files.run('--json', str(files.folder / 'out.json')) == 0
    printed = capsys.readouterr().out
    assert (files.folder / 'out.json').read_text() == printed
    result = json.loads(printed)
    assert result['per_class']['1'] == pytest.approx({'pq': 2 / 3, 'sq': 2 / 3, 'rq': 1})
    assert result['per_class']['7'] == pytest.approx({'pq': 0.5, 'sq': 0.75, 'rq': 2 / 3})
    assert result['All'] == pytest.approx(
        {'pq': 7 / 12, 'sq': (2 / 3 + 0.75) / 2, 'rq': 5 / 6, 'n': 2})
    assert (result['Things']['n'], result['Stuff']['n']) == (1, 1)


def test_areas_and_crowd_flags_may_be_left_out(files):
    expected = evaluate_files(*files.arguments())
    for annotation in files.gt['annotations']:
        for segment in annotation['segments_info']:
            del segment['area'], segment['iscrowd']
    assert evaluate_files(*files.arguments()) == expected


def test_predictions_of_other_images_are_ignored(files):
    expected = evaluate_files(*files.arguments())
    files.pred['annotations'].append({'image_id': 3, 'file_name': '3.png', 'segments_info': []})
    assert evaluate_files(*files.arguments()) == expected


def test_predictions_may_list_categories_that_agree(files):
    expected = evaluate_files(*files.arguments())
    names = {PERSON: 'person', CAR: 'car', SKY: 'sky-merged'}
    for category in files.gt['categories']:
        category['name'] = names[category['id']]
    for listed in (
            [{'id': PERSON, 'name': 'Person,human'}, {'id': SKY, 'name': 'sky'}], [], None,
            [{'id': PERSON}, {'id': 99, 'name': 'unicorn'}, {'id': 4, 'name': ''}]):
        files.pred['categories'] = listed
        assert evaluate_files(*files.arguments()) == expected


def test_predictions_that_number_categories_in_another_way_are_refused(files):
    """As from a tool that renumbers: car is 2 in the truth, 1 in the predictions."""
    for category, name in zip(files.gt['categories'], ('person', 'car', 'sky')):
        category['name'] = name
    files.pred['categories'] = [{'id': 1, 'name': 'Car'}, {'id': 2, 'name': 'person'}]
    with pytest.raises(ValueError, match="pred.json numbers its categories in another way than "
                       ".*gt.json: 2 names have another id, first 'person', 1 in the ground truth "
                       'and 2 in the predictions'):
        evaluate_files(*files.arguments())


def test_homonyms_agree_where_one_id_does(files):
    files.gt['categories'] = [{'id': key, 'isthing': int(is_thing), 'name': 'plant'}
                              for key, is_thing in IS_THING.items()]
    files.pred['categories'] = [{'id': CAR, 'name': 'plant'}, {'id': SKY, 'name': 'plant'}]
    assert evaluate_files(*files.arguments())['All']['n'] == 2


def test_no_annotation(files):
    files.gt['annotations'] = []
    assert evaluate_files(*files.arguments()) == quality_of()


BROKEN = {
    'missing picture': (lambda f: (f.folder / 'pred/2.png').unlink(), r'pred/2\.png'),
    'empty picture': (lambda f: (f.folder / 'gt/1.png').write_bytes(b''), r'gt/1\.png is no pict'),
    'cut picture': (lambda f: (f.folder / 'gt/1.png').write_bytes(
        (f.folder / 'gt/1.png').read_bytes()[:60]), r'gt/1\.png is no picture'),
    'other size': (lambda f: f.image('pred', 2, [[0, 0]], []), r'pred/2\.png has 2 x 1 pixels'),
    'unlisted id': (lambda f: f.image('pred', 2, [[0, 5, 5, 5]], []), r'pred/2\.png has segm.* 5'),
    'lost id': (lambda f: f.pred['annotations'][1].update(
        segments_info=[{'id': 5, 'category_id': SKY}]), r'pred/2\.png has no pixel of segments 5'),
    'unknown category': (lambda f: f.pred['annotations'][0]['segments_info'][0].update(
        category_id=99), r'segment 1 of .*pred/1\.png is of category 99'),
    'missing prediction': (lambda f: f.pred['annotations'].pop(), r'pred\.json has no .*2\.png'),
    'double image': (lambda f: f.gt['annotations'].append(f.gt['annotations'][0]),
                     r'gt\.json: there are two annotations of image 1'),
    'double segment': (lambda f: f.gt['annotations'][0]['segments_info'].append(
        f.gt['annotations'][0]['segments_info'][0]), r'gt\.json: .*image 1: segment 70000 is lis'),
    'double category': (lambda f: f.gt['categories'].append(f.gt['categories'][0]),
                        r'gt\.json: there are two categories with id 1'),
    'no category': (lambda f: f.gt.pop('categories'), r"gt\.json has no list 'categories'"),
    'no annotations': (lambda f: f.pred.pop('annotations'), r"pred\.json has no list 'annot"),
    'no file name': (lambda f: f.pred['annotations'][1].pop('file_name'),
                     r"pred\.json: annotation of image 2 has no 'file_name'"),
    'number as file name': (lambda f: f.pred['annotations'][1].update(file_name=2),
                            r"pred\.json: annotation of image 2: 'file_name' must be text"),
    'no thing flag': (lambda f: f.gt['categories'][0].pop('isthing'),
                      r"gt\.json: category 0 has no 'isthing'"),
    'void as segment': (lambda f: f.gt['annotations'][0]['segments_info'][0].update(id=0),
                        r'gt\.json: .*image 1: segment ids must lie in 1\.\.16777215, got 0'),
    'text as id': (lambda f: f.gt['annotations'][0]['segments_info'][0].update(id='x'),
                   r"gt\.json: .*image 1: 'id' must be a whole number, got 'x'"),
    'area of nothing': (lambda f: f.gt['annotations'][0]['segments_info'][0].update(area=0),
                        r'gt\.json: .*image 1: the area of segment 70000 must be at least 1'),
    'list as entry': (lambda f: f.gt['annotations'].append([]), r'gt\.json: annotation 2: '),
    'no JSON': (lambda f: setattr(f, 'pred', '{"annotations": ['), r'pred\.json is no JSON'),
    'empty JSON': (lambda f: setattr(f, 'gt', ''), r'gt\.json is no JSON'),
    'list as JSON': (lambda f: setattr(f, 'gt', '[]'), r"gt\.json has no list 'categories'"),
    'missing JSON': (lambda f: setattr(f, 'gt', None), r'No such file .*gt\.json'),
}


@pytest.mark.parametrize('damage', BROKEN)
def test_broken_files_are_named(files, damage, capsys):
    change, message = BROKEN[damage]
    change(files)
    assert files.run('--json', str(files.folder / 'out.json')) == 1
    printed = capsys.readouterr()
    assert printed.out == ''
    assert not (files.folder / 'out.json').exists()
    last = printed.err.splitlines()[-1]
    assert last.startswith('python -m training.panoptic_quality: error: ')
    with pytest.raises((ValueError, OSError), match=message):
        evaluate_files(*files.arguments())


def test_what_a_file_holds_does_not_fill_or_forge_the_message(files, capsys):
    files.gt['annotations'][0]['image_id'] = '\x1b[31m\n' + 'x' * 100_000
    files.gt['annotations'].append(files.gt['annotations'][0])
    assert files.run() == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('python -m training.panoptic_quality: error: ')
    assert r'\x1b[31m xxx' in error
    assert len(error) < 9000


def test_equals_panopticapi(parity_dir, checkout):
    """As a command: what panopticapi printed for six images with crowd and void."""
    folder = parity_dir / 'panoptic_quality'
    result = subprocess.run(
        [sys.executable, '-m', 'training.panoptic_quality', folder / 'gt.json',
         folder / 'pred.json', '--gt-folder', folder / 'gt', '--pred-folder', folder / 'pred'],
        cwd=checkout, capture_output=True, text=True, check=True)
    ours, expected = json.loads(result.stdout), json.loads((folder / 'expected.json').read_text())
    assert ours.keys() == expected.keys()
    for group in ('All', 'Things', 'Stuff'):
        assert ours[group] == pytest.approx(expected[group], rel=0, abs=1e-9)
    assert ours['per_class'].keys() == expected['per_class'].keys()
    for category, values in expected['per_class'].items():
        assert ours['per_class'][category] == pytest.approx(values, rel=0, abs=1e-9), category
