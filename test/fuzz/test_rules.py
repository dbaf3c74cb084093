# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sequences of changes that hypothesis makes up, against the rules that the documentation states.

It looks for the shortest sequence that breaks one.  No ROS: what is tried is what decides.
"""

from __future__ import annotations

from fuzz.sandbox import count, SEED
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, RuleBasedStateMachine
import pytest

from eov_seg_core.vocabulary import canonical_form
from eov_seg_ros.class_ids import ClassIds, SEMANTIC_ENCODINGS
from eov_seg_ros.pipeline.word_lists import consequences, STUFF, THINGS

WORDS = ('chair', 'Chair', ' chair', 'cup', 'floor', 'wall', 'caf\u00e9', 'cafe\u0301', 'sofa')
"""Some are one word to CLIP."""
NAMES = st.lists(st.sampled_from(WORDS), max_size=8)
MANY = st.integers(0, 400).flatmap(
    lambda first: st.integers(0, 300).map(
        lambda number: [f'name {index}' for index in range(first, first + number)]))


class Ids(RuleBasedStateMachine):
    """Published class ids: unique, within the encoding, and a name that stays keeps its own."""

    @initialize(encoding=st.sampled_from(['auto', 'mono8', 'mono16']))
    def start(self, encoding):
        self.encoding, self.ids = encoding, ClassIds(encoding)
        self.names, self.before, self.ever, self.fixed = [], {}, {}, None

    @rule(names=NAMES | MANY)
    def assign(self, names):
        try:
            self.ids.check(names)
        except ValueError:
            with pytest.raises(ValueError, match='mono8'):
                self.ids.assign(names)
            return
        space = self.ids.assign(names)
        self.fixed = self.fixed or space.semantic_encoding
        now = dict(zip(_numbered(names), space.ids))
        assert space.semantic_encoding == self.fixed
        assert len(set(space.ids)) == len(names) == len(space.ids)
        assert all(1 <= one <= SEMANTIC_ENCODINGS[self.fixed] for one in space.ids)
        assert all(self.before[name] == now[name] for name in self.before.keys() & now.keys())
        if self.fixed == 'mono16':      # never handed out twice
            assert all(self.ever.setdefault(one, name) == name for name, one in now.items())
        self.names, self.before = names, now

    @invariant()
    def the_same_names_have_the_same_ids(self):
        if getattr(self, 'names', None):
            assert dict(zip(_numbered(self.names), self.ids.assign(self.names).ids)) == self.before


class Lists(RuleBasedStateMachine):
    """Word lists set one after the other: no word is in both, the later one is as it was set."""

    def __init__(self):
        super().__init__()
        self.lists = {THINGS: [], STUFF: []}

    @rule(name=st.sampled_from([THINGS, STUFF]), entries=st.lists(
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(','.join), max_size=5))
    def set_one(self, name, entries):
        other = STUFF if name == THINGS else THINGS
        before = _words(self.lists[other])
        self.lists |= {name: entries}
        self.lists |= consequences({**self.lists, name: []}, {name: entries})
        assert self.lists[name] == entries
        assert _words(self.lists[other]) == before - _words(entries)

    @invariant()
    def no_word_is_in_both(self):
        assert not _words(self.lists[THINGS]) & _words(self.lists[STUFF])
        assert all(self.lists[name] == [entry for entry in self.lists[name] if entry]
                   for name in self.lists)


def _numbered(names):
    """Return each name as CLIP sees it, with its number among equal names."""
    forms = [canonical_form(name) for name in names]
    return [(form, forms[:index].count(form)) for index, form in enumerate(forms)]


def _words(entries):
    return {canonical_form(name) for entry in entries for name in entry.split(',')}


def _with_settings(machine):
    """Return the machine's tests with as many examples as the form asks for."""
    case = machine.TestCase
    case.settings = settings(max_examples=count(60), stateful_step_count=20)
    return seed(SEED)(case)


TestIds = _with_settings(Ids)
TestLists = _with_settings(Lists)
