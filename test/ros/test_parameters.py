# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of parameters, class ids and the log bridge; nothing here needs ROS."""

from __future__ import annotations

import ast
from dataclasses import fields
import logging
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest
import yaml

from eov_seg_core.device.precision import PRECISIONS
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_ros import log_bridge
from eov_seg_ros.class_ids import ClassIds, MAX_CLASS_ID
from eov_seg_ros.log_bridge import forward_logging
from eov_seg_ros.middleware.transport import advice
from eov_seg_ros.parameter_spec import markdown_table
from eov_seg_ros.parameters import Parameters, specs

CHECKOUT = Path(__file__).parents[2]


def test_the_documentation_has_this_table():
    assert markdown_table(specs()) in (CHECKOUT / 'docs/ros_api.md').read_text(encoding='utf-8')


def test_precisions_are_those_of_the_network():
    """The list stands in the parameters once more: PyTorch is not imported to declare them."""
    precision, = (spec for spec in specs() if spec.name == 'precision')
    assert precision.choices == PRECISIONS


def test_every_parameter_is_read_somewhere():
    """A parameter that nothing reads would be accepted and ignored."""
    read = set()
    for path in (CHECKOUT / 'eov_seg_ros').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.add(node.attr)
            if isinstance(node, ast.Constant) and node.value == 'autostart':
                read.add('autostart')
    assert {entry.name for entry in fields(Parameters)} <= read


def test_the_shipped_configuration_names_real_parameters_with_valid_values():
    content = yaml.safe_load((CHECKOUT / 'config/segment.yaml').read_text(encoding='utf-8'))
    (_, body), = content.items()
    values = {}

    def flatten(prefix, entries):
        for name, value in entries.items():
            if isinstance(value, dict):
                flatten(f'{prefix}{name}.', value)
            else:
                values[prefix + name] = value
    flatten('', body['ros__parameters'])
    table = {spec.name: spec for spec in specs()}
    assert set(values) <= set(table)
    for name, value in values.items():
        expected = table[name].default
        assert type(value) is (list if isinstance(expected, tuple) else type(expected)), name
    Parameters.from_values(values)


@pytest.mark.parametrize('path', sorted((CHECKOUT / 'config/vocabularies').glob('*.yaml')),
                         ids=lambda path: path.stem)
def test_shipped_vocabularies_are_valid(path):
    assert len(Vocabulary.from_file(path)) > 5


@pytest.mark.parametrize(('values', 'reason'), [
    ({'score_threshold': -0.1}, 'score_threshold must lie in 0 to 1, got -0.1'),
    ({'score_threshold': float('nan')}, 'score_threshold'),
    ({'input_size': 31}, 'at least 32'),
    ({'input_size': 2561}, 'input_size'),
    ({'variant': 'x'}, 'one of t, s, m, l'),
    ({'precision': 'int8'}, 'precision'),
    ({'device': 'gpu'}, 'cuda:N'),
    ({'device': 'cuda:'}, 'cuda:N'),
    ({'vocabulary.things': ['a', 'a']}, "'a'"),
    ({'vocabulary.things': [True]}, 'strings'),
    ({'vocabulary.stuff': ['Unlabeled']}, 'class 0'),
    ({'vocabulary.things': None}, r'\[\]'),
    ({'vocabulary.things': 'a'}, 'list of strings'),
    ({'vocabulary.things': ['a'], 'vocabulary.preset': 'no_such'}, 'no_such'),
])
def test_invalid_values_are_refused(values, reason):
    with pytest.raises(ValueError, match=reason):
        Parameters.from_values(values)


def test_preset_is_used_while_both_lists_are_empty():
    assert Parameters().vocabulary == Vocabulary.preset('coco_panoptic')
    parameters = Parameters.from_values({'vocabulary.stuff': ['sky'], 'foreign': 1})
    assert parameters.vocabulary == Vocabulary(stuff=['sky'])


names_list = st.lists(st.sampled_from('abcdefgh'), max_size=10)


@given(st.lists(names_list, max_size=6))
def test_a_name_keeps_its_id_and_no_id_has_two_names(vocabularies):
    class_ids = ClassIds()
    known = {}
    for names in vocabularies:
        labels = class_ids.assign(names)
        assert len(set(labels.ids)) == len(names)
        assert all(1 <= number <= MAX_CLASS_ID for number in labels.ids)
        for position, (name, number) in enumerate(zip(names, labels.ids)):
            key = name, names[:position].count(name)
            assert known.setdefault(key, number) == number
    assert len(set(known.values())) == len(known)


def test_names_that_clip_cannot_tell_apart_have_one_id():
    class_ids = ClassIds()
    assert class_ids.assign(['chair', 'café']).ids == (1, 2)
    assert class_ids.assign(['Café', 'table', 'Chair ']).ids == (2, 3, 1)
    assert class_ids.assign(['chair', 'Chair']).ids == (1, 4)     # homonyms of a data set


def test_ids_run_out_with_a_clear_error_and_nothing_is_given_out():
    class_ids = ClassIds()
    class_ids.assign([str(number) for number in range(MAX_CLASS_ID)])
    for method in (class_ids.check, class_ids.assign):
        with pytest.raises(ValueError, match='65535'):
            method(['new'])
    assert class_ids.assign(['7']).ids == (8,)
    assert class_ids.assign([]).ids == ()


