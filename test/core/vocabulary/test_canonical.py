# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names are compared as CLIP's own tokenizer sees them."""

from __future__ import annotations

import html
import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer
import pytest

from eov_seg_core.inference.text_encoder import TEMPLATES
from eov_seg_core.vocabulary import canonical_form, Category, presets, Vocabulary

TOKENIZER = SimpleTokenizer()
# What could be cleaned away, joined or taken apart.  A lone 'Ã' is not among them: ftfy takes it
# for half of another letter or not, depending on what follows it.
PARTS = [
    'chair', 'Chair', 'CHAIR', 'ﬁre', 'fire', 'café', 'cafe\u0301', 'é', 'É', '&amp;', '&amp;amp;',
    '&', '&eacute;', '&nbsp;', ' ', '\t', '\n', '\u3000', '\xa0', '-', ' - ', '.', '!', '’', "'",
    "'s", 's', '1', '12', 'Ａ', 'a', 'ß', 'ẞ', 'SS', 'İ', 'i', 'i\u0307', 'ſ', 'K', '\u212a',
    '\u200b', '\ufeff', '\x07', '\x1b[31m', '<', '&lt;', '&#99;', 'à', '\x85', '…', '“', '"',
    '<start_of_text>', '<END_OF_TEXT>', '日本', '²', '٣', '😀', '\x1c']
NAMES = st.lists(st.sampled_from(PARTS), max_size=5).map(''.join).map(str.strip)
CHANGES = [str.upper, str.lower, str.title, lambda name: name.replace(' ', '  '), html.escape] + [
    lambda name, form=form: unicodedata.normalize(form, name)
    for form in ('NFC', 'NFD', 'NFKC', 'NFKD')]


def tokens(name):
    """What the tokenizer makes of a name in every prompt, before it cuts."""
    return [TOKENIZER.encode(template.format(name)) for template in TEMPLATES]


@settings(deadline=None, max_examples=300)
@given(NAMES, NAMES)
@example('t-shirt', 't - shirt')
@example('12', '1 2')
@example('wow!', 'wow !')
@example('\x07', '')
def test_forms_are_equal_exactly_if_tokens_are(first, second):
    assert (canonical_form(first) == canonical_form(second)) == (tokens(first) == tokens(second))


@settings(deadline=None, max_examples=300)
@given(NAMES, st.sampled_from(CHANGES))
def test_changed_names_are_the_same_exactly_if_their_tokens_are(name, change):
    changed = change(name).strip()
    assert (canonical_form(name) == canonical_form(changed)) == (tokens(name) == tokens(changed))


SAME = [('chair', 'Chair'), ('café', 'CAFE\u0301'), ('salt & pepper', 'salt &amp;amp; pepper'),
        ('office chair', 'office\u3000 chair'), ('t-shirt', 'T - shirt'), ('ﬁre', 'fire')]


@pytest.mark.parametrize(('first', 'second'), SAME)
def test_what_clip_cannot_tell_apart_is_seen_and_refused_as_one(first, second):
    assert Vocabulary([first]).seen([second]) == (True,)
    with pytest.raises(ValueError, match='also written .* the same to CLIP'):
        Vocabulary([first, second])
    with pytest.raises(ValueError, match='in things and in stuff'):
        Vocabulary([first], [second])
    with pytest.raises(ValueError, match='same names to CLIP'):
        Vocabulary.from_categories([Category((first,), True), Category((second,), True)])
    with pytest.raises(ValueError, match='thing and of a stuff'):
        Vocabulary.from_categories([Category((first, 'a'), True), Category((second,), False)])


def test_other_words_stay_apart():
    assert Vocabulary(['chair', 'chairs', 'arm chair', 'armchair', 'chair!']).seen(['Chair']) == (
        True, False, False, False, False)


def test_names_stay_as_they_were_typed():
    assert Vocabulary(['Chair', 'CAFÉ']).names == ('Chair', 'CAFÉ')


def test_a_name_of_which_nothing_is_left_is_refused():
    for name in ('\x07', '\x1b[31m', '\ufeff'):
        with pytest.raises(ValueError, match='CLIP sees nothing of'):
            Vocabulary(['chair', name])


def test_presets_hold_no_new_contradiction():
    for name in presets():
        assert len(Vocabulary.preset(name)) > 0
