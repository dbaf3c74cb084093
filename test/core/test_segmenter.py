# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The object that programs hold: images of any kind in, results of the wanted size out."""

import threading

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import torch

from benchmarks.random_weights import random_model
import eov_seg_core
from eov_seg_core import EOVSeg, Segmenter, Vocabulary
from eov_seg_core.inference.options import Superseded


@pytest.fixture(scope='module')
def segmenter(tmp_path_factory):
    # weights of the golden data: masks of many sizes and labels that differ
    made = Segmenter(random_model('t'), device='cpu', input_size=64, max_input_size=256,
                     overlap_threshold=0.0, embedding_cache_dir=tmp_path_factory.mktemp('cache'))
    made.set_vocabulary(Vocabulary(['person,pedestrian', 'chair'], ['floor', 'wall']))
    return made


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def check_consistent(result, size, vocabulary):
    """Every pixel, segment and class tells the same story."""
    assert result.instance.shape == result.semantic.shape == result.confidence.shape == size
    assert result.instance.dtype == result.semantic.dtype == np.int32
    assert result.confidence.dtype == np.uint8
    assert [segment.id for segment in result.segments] == list(range(1, len(result.segments) + 1))
    assert set(np.unique(result.instance)) <= {0, *(segment.id for segment in result.segments)}
    assert ((result.semantic == 0) == (result.instance == 0)).all()
    for segment in result.segments:
        inside = result.instance == segment.id
        assert inside.sum() == segment.area
        assert (result.semantic[inside] == segment.class_id).all()
        assert segment.name == vocabulary.names[segment.class_id - 1]
        assert segment.is_thing == vocabulary.is_thing[segment.class_id - 1]
        assert 0 <= segment.score <= 1
        if segment.area:
            rows, columns = np.nonzero(inside)
            assert segment.bbox_xyxy == (columns.min(), rows.min(), columns.max() + 1,
                                         rows.max() + 1)


@settings(max_examples=25, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 150), width=st.integers(1, 150), seed=st.integers(0, 9))
def test_any_size_gives_a_consistent_result(segmenter, height, width, seed):
    result = segmenter(picture(height, width, seed))
    check_consistent(result, (height, width), segmenter.vocabulary)


def test_the_weights_find_things_and_stuff(segmenter):
    """So that the tests of consistency have something to look at."""
    segments = [segment for seed in range(4)
                for segment in segmenter(picture(90, 90, seed)).segments]
    assert {segment.is_thing for segment in segments} == {True, False}
    assert len(segments) >= 8


def test_output_size(segmenter):
    check_consistent(segmenter(picture(60, 80), output_size=(31, 47)), (31, 47),
                     segmenter.vocabulary)


def test_one_pixel_wide_and_very_long(segmenter):
    check_consistent(segmenter(picture(1000, 1)), (1000, 1), segmenter.vocabulary)
    check_consistent(segmenter(picture(1, 3000)), (1, 3000), segmenter.vocabulary)


def test_no_resize_when_input_size_is_none(tiny_model, tmp_path):
    segmenter = Segmenter(tiny_model, device='cpu', input_size=None, keep_raw=True,
                          embedding_cache_dir=tmp_path)
    segmenter.set_vocabulary(Vocabulary(['chair']))
    assert segmenter(picture(40, 70)).raw.mask_logits.shape == (50, 16, 24)


def test_lists_are_batches(segmenter):
    images = [picture(60, 80), picture(80, 60, 1), picture(50, 50, 2)]
    results = segmenter(images, [None, (20, 30), None])
    for result, size in zip(results, [(60, 80), (20, 30), (50, 50)]):
        check_consistent(result, size, segmenter.vocabulary)
    assert segmenter([]) == []
    (alone,) = segmenter([images[0]])
    np.testing.assert_array_equal(alone.instance, segmenter(images[0]).instance)


def test_a_batch_of_equal_images_gives_equal_results(segmenter):
    first, second = segmenter([picture(60, 80), picture(60, 80)])
    np.testing.assert_array_equal(first.instance, second.instance)


