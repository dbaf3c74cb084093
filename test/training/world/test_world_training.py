# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The world as training data and as a benchmark, and the rules of who may see what."""

import numpy as np
import pytest
import torch

from eov_seg_core.vocabulary import Vocabulary
from training.clip.views import CATEGORIES, ClipViews, whole_view
from training.data.samples import Target, TrainingExample
from training.world.benchmark import SPLITS, WorldBenchmark
from training.world.frames import CachedFrames, CLIP_FRAMES, FrameSet, MASK_FRAMES, MIN_AREA
from training.world.split import (
    BASE,
    HELD_OUT_PAIRS,
    NOVEL,
    PAIRS,
    STUFF,
    SYNONYMS,
    THINGS,
    TRAINED_PAIRS,
)
from training.world.training_data import WorldTrainingData

LABELS = set(Vocabulary.preset('world_labels').synonyms)


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp('frames')


@pytest.fixture(scope='module')
def data(cache):
    return WorldTrainingData((96, 128), cache=cache)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_the_split_holds_something_out():
    assert len(NOVEL) >= 4
    assert set(BASE) | set(NOVEL) == set(THINGS)
    assert {name for _, name in HELD_OUT_PAIRS} == set(THINGS)
    assert len({color for color, _ in HELD_OUT_PAIRS}) == 12
    assert set(HELD_OUT_PAIRS) | set(TRAINED_PAIRS) == set(PAIRS)
    assert len(HELD_OUT_PAIRS) == pytest.approx(len(PAIRS) / 8, abs=2)


def test_the_labels_are_base_names_and_trained_pairs():
    pairs = {f'{color} {name}' for color, name in TRAINED_PAIRS if name in BASE}
    assert {*BASE, *STUFF, *pairs} == LABELS


def test_mask_frames_hold_base_categories_and_no_held_out_pair(cache):
    frames = CachedFrames(MASK_FRAMES, cache)
    objects = [item for index in range(6) for item in frames[index].objects]
    assert {item.name for item in objects} <= {*BASE, *STUFF}
    assert not {(item.color, item.name) for item in objects} & set(HELD_OUT_PAIRS)


def test_clip_frames_hold_no_held_out_pair_either(cache):
    frames = CachedFrames(CLIP_FRAMES, cache)
    objects = [item for index in range(6) for item in frames[index].objects]
    assert not {(item.color, item.name) for item in objects} & set(HELD_OUT_PAIRS)


def test_frames_come_back_from_disk_as_they_were_rendered(tmp_path):
    frames = FrameSet(first_seed=7, rooms=1, views=1)
    rendered = CachedFrames(frames, tmp_path)[0]
    file, = tmp_path.rglob('*.npz')
    read = CachedFrames(frames, tmp_path)[0]
    assert np.array_equal(read.rgb, rendered.rgb)
    assert np.array_equal(read.ids, rendered.ids)
    assert read.objects == rendered.objects
    file.write_bytes(file.read_bytes()[:1000])      # damaged: made again
    assert np.array_equal(CachedFrames(frames, tmp_path)[0].rgb, rendered.rgb)


def test_examples_depend_on_index_and_generator_only(data):
    first, again = data.example(3, generator(1)), data.example(3, generator(1))
    assert torch.equal(first.pixels_CHW, again.pixels_CHW)
    assert torch.equal(first.target.masks_Thw, again.target.masks_Thw)
    assert not torch.equal(first.pixels_CHW, data.example(3, generator(2)).pixels_CHW)


def test_masks_of_an_example_do_not_overlap(data):
    example = data.example(0, generator(0))
    assert example.pixels_CHW.shape == (3, 96, 128)
    assert int(example.target.masks_Thw.sum(dim=0).max()) == 1


def test_batches_name_their_segments_by_seen_words(data):
    examples = [data.example(index, generator(index)) for index in range(2)]
    kinds = set()
    for position in range(0, 60, 2):
        batch = data.collate(examples, [position, position + 1])
        for example, target in zip(examples, batch.targets):
            names = [batch.vocabulary.names[label] for label in target.labels_T]
            assert set(names) <= LABELS
            assert len(names) == len(example.target.labels_T)
            assert target.masks_Thw is example.target.masks_Thw
        kinds.add((' '.join(batch.vocabulary.names[:1]) in BASE, len(batch.vocabulary) > 24))
    assert len(kinds) >= 3      # names, names with distractors, pairs
    assert data.collate(examples, [8, 9]).vocabulary.names == data.collate(
        examples, [8, 9]).vocabulary.names


