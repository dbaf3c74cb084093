# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Asks the memory where something is, else looks for it for a while, and gives the words back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import time

from eov_seg_core.vocabulary import Vocabulary
from eov_seg_ros.find.answer import class_of, Found, matching, near_words, summary
from eov_seg_ros.find.client import FindError, MemoryClient

_CONNECT_S = 5.0
_FIRST_S = 2.0      # in which the memory's last message comes


@dataclass(frozen=True)
class Answer:
    """What was found, and how that came.

    Attributes:
        objects: The best first.
        source: `memory`, or `search` if it was looked for.
        message: Why there is none; empty if there is one.
    """

    objects: Sequence[Found]
    source: str
    message: str = ''


def ask(client: MemoryClient, query: str, timeout_s: float,
        is_cancelled: Callable[[], bool] = lambda: False,
        begin_looking: Callable[[], object] = lambda: None) -> Answer:
    """Say where an object is.

    Args:
        client: Of the node that is asked.
        query: A word, or 'word,synonym'; a word that the node does not know is added to its words
            while it is looked for.
        timeout_s: Longest time of looking; 0: ask the memory only.
        is_cancelled: Asked often; once it is true, looking ends and the words are given back.
        begin_looking: Called where the memory has no answer, before the time of looking.

    Raises:
        FindError: The question cannot be asked, or the node refuses the word.
    """
    if not query.strip(' ,'):
        raise FindError('no word was given')
    client.require_memory(_CONNECT_S)
    words, *_ = client.vocabulary(_CONNECT_S)
    name = query.split(',')[0].strip()
    known = _wait(client, name, words, _FIRST_S, is_cancelled)
    if known:
        return Answer(known, 'memory')
    meant = class_of(name, words)
    if meant is not None and not meant[1]:
        return Answer([], 'memory', f'{meant[0]} is stuff in the words of the node, and stuff '
                      'has no place; put it into vocabulary.things to find it')
    if timeout_s == 0 or is_cancelled():
        return Answer([], 'memory', _nothing(client, name, 'the memory has no', words))
    begin_looking()
    start_s = time.monotonic()
    if meant is not None:
        found = _wait(client, name, words, timeout_s, is_cancelled)
    else:
        with client.borrowed_word(query, _CONNECT_S):
            wanted, *_ = client.vocabulary(_CONNECT_S)
            found = _wait(client, name, wanted, start_s + timeout_s - time.monotonic(),
                          is_cancelled)
    if found:
        return Answer(found, 'search')
    looked_s = min(time.monotonic() - start_s, timeout_s)
    return Answer([], 'search', _nothing(
        client, name, f'{round(looked_s, 1):g} s of looking showed no', words))


def _wait(client: MemoryClient, name: str, words: Vocabulary, timeout_s: float,
          is_cancelled: Callable[[], bool]) -> list[Found]:
    client.wait_for(lambda: is_cancelled() or matching(name, client.objects(), words), timeout_s)
    return matching(name, client.objects(), words)


def _nothing(client: MemoryClient, name: str, what: str, words: Vocabulary) -> str:
    objects = client.objects()
    names = (word for category in words.categories for word in category.names)
    near = near_words(name, [word for word in (*names, *(item.name for item in objects))
                             if word.lower() != name.lower()])
    text = f'{what} {name}; it knows {summary(objects)}'
    return text + (f'. Did you mean {" or ".join(near)}?' if near else '')
