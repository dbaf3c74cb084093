# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The vocabulary changes while frames flow: atomically, without loss, with stable ids."""

from __future__ import annotations

import time

from fake_segmenter import FakeSegmenter
import numpy as np
import pytest

pytestmark = pytest.mark.ros

WORDS = {'vocabulary__things': ['person', 'chair'], 'vocabulary__stuff': ['floor']}


def class_map(message):
    return {entry.class_id: entry.class_name for entry in message.class_map}


def names_of(message):
    return [detection.results[0].hypothesis.class_id for detection in message.detections]


def test_change_under_load_loses_no_frame_and_mixes_none(client, start_node):
    segmenter = FakeSegmenter(encode_delay_s=1.0)
    start_node(segmenter, **WORDS, detections_include_stuff=True)
    client.listen('detections', 'semantic', 'label_info')
    last = client.send_until(lambda: client.received['detections'])
    client.wait_for_answer(last, 'detections')
    client.received['detections'].clear()
    sent = []
    answered_s = []

    def send_for(seconds):
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            sent.append(last + len(sent) + 1)
            client.send(sent[-1])
            # A camera that waits for its answer: not one frame may be skipped.
            client.wait_for_answer(sent[-1], 'detections')

    send_for(0.2)
    before_s = time.monotonic()
    result, = client.set(atomically=True, vocabulary__things=['dog,puppy', 'chair'],
                         vocabulary__stuff=['grass', 'floor'])
    answered_s.append(time.monotonic() - before_s)
    assert result.successful
    send_for(2.0)

    assert answered_s[0] < 0.8, 'the parameter was answered before the text was encoded'
    assert segmenter.encodings == 2, 'both lists set atomically make one encoding'
    assert [m.header.stamp.sec for m in client.received['detections']] == sent
    words = [names_of(message) for message in client.received['detections']]
    old, new = ['person', 'chair', 'floor'], ['dog', 'chair', 'grass', 'floor']
    switch = words.index(new)
    assert switch > 1
    assert words == [old] * switch + [new] * (len(words) - switch)
    maps = [class_map(message) for message in client.received['label_info']]
    assert maps[-1] == {0: 'unlabeled', 4: 'dog', 2: 'chair', 5: 'grass', 3: 'floor'}
    assert maps[0] == {0: 'unlabeled', 1: 'person', 2: 'chair', 3: 'floor'}
    by_stamp = {m.header.stamp.sec: set(np.frombuffer(m.data, np.uint8).tolist())
                for m in client.received['semantic']}
    for message in client.received['detections']:
        expected = {0, 1, 2, 3} if names_of(message) == old else {0, 4, 2, 5, 3}
        assert by_stamp.get(message.header.stamp.sec, expected) == expected


def test_newer_words_do_not_wait_for_those_that_they_replace(client, start_node):
    """4000 new words that were replaced at once held up the newest ones for half a minute."""
    segmenter = FakeSegmenter()
    start_node(segmenter, **WORDS)
    client.listen('label_info')
    client.wait_for(lambda: client.received['label_info'])
    segmenter.encode_delay_s = 60.0
    assert client.set(vocabulary__things=['never', 'wanted'])[0].successful
    client.wait_for(lambda: segmenter.encodings == 2)
    segmenter.encode_delay_s = 0.0
    assert client.set(vocabulary__things=['cup'])[0].successful
    client.wait_for(lambda: 'cup' in class_map(client.received['label_info'][-1]).values())
    maps = [set(class_map(message).values()) for message in client.received['label_info']]
    assert not any('never' in names for names in maps)
    assert segmenter.given_up == 1