def test_an_image_without_segments_makes_a_batch(data):
    empty = TrainingExample(torch.zeros(3, 96, 128, dtype=torch.uint8),
                            Target(torch.zeros(0, dtype=torch.int64),
                                   torch.zeros(0, 96, 128, dtype=torch.bool)))
    for position in range(6):
        batch = data.collate([empty], [position])
        assert batch.targets[0].labels_T.shape == (0,)


@pytest.mark.parametrize('split', SPLITS)
def test_splits_look_for_what_they_say(split):
    benchmark = WorldBenchmark(split, rooms=2)
    assert set(benchmark.judged) <= set(benchmark.vocabulary.names)
    unseen = set(benchmark.vocabulary.synonyms) - LABELS
    if split in ('novel', 'pairs', 'synonyms'):
        assert set(benchmark.judged) <= unseen
    else:
        assert set(benchmark.judged) <= LABELS
    assert len(unseen) == {'base': 0, 'novel': len(NOVEL), 'pairs': 20, 'synonyms': 24,
                           'distractors': 100}[split]
    sample = benchmark[1]
    assert sample.image_rgb.shape == (240, 320, 3)
    assert set(np.unique(sample.ids)) - {0} == {segment.id for segment in sample.segments}
    for segment in sample.segments:
        if benchmark.vocabulary.is_thing[segment.class_index]:
            assert (sample.ids == segment.id).sum() >= MIN_AREA
    assert len(benchmark) == 2
    with pytest.raises(IndexError):
        benchmark[2]


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="no split 'odd'; expected one of base, novel"):
        WorldBenchmark('odd')


def test_synonyms_name_the_same_objects_as_the_base_names():
    base, synonyms = WorldBenchmark('base', 1)[0], WorldBenchmark('synonyms', 1)[0]
    assert base.segments == synonyms.segments
    names = WorldBenchmark('synonyms').vocabulary.names
    assert all(other in SYNONYMS[name]
               for name, other in zip(WorldBenchmark('base').vocabulary.names, names))


def test_views_are_the_same_at_the_same_place(cache):
    views = ClipViews(CachedFrames(FrameSet(CLIP_FRAMES.first_seed, rooms=2), cache), 0, 100)
    first, again = views[5], views[5]
    assert torch.equal(first.pixels_CHW, again.pixels_CHW)
    assert first.regions == again.regions
    assert not torch.equal(first.pixels_CHW, views[6].pixels_CHW)


def test_novel_things_are_always_boxes_and_base_things_sometimes(cache):
    frames = CachedFrames(FrameSet(CLIP_FRAMES.first_seed, rooms=3), cache)
    views = ClipViews(frames, 0, 100)
    boxed = {name: [] for name in THINGS}
    for view in (views[index] for index in range(24)):
        assert len(view.regions) == len(view.cells32_RL) == len(view.cells16_RL) > 0
        assert view.cells32_RL.any(dim=1).all()
        assert view.cells16_RL.any(dim=1).all()
        for region, cells in zip(view.regions, view.cells16_RL.view(-1, 18, 24)):
            assert region.category in CATEGORIES
            if region.category in THINGS:
                boxed[region.category].append(_is_box(cells))
    assert all(all(boxed[name]) for name in NOVEL)
    of_base = [is_box for name in BASE for is_box in boxed[name]]
    assert 0.5 < sum(of_base) / len(of_base) < 1        # a mask of few cells may be a box, too


def _is_box(cells):
    rows, columns = cells.any(dim=1).nonzero(), cells.any(dim=0).nonzero()
    box = cells[rows.min():rows.max() + 1, columns.min():columns.max() + 1].clone()
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        box[corner] = True      # half of a half may be less than half
    return bool(box.all())


def test_whole_views_have_exact_masks(cache):
    view = whole_view(CachedFrames(CLIP_FRAMES, cache)[0])
    assert view.pixels_CHW.shape == (3, 288, 384)
    assert int(view.cells16_RL.sum(dim=0).float().median()) == 1