@given(st.lists(st.integers(0, 400).map(lambda first: range(first, first + 200)), max_size=6))
def test_mono8_is_never_left_and_ids_are_reused_only_when_none_is_left(vocabularies):
    class_ids, known = ClassIds('mono8'), {}
    for numbers in vocabularies:
        labels = class_ids.assign([str(number) for number in sorted(numbers)])
        assert labels.semantic_encoding == 'mono8'
        assert len(set(labels.ids)) == len(numbers)
        assert all(1 <= class_id <= 255 for class_id in labels.ids)
        for name, class_id in zip(labels.names, labels.ids):
            if len(known) <= 255:
                assert known.setdefault(name, class_id) == class_id


def test_the_first_removed_name_gives_its_id_away_first():
    class_ids = ClassIds('mono8')
    class_ids.assign([f'name {number}' for number in range(1, 256)])
    class_ids.assign([f'name {number}' for number in range(2, 256)])    # name 1 is gone
    class_ids.assign([f'name {number}' for number in range(3, 256)])    # then name 2
    assert class_ids.assign(['name 3', 'new', 'newer']).ids == (3, 1, 2)
    assert class_ids.assign(['name 3', 'name 1']).ids[0] == 3
    with pytest.raises(ValueError, match='256 names do not fit'):
        class_ids.check(['x'] * 256)
    with pytest.raises(ValueError, match='semantic_encoding: mono16'):
        ClassIds('mono8').assign([str(number) for number in range(256)])


def test_auto_is_settled_by_the_first_names():
    names = [str(number) for number in range(300)]
    small, large = ClassIds(), ClassIds()
    assert small.assign(names[:255]).semantic_encoding == 'mono8'
    assert large.assign(names[:256]).semantic_encoding == 'mono16'
    assert small.assign(names[100:300]).semantic_encoding == 'mono8'
    assert large.assign(names[:3]).semantic_encoding == 'mono16'
    with pytest.raises(ValueError, match='do not fit'):
        small.assign(names)


def test_complaints_of_one_kind_are_repeated_seldom(monkeypatch):
    now_s = [100.0]
    monkeypatch.setattr(log_bridge.time, 'monotonic', lambda: now_s[0])
    repeats = log_bridge.Repeats(10.0)
    assert repeats.is_due('size')
    assert not repeats.is_due('size')
    assert repeats.is_due(('left', 'size'))
    now_s[0] += 10.0
    assert repeats.is_due('size')
    for number in range(500):
        assert repeats.is_due(number)
    assert len(repeats._said_s) <= 200


def test_errors_of_one_line_are_of_one_kind():
    def raised(text, kind=ValueError):
        try:
            if kind is KeyError:
                raise KeyError(text)
            raise ValueError(text)
        except (ValueError, KeyError) as error:
            return log_bridge.kind_of(error)

    assert raised('a') == raised('b')
    assert raised('a') != raised('a', KeyError)
    assert log_bridge.kind_of(ValueError('never raised')) == (ValueError,)


@pytest.mark.parametrize(('rmw', 'environment', 'expected'), [
    ('rmw_fastrtps_cpp', {}, 'dds_profile:=loopback'),
    ('rmw_fastrtps_cpp', {'FASTRTPS_DEFAULT_PROFILES_FILE': '/p.xml'}, 'Fast DDS profile /p.xml'),
    ('rmw_fastrtps_cpp', {'FASTDDS_DEFAULT_PROFILES_FILE': '/q.xml'}, 'Fast DDS profile /q.xml'),
    ('rmw_cyclonedds_cpp', {}, 'config/cyclonedds.xml'),
    ('rmw_cyclonedds_cpp', {'CYCLONEDDS_URI': 'x'}, 'the middleware rmw_cyclonedds_cpp'),
    ('rmw_zenoh_cpp', {}, 'the middleware rmw_zenoh_cpp'),
])
def test_advice_about_lost_images_names_the_cure(rmw, environment, expected, tmp_path):
    limit = tmp_path / 'rmem_max'
    assert expected in advice(rmw, environment, limit)
    limit.write_text('212992\n')
    assert ('net.core.rmem_max is 212992' in advice(rmw, environment, limit)) == (
        'dds_profile' not in expected)
    limit.write_text('8388608\n')
    assert 'rmem_max' not in advice(rmw, environment, limit)


class FakeRosLogger:
    def __init__(self):
        self.lines = []

    def __getattr__(self, level):
        return lambda text: self.lines.append((level, text))


def test_core_log_records_reach_ros_with_level_and_arguments():
    ros_logger = FakeRosLogger()
    log = logging.getLogger('eov_seg_core.anything')
    log.propagate = True    # where launch was imported before, new loggers do not
    with forward_logging(ros_logger):
        log.debug('not shown')
        log.info('%d names', 3)
        log.warning('careful')
        log.error('bad')
        log.critical('worse')
        logging.getLogger('elsewhere').error('not ours')
    log.error('after the end')
    assert ros_logger.lines == [('info', '3 names'), ('warning', 'careful'), ('error', 'bad'),
                                ('fatal', 'worse')]
