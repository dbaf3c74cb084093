# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms from seeds: what is in them, and that all of it is allowed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from eov_seg_core.world import COLORS, generate_scene, OBJECT_TYPES, SceneObject, SURFACE_NAMES
from eov_seg_core.world.reproducible import RandomStream, sin_cos

NAMES = [kind.name for kind in OBJECT_TYPES]
SEEDS = st.integers(0, 2 ** 63)


def contents(scene) -> list[tuple[str | None, str]]:
    return [(item.color, item.name) for item in scene.objects]


def overlap(first: SceneObject, second: SceneObject) -> bool:
    (low, high), (other_low, other_high) = first.extent, second.extent
    return bool((low < other_high - 1e-5).all() and (high > other_low + 1e-5).all())


def test_categories_and_colors_are_many_and_their_names_are_told_apart():
    every_name = [name for kind in OBJECT_TYPES for name in kind.names]
    every_name += [name for names in SURFACE_NAMES for name in names]
    assert len(every_name) == len(set(every_name))
    assert len(NAMES) >= 16
    assert len(COLORS) >= 10


def test_rooms_show_all_categories_and_colors_and_both_places():
    scenes = [generate_scene(seed) for seed in range(40)]
    pairs = [pair for scene in scenes for pair in contents(scene)]
    assert {name for _, name in pairs} == set(NAMES)
    assert {color for color, _ in pairs} == set(COLORS)
    on_others = [item for scene in scenes for item in scene.objects if item.stands_on > 3]
    assert len(on_others) > 20
    assert len({scene.room.finishes for scene in scenes}) == 40


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_objects_keep_to_the_room_and_to_themselves(seed):
    scene = generate_scene(seed)
    assert 4 <= len(scene.objects) <= 15
    assert [item.id for item in (*scene.surfaces, *scene.objects)] == list(
        range(1, 4 + len(scene.objects)))
    width, depth, height = scene.room.size
    for number, item in enumerate(scene.objects):
        low, high = item.extent
        assert (low >= np.array([-width / 2, -depth / 2, -1e-6])).all()
        assert (high <= np.array([width / 2, depth / 2, height])).all()
        assert high[2] < scene.light.position[2]
        assert not [other.name for other in scene.objects[:number]
                    if other.is_thing == item.is_thing and overlap(item, other)]


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_what_stands_on_another_touches_its_top(seed):
    scene = generate_scene(seed, categories=['table', 'mug', 'vase', 'lamp'])
    for item in scene.objects:
        bottom = item.box.center[2] - item.box.size[2] / 2
        if item.stands_on == 1:
            assert bottom == pytest.approx(0, abs=1e-6)
            continue
        carrier = scene.objects[item.stands_on - 4]
        assert carrier.name == 'table'
        assert bottom == pytest.approx(carrier.box.center[2] + carrier.box.size[2] / 2, abs=1e-6)
        assert carrier.box.contains((*item.box.center[:2], carrier.box.center[2]))


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, names=st.sets(st.sampled_from(NAMES), min_size=1, max_size=5),
       pairs=st.sets(st.tuples(st.sampled_from(list(COLORS)), st.sampled_from(NAMES)),
                     max_size=150))
def test_only_what_is_allowed_is_there(seed, names, pairs):
    try:
        scene = generate_scene(seed, categories=names, forbidden_pairs=pairs)
    except ValueError:
        assert all((color, name) in pairs for color in COLORS for name in names)
        return
    assert {name for _, name in contents(scene)} <= names
    assert not pairs.intersection(contents(scene))


def test_one_color_left_is_the_color_used():
    forbidden = [(color, 'chair') for color in COLORS if color != 'pink']
    scene = generate_scene(3, categories=['chair'], forbidden_pairs=forbidden)
    assert set(contents(scene)) == {('pink', 'chair')}


def test_the_order_of_the_categories_does_not_matter():
    first = generate_scene(5, categories=['mug', 'table', 'door'])
    second = generate_scene(5, categories=['door', 'mug', 'table'])
    assert contents(first) == contents(second)


@pytest.mark.parametrize('count', [0, 1, 20])
def test_as_many_objects_as_asked_for(count):
    assert len(generate_scene(11, object_count=(count, count)).objects) == count


@pytest.mark.parametrize('wanted', [
    [], [('red', 'chair')], [(None, 'ball'), ('blue', 'rug'), ('blue', 'rug')],
    [('green', 'bed')] * 9])
def test_a_list_of_objects_is_met_exactly(wanted):
    scene = generate_scene(2, objects=wanted, forbidden_pairs=[('black', 'ball')])
    assert sorted(name for _, name in contents(scene)) == sorted(name for _, name in wanted)
    for color, name in wanted:
        assert color is None or (color, name) in contents(scene)
    assert ('black', 'ball') not in contents(scene)


@pytest.mark.parametrize(('arguments', 'message'), [
    ({'seed': -1}, 'seed is -1'),
    ({'seed': 1.5}, 'seed is 1.5'),
    ({'seed': True}, 'seed is True'),
    ({'categories': []}, 'categories is empty'),
    ({'categories': 'chair'}, 'expected a list'),
    ({'categories': ['dragon']}, "'dragon'; expected one of: chair"),
    ({'categories': ['couch']}, "named 'couch'"),
    ({'forbidden_pairs': [('mauve', 'chair')]}, "'mauve'"),
    ({'forbidden_pairs': [('red', 'dragon')]}, "'dragon'"),
    ({'forbidden_pairs': ['red chair']}, 'expected .colour, category. pairs'),
    ({'forbidden_pairs': [(color, 'mug') for color in COLORS], 'categories': ['mug']},
     'leave no colour'),
    ({'object_count': (5, 4)}, 'object_count'),
    ({'object_count': (-1, 4)}, 'object_count'),
    ({'object_count': (0, 4000)}, 'object_count'),
    ({'objects': [('red', 'dragon')]}, "'dragon'"),
    ({'objects': [('mauve', 'mug')]}, "'mauve'"),
    ({'objects': [], 'categories': ['mug']}, 'both'),
    ({'objects': [('red', 'mug')], 'forbidden_pairs': [('red', 'mug')]}, 'forbid'),
    ({'objects': [('red', 'bed')] * 30}, '30 objects'),
])
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate_scene(**{'seed': 0, **arguments})


def test_sine_and_cosine_are_right():
    angles = np.linspace(-20, 20, 401)
    values = np.array([sin_cos(float(angle)) for angle in angles])
    np.testing.assert_allclose(values, np.stack([np.sin(angles), np.cos(angles)], 1), atol=1e-13)
    assert sin_cos(0.0) == (0.0, 1.0)


def test_random_streams_repeat_and_are_fair():
    first, again, other = (RandomStream(4, key).uniform() for key in (2, 2, 3))
    assert first == again != other
    rng = RandomStream(0)
    faces = [rng.integer(1, 6) for _ in range(6000)]
    assert set(faces) == {1, 2, 3, 4, 5, 6}
    assert abs(np.mean(faces) - 3.5) < 0.1
    noise = rng.noise(100_001)
    assert noise.shape == (100_001,)
    assert abs(noise.mean()) < 0.01
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert rng.noise(0).shape == (0,)
