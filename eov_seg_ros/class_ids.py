# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class ids that stay with their names while the vocabulary is edited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eov_seg_core.vocabulary import canonical_form

if TYPE_CHECKING:
    from eov_seg_core.results.result import Segment

MAX_CLASS_ID = 65535
"""The largest class id that `mono16` and vision_msgs/VisionClass hold."""
UNLABELED = 'unlabeled'
"""Name of id 0 in every output."""


@dataclass(frozen=True)
class LabelSpace:
    """The published ids of one vocabulary.

    Attributes:
        names: The shown name of each class, K of them.
        ids: Its published id, 1..65535, in the same order.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...]

    @property
    def max_id(self) -> int:
        """The highest id in use."""
        return max(self.ids, default=0)

    def id_of(self, segment: Segment) -> int:
        """Return the published id of a segment's class."""
        return self.ids[segment.class_id - 1]


class ClassIds:
    """Gives each name an id, and the same one ever after.

    A consumer that has stored an id, in a map or a bag, must be able to rely on it: a name keeps
    its id when others are added or removed, and a removed name's id is not handed out again.
    Names that CLIP cannot tell apart are one name: `Chair` has the id of `chair`.
    """

    def __init__(self) -> None:
        self._ids: dict[tuple[str, int], int] = {}

    def check(self, names: Sequence[str]) -> None:
        """Raise ValueError if `assign` would; nothing changes."""
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
            ValueError: There are no ids left; no id was given out.
        """
        self.check(names)
        ids = tuple(self._ids.setdefault(key, len(self._ids) + 1) for key in _keys(names))
        return LabelSpace(tuple(names), ids)


def _keys(names: Sequence[str]) -> list[tuple[str, int]]:
    """Return each name, as CLIP sees it, with its number among equal names."""
    seen: Counter[str] = Counter()
    keys = []
    for form in map(canonical_form, names):
        keys.append((form, seen[form]))
        seen[form] += 1
    return keys
