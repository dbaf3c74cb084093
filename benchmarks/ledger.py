# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which vocabulary each frame was labelled with, judged by the class maps published before it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Which labels each frame carried, beside the class maps and when they were published.

    Attributes:
        all_names: Each frame carries every name of its vocabulary, as with the free engine.
        processed: Frames that came back.
        mixed: Descriptions of those whose labels are not those of the class map before it.
    """

    all_names: bool
    processed: int = 0
    mixed: list[str] = field(default_factory=list)
    _maps: list[tuple[int, dict[int, str]]] = field(default_factory=list)
    _frames: list[tuple[int, str, set[str], set[int]]] = field(default_factory=list)

    def add_class_map(self, published_ns: int, class_map: dict[int, str]) -> None:
        """Note a class map, id -> name, and when it was published."""
        self._maps.append((published_ns, class_map))

    def add_frame(self, published_ns: int, number: str, names: set[str], ids: set[int]) -> None:
        """Note the names of a frame's detections and the ids in its label image."""
        self.processed += 1
        self._frames.append((published_ns, number, names, ids))

    def settle(self, until_ns: int) -> None:
        """Judge the frames published before a time, by when all class maps before it are here."""
        self._maps.sort(key=lambda entry: entry[0])
        for frame in self._frames:
            if frame[0] < until_ns:
                self._judge(*frame)
        self._frames = [frame for frame in self._frames if frame[0] >= until_ns]
        while len(self._maps) > 1 and self._maps[1][0] < until_ns:
            del self._maps[0]

    def _judge(self, published_ns: int, number: str, names: set[str], ids: set[int]) -> None:
        before = [class_map for at_ns, class_map in self._maps if at_ns <= published_ns]
        expected = dict(before[-1]) if before else {}
        expected.pop(0, None)
        known = set(expected.values())
        is_right = names == known if self.all_names else names <= known
        if not is_right or not ids - {0} <= {key for key in expected if expected[key] in names}:
            self.mixed.append(f'frame {number} has {sorted(names)} with the ids {sorted(ids)}, '
                              f'but the class map before it is {expected}')
