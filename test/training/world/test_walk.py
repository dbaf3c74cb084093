# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Walks through rooms: their figures by hand, and that an evaluation goes on."""

from __future__ import annotations

from functools import partial
import json

import numpy as np
import pytest
import torch

from training import evaluate
from training.world import walk_scores
from training.world.video import VideoOptions, WORLD, world_video
from training.world.walk import best_ids, load_walk, save_walk, true_frame, Walk, walk_room
from training.world.walk_scores import evaluate_walks, WalkQuality

SHORT = VideoOptions(laps=1.5, lap_s=4, rate_hz=2, width=80)
WALL, CHAIR = WORLD.names.index('wall'), WORLD.names.index('chair')


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def truth(frame):
    return frame.result


def made_up(found_ids, **others) -> Walk:
    """Return frames `wall wall chair chair`, in which the chair was found under these ids."""
    classes = np.array([[[WALL, WALL, CHAIR, CHAIR]]] * len(found_ids), np.int16)
    ids = np.where(classes == CHAIR, 7, 0).astype(np.uint16)
    found = np.where(classes == CHAIR, np.reshape(found_ids, (-1, 1, 1)), 0).astype(np.uint16)
    nothing = np.zeros(0)
    figures = {'view_iou': nothing, 'view_error_m': nothing, 'recalled': nothing.astype(bool),
               'memory_iou': nothing, 'memory_error_m': nothing, 'remembered': np.array(0)}
    return Walk(classes, ids, classes, found, classes, ids, np.arange(float(len(found_ids))),
                **{**figures, **others})


def test_figures_of_an_id_switch() -> None:
    quality = WalkQuality()
    quality.add(made_up([2, 2, 3, 3]))
    figures = quality.compute()
    assert figures['stq'] == pytest.approx(.5 ** .5)        # S2 of STQ's examples
    assert (figures['aq'], figures['sq']) == (.5, 1)
    assert (figures['stq_best'], figures['aq_best']) == (1, 1)
    assert figures['vpq_k'] == pytest.approx({'1': 1, '2': .785714, '4': .5, '6': 0}, abs=1e-6)
    assert figures['vpq'] == pytest.approx((1 + .785714 + .5) / 3, abs=1e-6)
    assert figures['switches_per_minute'] == 20             # one in 3 s
    assert figures['view_iou'] is figures['precision'] is figures['recall'] is None
    assert (figures['rooms'], figures['frames']) == (1, 4)


def test_figures_of_boxes_and_memory_are_pooled_over_rooms() -> None:
    quality = WalkQuality()
    for iou, recalled in ((.2, [True, False, True]), (.6, [True])):
        quality.add(made_up([2], view_iou=np.array([iou]), view_error_m=np.array([iou / 10]),
                            recalled=np.array(recalled), memory_iou=np.array([iou, iou]),
                            memory_error_m=np.array([.1, .3]), remembered=np.array(3)))
    figures = quality.compute()
    assert (figures['view_iou'], figures['view_error_m']) == pytest.approx((.4, .04))
    assert (figures['memory_iou'], figures['memory_error_m']) == pytest.approx((.4, .2))
    assert (figures['precision'], figures['recall']) == pytest.approx((4 / 6, 3 / 4))
    assert figures['switches_per_minute'] is None           # no time has passed
    assert (figures['stq'], figures['things'], figures['views']) == (1, 4, 2)


def test_nothing_to_judge() -> None:
    figures = WalkQuality().compute()
    assert {name for name, value in figures.items() if value} == {'vpq_k'}
    assert figures['stq'] is figures['vpq'] is figures['memory_iou'] is None


def test_a_walk_with_true_masks() -> None:
    walk = walk_room(101, truth, SHORT)
    quality = WalkQuality()
    quality.add(walk)
    figures = quality.compute()
    assert walk.true_class.shape == (12, 60, 80)
    assert walk.stamp_s.tolist() == [number / 2 for number in range(12)]
    assert figures['stq_best'] == figures['aq_best'] == figures['sq'] == 1
    assert figures['vpq_k']['1'] == 1
    assert .7 < figures['aq'] <= 1
    assert figures['views'] > 3
    assert .3 < figures['view_iou'] <= 1
    assert 0 < figures['recall'] <= 1


