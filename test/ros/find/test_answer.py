# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which objects a word means, and what is said of them."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from vision_msgs.msg import Detection3DArray  # noqa: E402

from eov_seg_core.vocabulary import Vocabulary  # noqa: E402
from eov_seg_ros.find.answer import (  # noqa: E402
    class_of,
    entries_of,
    known_objects,
    matching,
    near_words,
    summary,
    without_borrowed,
)
from eov_seg_ros.space.messages import detection  # noqa: E402

WORDS = Vocabulary(['sofa,couch', 'stapler', 'shelf', 'glass'], ['floor'])


def header(stamp_s: float) -> Header:
    message = Header(frame_id='odom')
    message.stamp.sec, message.stamp.nanosec = int(stamp_s), round(stamp_s % 1 * 1e9)
    return message


def memory(*names: str, stamp_s: float = 1000.0, step_s: float = 10.0) -> Detection3DArray:
    """Return objects that were seen one after the other, the first one just now."""
    return Detection3DArray(header=header(stamp_s), detections=[
        detection(header(stamp_s - step_s * number), number + 1, name, 0.9,
                  Pose(position=Point(x=float(number), y=2.0, z=0.5)), (0.3, 0.2, 0.1))
        for number, name in enumerate(names)])


def known(*names: str):
    return known_objects(memory(*names), None, 1000.0)


@pytest.mark.parametrize(('query', 'found'), [
    ('stapler', ['2', '4']), ('STAPLERS', ['2', '4']), ('couch', ['1']), ('couches', ['1']),
    ('shelves', ['3']), ('glass', ['5']), ('glasses', ['5']), ('lamp', []), ('gla', [])])
def test_a_word_means_the_objects_of_its_class_the_newest_first(query, found):
    objects = known('sofa', 'stapler', 'shelf', 'stapler', 'glass')
    assert [item.id for item in matching(query, objects, WORDS)] == found


def test_a_name_that_is_no_word_any_more_still_means_its_objects():
    assert [item.id for item in matching('robot', known('robot'), WORDS)] == ['1']


def test_nothing_is_known_of_nothing():
    assert matching('stapler', [], WORDS) == []
    assert known() == []
    assert summary([]) == 'nothing'


def test_words_say_whether_they_are_things():
    assert class_of('couches', WORDS) == ('sofa', True)
    assert class_of('floor', WORDS) == ('floor', False)
    assert class_of('lamp', WORDS) is None


def test_words_that_are_spelt_nearly_so_are_named():
    assert near_words('stappler', WORDS.names) == ['stapler']
    for word in ('xylophone', 'zebra'):
        assert near_words(word, ['ball', 'bed', *WORDS.names]) == []
    assert near_words('x', []) == []


def test_words_are_listed_as_the_parameters_have_them():
    assert entries_of(WORDS) == (['sofa,couch', 'stapler', 'shelf', 'glass'], ['floor'])


@pytest.mark.parametrize(('now', 'before', 'rest'), [
    (['chair', 'cup'], ['chair'], ['chair']),
    (['chair', 'cup', 'pen'], ['chair'], ['chair', 'pen']),     # another word was borrowed later
    (['chair', 'cup'], ['chair', 'pen'], ['chair']),            # and that of before given back
    (['chair'], ['chair'], None),                               # nothing to give back
    (['cup', 'car', 'bus'], ['chair', 'bed'], None),            # words of somebody else
])
def test_a_borrowed_word_is_taken_out_of_words_that_others_changed(now, before, rest):
    assert without_borrowed('cup', now, before) == rest


def test_the_summary_counts_and_ends():
    text = summary(known('cup', 'sofa', 'cup', *(f'name{number}' for number in range(9))))
    assert text.startswith('2 cup, 1 sofa, ')
    assert text.endswith(' and 3 more names')


def test_age_is_by_the_clock_or_by_the_memory_where_the_clock_is_another():
    assert [item.age_s for item in known_objects(memory('a', 'b'), None, 1005.0)] == [5, 15]
    assert [item.age_s for item in known_objects(memory('a', 'b'), None, 9e9)] == [0, 10]
    assert [item.age_s for item in known_objects(memory('a'), None, 999.0)] == [0]
    here, gone = known_objects(memory('a', 'b'), None, 1000.0)
    assert 'in view' in str(here)
    assert 'seen 10 s ago' in str(gone)
    assert 'x 1.00 y 2.00 z 0.50 m in odom, 0.30 x 0.20 x 0.10 m' in str(gone)


def test_a_viewpoint_belongs_to_its_object_only_with_equal_stamps():
    turned = Pose(position=Point(x=4.0), orientation=Quaternion(z=0.5**0.5, w=0.5**0.5))
    views = PoseArray(header=header(1000.0), poses=[Pose(), turned])
    found = known_objects(memory('a', 'b'), views, 1000.0)
    assert (found[1].viewpoint.x, found[1].viewpoint.yaw_deg) == (4, pytest.approx(90))
    assert 'best seen from x 4.00 y 0.00, heading 90 deg' in str(found[1])
    assert found[1].as_json()['viewpoint']['x'] == 4
    for other in (PoseArray(header=header(1.0), poses=[Pose(), turned]),
                  PoseArray(header=header(1000.0), poses=[turned])):
        assert known_objects(memory('a', 'b'), other, 1000.0)[1].viewpoint is None