def test_memory_layout_does_not_matter(segmenter):
    image = picture(60, 80)
    expected = segmenter(image).instance
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    frozen = image.copy()
    frozen.flags.writeable = False
    for same in (bgr[:, :, ::-1], np.asfortranarray(image), frozen):
        np.testing.assert_array_equal(segmenter(same).instance, expected)
    np.testing.assert_array_equal(image, picture(60, 80))


@pytest.mark.parametrize('size', [(0, 5), (5,), (5, 5.5), 'ab', (-1, 2), (True, 2), 7])
def test_bad_output_sizes_are_refused(segmenter, size):
    with pytest.raises(ValueError, match='output size'):
        segmenter(picture(8, 8), output_size=size)


def test_wrong_number_of_output_sizes_is_refused(segmenter):
    with pytest.raises(ValueError, match='expected a list of 2'):
        segmenter([picture(8, 8)] * 2, [(4, 4)])


@pytest.mark.parametrize(('options', 'message'), [
    ({'device': 'tpu'}, 'device'),
    ({'device': 'cuda:99'}, 'CUDA devices'),
    ({'precision': 'fp8'}, 'precision'),
    ({'input_size': 8}, 'input_size'),
    ({'input_size': 640, 'max_input_size': 600}, 'input_size'),
    ({'input_size': '640'}, 'input_size'),
    ({'input_size': 64.5}, 'input_size'),
    ({'input_size': True}, 'input_size'),
    ({'max_input_size': None}, 'max_input_size'),
    ({'score_threshold': '0.5'}, 'score_threshold'),
    ({'score_threshold': 1.5}, 'score_threshold must lie in 0..1, got 1.5'),
    ({'overlap_threshold': -0.1}, 'overlap_threshold'),
    ({'overlap_threshold': float('nan')}, 'overlap_threshold'),
    ({'keep_semantic': 'early'}, 'keep_semantic'),
])
def test_bad_settings_are_refused(tiny_model, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        Segmenter(tiny_model, embedding_cache_dir=tmp_path, **options)


def describe(result):
    return result.segments, result.instance.tolist()


def test_thresholds_of_a_call_are_of_that_call_alone(segmenter):
    """Calls with different thresholds in turn do not influence each other."""
    image = picture(90, 90, 1)
    usual = describe(segmenter(image))
    strict = describe(segmenter(image, score_threshold=0.5))
    assert strict != usual
    assert all(segment.score > 0.5 for segment in strict[0])
    for _ in range(2):
        assert describe(segmenter(image, score_threshold=1.0))[0] == []
        assert describe(segmenter(image)) == usual
        assert describe(segmenter(image, score_threshold=0.5)) == strict
    assert len(segmenter(image, overlap_threshold=1.0).segments) < len(usual[0])
    assert (segmenter.score_threshold, segmenter.overlap_threshold) == (0.0, 0.0)


def test_thresholds_of_a_call_replace_the_segmenters(segmenter):
    image, thresholds = picture(90, 90, 1), segmenter.thresholds
    expected = describe(segmenter(image, score_threshold=0.5))
    usual = describe(segmenter(image))
    try:
        segmenter.score_threshold = 0.5
        assert describe(segmenter(image)) == expected
        assert describe(segmenter(image, score_threshold=0.0)) == usual
    finally:
        segmenter.thresholds = thresholds


def test_thresholds_of_a_call_hold_for_each_image_of_a_list(segmenter):
    images = [picture(90, 90, 0), picture(90, 90, 1)]
    for result in segmenter(images, score_threshold=0.5):
        assert result.segments
        assert all(segment.score > 0.5 for segment in result.segments)
    assert segmenter([], score_threshold=0.5) == []
    for result in segmenter(images, score_threshold=1.0):
        assert result.segments == []


@pytest.mark.parametrize(('name', 'value'), [
    ('score_threshold', 1.5), ('score_threshold', '0.5'), ('overlap_threshold', float('nan')),
    ('overlap_threshold', -0.1)])
def test_bad_thresholds_of_a_call_are_refused(segmenter, name, value):
    with pytest.raises(ValueError, match=f'{name} must lie in 0..1, got '):
        segmenter(picture(8, 8), **{name: value})
    with pytest.raises(ValueError, match=f'{name} must lie in 0..1, got '):
        segmenter([], **{name: value})


def test_no_vocabulary_yet(tiny_model, tmp_path):
    segmenter = Segmenter(tiny_model, device='cpu', embedding_cache_dir=tmp_path)
    assert segmenter.vocabulary is None
    with pytest.raises(RuntimeError, match='set_vocabulary'):
        segmenter(picture(8, 8))


def test_a_refused_vocabulary_leaves_the_old_one(segmenter):
    before = segmenter.vocabulary
    with pytest.raises(ValueError, match='got 0'):
        segmenter.set_vocabulary(Vocabulary())
    with pytest.raises(ValueError, match='expected a Vocabulary'):
        segmenter.set_vocabulary(['chair'])
    with pytest.raises(ValueError, match='training_names'):
        segmenter.set_vocabulary(Vocabulary(['chair']), training_names='chair')
    assert segmenter.vocabulary is before


def test_one_name(segmenter, tmp_path, tiny_model):
    alone = Segmenter(tiny_model, device='cpu', input_size=64, embedding_cache_dir=tmp_path)
    alone.set_vocabulary(Vocabulary(stuff=['floor']))
    check_consistent(alone(picture(40, 50)), (40, 50), alone.vocabulary)


def test_training_names_decide_what_is_seen(tiny_model, tmp_path):
    segmenter = Segmenter(tiny_model, device='cpu', embedding_cache_dir=tmp_path)
    vocabulary = Vocabulary(['person', 'unicorn'])
    default = segmenter.prepare_vocabulary(vocabulary).embedding.seen_K
    assert default.tolist() == [True, False]      # COCO, what the variants are trained on
    named = segmenter.prepare_vocabulary(vocabulary, ['unicorn,horse']).embedding.seen_K
    assert named.tolist() == [False, True]
    assert segmenter.prepare_vocabulary(vocabulary, []).embedding.seen_K.tolist() == [False] * 2


def test_variant_t_names_the_words_that_it_never_learned(tmp_path, caplog):
    """51 classes of COCO have one and the same embedding there."""
    segmenter = Segmenter.from_pretrained('t', device='cpu', embedding_cache_dir=tmp_path)
    for known in ('world', 'world_labels'):
        segmenter.set_vocabulary(Vocabulary.preset(known))
        assert segmenter.unknown_words(Vocabulary.preset(known)) == ()
    assert caplog.messages == []
    coco = Vocabulary.preset('coco_panoptic')
    segmenter.set_vocabulary(coco)
    unknown = segmenter.unknown_words(coco)
    assert {'elephant', 'girl', 'bicycles'} <= set(unknown)
    assert {'chair', 'couch', 'traffic light'}.isdisjoint(unknown)
    message, = caplog.messages
    assert f'variant t never learned {len(unknown)} of the 254 names' in message
    assert "'child', 'girl'" in message
    assert message.endswith('more. It knows the words of the vocabulary preset world_labels')


def test_names_that_clip_cuts_alike_are_named(segmenter, caplog):
    segmenter.prepare_vocabulary(Vocabulary(['床' * 190 + 'a', '床' * 190 + 'b']))
    message, = caplog.messages
    assert message.startswith('2 names are the same to CLIP')
    assert f": '{'床' * 40}'..., '{'床' * 40}'.... Shorten them" in message


def test_a_vocabulary_is_prepared_beside_running_frames(segmenter):
    """The swap never happens inside a frame: every result has the names of one vocabulary."""
    old = segmenter.vocabulary
    new = Vocabulary([f'thing {i}' for i in range(30)])
    prepared = []
    thread = threading.Thread(
        target=lambda: prepared.append(segmenter.prepare_vocabulary(new)))
    thread.start()
    while not prepared:
        names = {segment.name for segment in segmenter(picture(40, 50)).segments}
        assert names <= set(old.names)
    thread.join()
    segmenter.use_vocabulary(prepared[0])
    assert {segment.name for segment in segmenter(picture(40, 50)).segments} <= set(new.names)
    segmenter.set_vocabulary(old)


def test_a_vocabulary_that_is_no_longer_wanted_is_given_up(segmenter):
    before = segmenter.vocabulary
    with pytest.raises(Superseded):
        segmenter.prepare_vocabulary(Vocabulary([f'unheard {i}' for i in range(300)]),
                                     is_wanted=lambda: False)
    assert segmenter.vocabulary is before
    segmenter.prepare_vocabulary(before, is_wanted=lambda: False)     # known words take no time


def test_the_text_tower_can_be_released(tiny_model, tmp_path):
    segmenter = Segmenter(tiny_model, device='cpu', input_size=64, embedding_cache_dir=tmp_path)
    segmenter.set_vocabulary(Vocabulary(['cat', 'dog']))
    tiny_model.release_text_tower()
    segmenter.set_vocabulary(Vocabulary(['dog']))
    check_consistent(segmenter(picture(40, 50)), (40, 50), segmenter.vocabulary)
    with pytest.raises(RuntimeError, match="'bird'"):
        segmenter.set_vocabulary(Vocabulary(['bird']))
    with pytest.raises(RuntimeError, match='released before'):
        Segmenter(tiny_model, device='cpu', embedding_cache_dir=tmp_path).set_vocabulary(
            Vocabulary(['dog']))


def test_from_pretrained(tiny_model, tmp_path):
    path = tmp_path / 'tiny.safetensors'
    tiny_model.save(path)
    segmenter = Segmenter.from_pretrained('t', checkpoint=path, device='cpu', input_size=64,
                                          embedding_cache_dir=tmp_path)
    assert segmenter.model.weights_digest is not None
    with pytest.raises(ValueError, match="'s' has no built-in weights.*checkpoint"):
        Segmenter.from_pretrained('s')


def test_optional_outputs_are_absent_by_default(segmenter):
    result = segmenter(picture(20, 20))
    assert result.semantic_scores is result.instances is result.raw is None


def test_half_precision_is_finite(tiny_model, tmp_path):
    for precision in ('mixed', 'fp16', 'bf16'):
        segmenter = Segmenter(tiny_model, device='cpu', precision=precision, input_size=64,
                              keep_raw=True, embedding_cache_dir=tmp_path)
        segmenter.set_vocabulary(Vocabulary(['cat']))
        raw = segmenter(picture(40, 50)).raw
        assert np.isfinite(raw.class_log_probs).all()
        assert np.isfinite(raw.mask_logits).all()
        assert raw.mask_logits.dtype == np.float32


def test_segmenters_of_different_precision_share_a_model(tiny_model, tmp_path):
    settings_ = {'device': 'cpu', 'input_size': 64, 'keep_raw': True,
                 'embedding_cache_dir': tmp_path}
    full = Segmenter(tiny_model, precision='fp32', **settings_)
    half = Segmenter(tiny_model, precision='fp16', **settings_)
    for each in (full, half):
        each.set_vocabulary(Vocabulary(['cat']))
    first = full(picture(40, 50)).raw.class_log_probs
    assert (half(picture(40, 50)).raw.class_log_probs != first).any()
    np.testing.assert_array_equal(full(picture(40, 50)).raw.class_log_probs, first)


def test_new_weights_have_new_embeddings(tmp_path):
    """Weights loaded into a model that a segmenter holds must not be mixed with cached text."""
    models = [random_model('t'), EOVSeg.from_variant('t')]
    other = models[1].official_state_dict()
    segmenter = Segmenter(models[0], device='cpu', embedding_cache_dir=tmp_path / 'a')
    before = segmenter.prepare_vocabulary(Vocabulary(['cat'])).embedding.text_NE
    models[0].load_official_state_dict(other)
    after = segmenter.prepare_vocabulary(Vocabulary(['cat'])).embedding.text_NE
    fresh = Segmenter(models[1], device='cpu', embedding_cache_dir=tmp_path / 'b')
    torch.testing.assert_close(
        after, fresh.prepare_vocabulary(Vocabulary(['cat'])).embedding.text_NE)
    assert not torch.allclose(before, after)


def test_results_compare_by_identity(segmenter):
    result = segmenter(picture(20, 20))
    assert result == result
    assert result != segmenter(picture(20, 20))


def test_public_names():
    for name in eov_seg_core.__all__:
        assert getattr(eov_seg_core, name).__name__ == name
    with pytest.raises(AttributeError, match='nothing'):
        eov_seg_core.nothing  # noqa: B018
