# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class ids that stay with their names while the vocabulary is edited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eov_seg_core.vocabulary import canonical_form

if TYPE_CHECKING:
    from eov_seg_core.results.result import Segment

MAX_CLASS_ID = 65535
"""The largest class id that `mono16` and vision_msgs/VisionClass hold."""
UNLABELED = 'unlabeled'
"""Name of id 0 in every output."""


SEMANTIC_ENCODINGS = {'mono8': 255, 'mono16': MAX_CLASS_ID}
"""The encodings of `~/semantic` with the highest id that each holds."""


@dataclass(frozen=True)
class LabelSpace:
    """The published ids of one vocabulary.

    Attributes:
        names: The shown name of each class, K of them.
        ids: Its published id, 1..65535, in the same order.
        semantic_encoding: The encoding of `~/semantic`, which holds all ids of this life.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...]
    semantic_encoding: str = 'mono16'

    @property
    def max_id(self) -> int:
        """The highest id in use; 0 without names."""
        return max(self.ids, default=0)

    def id_of(self, segment: Segment) -> int:
        """Return the published id of a segment's class."""
        return self.ids[segment.class_id - 1]


class ClassIds:
    """Gives each name an id, and the same one ever after.

    A consumer that has stored an id, in a map or a bag, must be able to rely on it: a name keeps
    its id when others are added or removed.  With `mono16` a removed name's id is not handed out
    again.  With `mono8` there are only 255: once they are used up, a new name takes the id of the
    name that was removed first.  Names that CLIP cannot tell apart are one name: `Chair` has the
    id of `chair`.

    Args:
        semantic_encoding: `mono8` or `mono16`; `auto`: `mono8` if it holds the first names.  A
            consumer like Nav2's layer reads one of them only, so it never changes.
    """

    def __init__(self, semantic_encoding: str = 'auto') -> None:
        self._encoding = semantic_encoding
        self._ids: dict[tuple[str, int], int] = {}  # in the order of their last use

    def check(self, names: Sequence[str]) -> None:
        """Raise ValueError if `assign` would; nothing changes."""
        if self._encoding == 'mono8':
            if len(names) > SEMANTIC_ENCODINGS['mono8']:
                raise ValueError(
                    f'{len(names)} names do not fit into ~/semantic, which is mono8 until cleanup '
                    'and holds 255; start the node with semantic_encoding: mono16 for more')
            return
        new = sum(key not in self._ids for key in _keys(names))
        if len(self._ids) + new > MAX_CLASS_ID:
            raise ValueError(
                f'{new} new names would need class ids above {MAX_CLASS_ID}: {len(self._ids)} '
                'names have had an id since the node was configured, and ids are not handed out '
                'twice; clean the node up and configure it again to start from 1')

    def assign(self, names: Sequence[str]) -> LabelSpace:
        """Return the ids of the names, with new ids for new names.

        Args:
            names: The shown names in the vocabulary's order.  Where two classes share a name, as
                in ADE20K-847, the first keeps the first one's id, and so on.

        Raises:
            ValueError: There are not enough ids; no id was given out.
        """
        self.check(names)
        if self._encoding == 'auto':
            fits = len(names) <= SEMANTIC_ENCODINGS['mono8']
            self._encoding = 'mono8' if fits else 'mono16'
        keys = _keys(names)
        wanted = set(keys)
        for key in keys:
            if key in self._ids:
                self._ids[key] = self._ids.pop(key)
        for key in keys:
            if key not in self._ids:
                self._ids[key] = self._new_id(wanted)
        return LabelSpace(tuple(names), tuple(self._ids[key] for key in keys), self._encoding)

    def _new_id(self, wanted: Set[tuple[str, int]]) -> int:
        if len(self._ids) < SEMANTIC_ENCODINGS[self._encoding]:
            return len(self._ids) + 1
        return self._ids.pop(next(key for key in self._ids if key not in wanted))


def _keys(names: Sequence[str]) -> list[tuple[str, int]]:
    """Return each name, as CLIP sees it, with its number among equal names."""
    seen: Counter[str] = Counter()
    keys = []
    for form in map(canonical_form, names):
        keys.append((form, seen[form]))
        seen[form] += 1
    return keys