def test_200_changes_under_load_mix_no_frame_and_lose_none(client, start_node):
    from rcl_interfaces.srv import SetParametersAtomically

    from eov_seg_core.visualization import class_color

    lists = [(['person', 'chair'], ['floor']), (['chair'], ['wall', 'floor']),
             (['dog,puppy', 'chair', 'cat'], []), (['chair', 'new name'], ['floor'])]
    expected = {(*(entry.split(',')[0] for entry in things), *stuff) for things, stuff in lists}
    start_node(FakeSegmenter(delay_s=0.002), **WORDS, detections_include_stuff=True,
               overlay_alpha=1.0)
    client.listen('detections', 'semantic', 'overlay', 'label_info')
    last = client.send_until(lambda: client.received['detections'])
    client.wait_for_answer(last, 'detections')
    change = client.node.create_client(SetParametersAtomically,
                                       'eov_seg/set_parameters_atomically')
    client.wait_for(change.service_is_ready)
    for number in range(1, 201):
        things, stuff = lists[number % 4]
        future = change.call_async(SetParametersAtomically.Request(
            parameters=client.parameter_messages(vocabulary__things=things,
                                                 vocabulary__stuff=stuff)))
        client.send(last + number)
        client.wait_for_answer(last + number, 'detections')
        client.wait_for(future.done)
        assert future.result().result.successful
    client.wait_for(lambda: client.received['overlay'][-1].header.stamp.sec == last + 200)

    stamps = [message.header.stamp.sec for message in client.received['detections']]
    # Frames before ``last`` came in a burst, of which the node takes the newest.
    assert [stamp for stamp in stamps if stamp >= last] == list(range(last, last + 201)), (
        'no frame was lost')
    ids = {}
    for message in client.received['label_info']:
        for class_id, name in class_map(message).items():
            assert ids.setdefault(name, class_id) == class_id
    assert len(set(ids.values())) == len(ids)
    pixels = {topic: {message.header.stamp.sec: message for message in client.received[topic]}
              for topic in ('semantic', 'overlay')}
    switches = 0
    for before, message in zip([None, *client.received['detections']],
                               client.received['detections']):
        names = names_of(message)
        assert tuple(names) in expected
        switches += before is not None and names_of(before) != names
        semantic = pixels['semantic'][message.header.stamp.sec]
        found = np.frombuffer(semantic.data, np.uint8)
        assert set(found.tolist()) == {0, *(ids[name] for name in names)}, 'of one vocabulary'
        overlay = np.frombuffer(pixels['overlay'][message.header.stamp.sec].data, np.uint8)
        painted = overlay.reshape(-1, 3)[found == ids['chair']]     # names cover a part of it
        assert list(class_color('chair')) in painted.tolist()
    assert switches > 50