def test_true_and_best_ids() -> None:
    frame = next(world_video(101, SHORT))
    true = true_frame(frame)
    assert true.class_index.min() >= -1
    is_thing = np.array([*WORLD.is_thing, False])[true.class_index]
    assert np.array_equal(true.instance > 0, is_thing)
    ids = {item.id for item in frame.truth.objects if item.is_thing}
    assert set(np.unique(true.instance).tolist()) <= ids | {0}
    best = best_ids(frame.result, true.instance)
    assert np.array_equal(best[is_thing], true.instance[is_thing])
    assert best[~is_thing].min() >= 1000        # nothing of the truth lies there
    assert best_ids(frame.result, np.zeros_like(true.instance)).min() >= 1000


def test_a_walk_is_kept_in_a_file(tmp_path) -> None:
    walk = made_up([2, 3])
    save_walk(tmp_path / 'walk.npz', walk)
    for one, other in zip(walk, load_walk(tmp_path / 'walk.npz')):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    assert [path.name for path in tmp_path.iterdir()] == ['walk.npz']
    content = (tmp_path / 'walk.npz').read_bytes()
    for broken in (b'', b'no archive', content[:len(content) // 2]):
        (tmp_path / 'walk.npz').write_bytes(broken)
        with pytest.raises(ValueError, match=r'walk\.npz is damaged .* delete it'):
            load_walk(tmp_path / 'walk.npz')
    with (tmp_path / 'walk.npz').open('wb') as stream:
        np.savez(stream, stamp_s=walk.stamp_s)
    with pytest.raises(ValueError, match='damaged'):
        load_walk(tmp_path / 'walk.npz')


def test_an_evaluation_goes_on(tmp_path, monkeypatch) -> None:
    first = evaluate_walks([101], {}, options=SHORT, output=tmp_path / 'out')
    whole = evaluate_walks([101, 102], {}, options=SHORT)
    walked = []
    monkeypatch.setattr(walk_scores, 'walk_room',
                        lambda seed, *others: walked.append(seed) or walk_room(seed, *others))
    assert evaluate_walks([101], {}, options=SHORT, output=tmp_path / 'out') == first
    assert walked == []
    assert evaluate_walks([101, 102], {}, options=SHORT, output=tmp_path / 'out') == whole
    assert walked == [102]
    with pytest.raises(ValueError, match='holds another evaluation: walk was'):
        evaluate_walks([101], {}, options=VideoOptions(laps=1), output=tmp_path / 'out')


def test_the_command(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(evaluate, 'evaluate_walks', partial(evaluate_walks, options=SHORT))
    common = ['--data', 'world_video', '--rooms', '1', '--seed', '101']
    arguments = [*common, '--variant', 't', '--device', 'cpu', '--threads', '1',
                 '--output', str(tmp_path / 'out'), '--json', str(tmp_path / 'figures.json'),
                 '--csv', str(tmp_path / 'figures.csv')]
    assert evaluate.main(arguments) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ['masks', 'STQ']
    assert [row.split()[0] for row in rows] == ['truth', 't']
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['truth']['stq_best'] == 1 > figures['t']['stq_best'] > 0
    lines = (tmp_path / 'figures.csv').read_text().splitlines()
    assert [line.partition(',')[0] for line in lines] == ['masks', 'truth', 't']
    assert len({line.count(',') for line in lines}) == 1

    assert evaluate.main([*arguments, '--score-threshold', '.5']) == 1
    assert 'holds another evaluation: score_threshold was' in capsys.readouterr().err
    assert evaluate.main(common) == 0
    assert [row.split()[0] for row in capsys.readouterr().out.splitlines()] == ['masks', 'truth']


def test_options_that_walks_do_not_read(capsys) -> None:
    assert evaluate.main(['--data', 'world_video', '--limit', '3', '--tasks', 'panoptic']) == 1
    assert 'world_video does not read --limit, --tasks' in capsys.readouterr().err


def test_other_data_need_a_variant(capsys) -> None:
    with pytest.raises(SystemExit):
        evaluate.main(['--data', 'world'])
    assert '--variant' in capsys.readouterr().err