def test_label_info_comes_before_the_first_frame_of_its_vocabulary(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    order = []
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from vision_msgs.msg import Detection2DArray, LabelInfo

    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    client.node.create_subscription(
        LabelInfo, 'eov_seg/label_info', lambda m: order.append(sorted(class_map(m).values())),
        latched)
    client.node.create_subscription(
        Detection2DArray, 'eov_seg/detections', lambda m: order.append(names_of(m)), 10)
    last = client.send_until(lambda: ['person', 'chair'] in order)
    client.set(vocabulary__things=['cat'])
    client.send_until(lambda: ['cat'] in order, first=last + 1)
    assert order[0] == ['chair', 'floor', 'person', 'unlabeled']
    assert order.index(['cat', 'floor', 'unlabeled']) < order.index(['cat'])


def test_label_info_is_latched_for_late_subscribers_and_counts_versions(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    client.wait_for(lambda: client.state() == 'active')
    client.set(vocabulary__things=['cat'])
    client.listen('label_info', 'vision_info')
    client.wait_for(lambda: client.received['vision_info']
                    and client.received['vision_info'][-1].database_version == 2)
    client.wait_for(lambda: client.received['label_info']
                    and 'cat' in class_map(client.received['label_info'][-1]).values())
    assert client.received['vision_info'][-1].method == f'EOV-Seg t {"f" * 64}'
    assert client.received['vision_info'][-1].database_location == '/eov_seg/label_info'


@pytest.mark.parametrize(('values', 'reason'), [
    ({'vocabulary__things': ['a', '']}, 'empty'),
    ({'vocabulary__things': ['a', 'b', 'a']}, "'a'"),
    ({'vocabulary__things': ['x' * 201]}, '201'),
    ({'vocabulary__things': [f'name {n}' for n in range(4097)]}, '4096'),
    ({'vocabulary__things': [1, 2]}, 'strings'),
    ({'vocabulary__things': 'person'}, 'list of strings'),
    ({'vocabulary__preset': 'no_such'}, 'coco_panoptic'),
    ({'score_threshold': 1.5}, 'score_threshold'),
    ({'overlay_alpha': 'much'}, 'DOUBLE'),
    ({'variant': 'l'}, 'read-only'),
    ({'vocabulary__thing': ['a']}, 'does not exist; did you mean vocabulary.things'),
])
def test_refused_with_the_reason_and_nothing_changes(client, start_node, values, reason):
    segmenter = FakeSegmenter()
    start_node(segmenter, **WORDS)
    client.wait_for(lambda: client.state() == 'active')
    result, = client.set(**values)
    assert not result.successful
    assert reason in result.reason
    assert segmenter.encodings == 1
    result, = client.set(vocabulary__things=['still', 'alive'])
    assert result.successful


def test_empty_lists_of_any_type_bring_the_preset_back(client, start_node):
    from rclpy.parameter import Parameter

    start_node(FakeSegmenter(), vocabulary__things=['cat'], vocabulary__preset='cityscapes')
    client.listen('label_info')
    client.wait_for(lambda: client.received['label_info'])
    assert len(client.received['label_info'][-1].class_map) == 2
    # What `ros2 param set ... "[]"` sends is an empty list of booleans.
    from rcl_interfaces.srv import SetParameters
    message = Parameter('vocabulary.things', Parameter.Type.BOOL_ARRAY, []).to_parameter_msg()
    response = client.call(SetParameters, 'eov_seg/set_parameters',
                           SetParameters.Request(parameters=[message]))
    assert response.results[0].successful, response.results[0].reason
    client.wait_for(lambda: len(client.received['label_info'][-1].class_map) == 20)
    client.set(vocabulary__things=['cat'])
    client.wait_for(lambda: len(client.received['label_info'][-1].class_map) == 2)
    assert 1 in class_map(client.received['label_info'][-1]), 'cat keeps its id'


def test_deleting_the_list_is_refused(client, start_node):
    from rcl_interfaces.msg import Parameter, ParameterValue
    from rcl_interfaces.srv import SetParameters

    start_node(FakeSegmenter(), **WORDS)
    client.wait_for(lambda: client.state() == 'active')
    deletion = Parameter(name='vocabulary.things', value=ParameterValue())
    response = client.call(SetParameters, 'eov_seg/set_parameters',
                           SetParameters.Request(parameters=[deletion]))
    assert not response.results[0].successful
    assert '[]' in response.results[0].reason


def test_failed_encoding_keeps_the_old_words_and_can_be_tried_again(client, start_node):
    segmenter = FakeSegmenter()
    start_node(segmenter, **WORDS)
    client.listen('detections')
    last = client.send_until(lambda: client.received['detections'])
    assert client.set(vocabulary__things=['cannot be encoded'])[0].successful
    client.wait_for(lambda: 'the fake tower refuses' in client.log)
    client.received['detections'].clear()
    client.send_until(lambda: client.received['detections'], first=last + 1)
    assert names_of(client.received['detections'][-1]) == ['person', 'chair']
    client.set(vocabulary__things=['cannot be encoded'])
    client.wait_for(lambda: segmenter.encodings == 3)


def test_semantic_stays_mono8_for_a_life_of_many_names(client, start_node):
    start_node(FakeSegmenter(), vocabulary__things=['keeper'])
    client.listen('semantic', 'label_info')
    for round_number in range(4):
        names = ['keeper', *(f'name {100 * round_number + n}' for n in range(100))]
        assert client.set(vocabulary__things=names)[0].successful
        client.wait_for(lambda names=names: client.received['label_info'] and list(
            class_map(client.received['label_info'][-1]).values())[1:] == names)
        ids = class_map(client.received['label_info'][-1])
        assert ids[1] == 'keeper'
        assert max(ids) <= 255
    client.send_until(lambda: client.received['semantic'])
    assert client.received['semantic'][-1].encoding == 'mono8'
    result, = client.set(vocabulary__things=[f'{n}' for n in range(256)])
    assert not result.successful
    assert 'semantic_encoding: mono16' in result.reason


@pytest.mark.parametrize('order', [('vocabulary__things', 'vocabulary__stuff'),
                                   ('vocabulary__stuff', 'vocabulary__things')])
def test_a_file_of_parameters_that_swaps_words_between_the_lists(client, start_node, order):
    """What `ros2 param load` does: one request, one parameter after the other."""
    start_node(FakeSegmenter(), vocabulary__things=['cup,mug', 'Floor'],
               vocabulary__stuff=['wall', 'rug'])
    client.listen('label_info')
    client.wait_for(lambda: client.received['label_info'])
    new = {'vocabulary__things': ['wall', 'chair'], 'vocabulary__stuff': ['floor', 'mug']}
    results = client.set(**{name: new[name] for name in order})
    assert all(result.successful for result in results), results
    client.wait_for(lambda: list(class_map(client.received['label_info'][-1]).values()) == [
        'unlabeled', 'wall', 'chair', 'floor', 'mug'])


def test_the_list_that_is_set_later_takes_a_word_from_the_other(client, start_node):
    node = start_node(FakeSegmenter(), vocabulary__things=['sofa,couch', 'cup'],
                      vocabulary__stuff=['floor'])
    client.wait_for(lambda: client.state() == 'active')
    assert client.set(vocabulary__stuff=['floor', 'couch', 'cup'])[0].successful
    assert node.get_parameter('vocabulary.things').value == ['sofa'], 'shown as it is used'
    result, = client.set(atomically=True, vocabulary__things=['x'], vocabulary__stuff=['x'])
    assert not result.successful, 'set together, it is a mistake'


def test_the_file_sets_both_lists_at_the_start_and_later(client, start_node, tmp_path):
    first, second, broken = (tmp_path / name for name in ('a.txt', 'b.yaml', 'c.txt'))
    first.write_text('cup,mug\nstuff: floor\n')
    second.write_text('things: [dog]\nstuff: [grass]\n')
    broken.write_text('cup\ncup\n')
    node = start_node(FakeSegmenter(), vocabulary__file=str(first))
    client.listen('label_info')
    client.wait_for(lambda: client.received['label_info'] and list(
        class_map(client.received['label_info'][-1]).values()) == ['unlabeled', 'cup', 'floor'])
    assert node.get_parameter('vocabulary.things').value == ['cup,mug']
    assert client.set(vocabulary__file=str(second))[0].successful
    client.wait_for(lambda: list(
        class_map(client.received['label_info'][-1]).values()) == ['unlabeled', 'dog', 'grass'])
    for path in (broken, tmp_path / 'none.txt'):
        result, = client.set(vocabulary__file=str(path))
        assert not result.successful
        assert path.name in result.reason
    assert node.get_parameter('vocabulary.things').value == ['dog']
    result, = client.set(atomically=True, vocabulary__file=str(first), vocabulary__things=['x'])
    assert 'cannot be set together' in result.reason


def test_parameters_answer_while_a_frame_is_processed(client, start_node):
    start_node(FakeSegmenter(delay_s=1.0), **WORDS)
    client.listen('instance')
    client.send_until(lambda: client.received['instance'])
    client.send(10**6)
    time.sleep(0.1)
    started_s = time.monotonic()
    assert client.set(vocabulary__things=[f'name {n}' for n in range(250)])[0].successful
    assert time.monotonic() - started_s < 0.6
