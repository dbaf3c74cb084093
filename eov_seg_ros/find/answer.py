# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which objects a word means, and what is said of them; without a node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
import difflib
import math
from typing import Any

from geometry_msgs.msg import Pose, PoseArray
from vision_msgs.msg import Detection3DArray

from eov_seg_core.vocabulary import canonical_form, Vocabulary

_PLAUSIBLE_S = 3600.0
_NEAREST, _SHOWN = 3, 8
_SPELLING = 0.7     # of 1, for equal words


@dataclass(frozen=True)
class Place:
    """A place with a heading.

    Attributes:
        x: Metres.
        y: Metres.
        z: Metres.
        yaw_deg: Counter-clockwise from x, seen from above.
    """

    x: float
    y: float
    z: float
    yaw_deg: float

    @classmethod
    def of(cls, pose: Pose) -> Place:
        """Read a pose."""
        q = pose.orientation
        yaw = math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))
        return cls(pose.position.x, pose.position.y, pose.position.z, math.degrees(yaw))


@dataclass(frozen=True)
class Found:
    """One object of the memory.

    Attributes:
        id: Its id.
        name: What it is called.
        score: Part of its votes that the name has, 0..1.
        frame_id: The frame of both places.
        center: Of its box.
        size_m: Of its box along its own axes.
        age_s: Seconds since it was seen last.
        viewpoint: Where the camera saw most of it, x along its axis; None: not known.
    """

    id: str
    name: str
    score: float
    frame_id: str
    center: Place
    size_m: tuple[float, float, float]
    age_s: float
    viewpoint: Place | None

    def __str__(self) -> str:
        """Say where it is, in one line."""
        at, (length, width, height) = self.center, self.size_m
        text = (f'{self.name} {self.id}: x {at.x:.2f} y {at.y:.2f} z {at.z:.2f} m in '
                f'{self.frame_id}, {length:.2f} x {width:.2f} x {height:.2f} m, '
                + ('in view' if self.age_s < 1 else f'seen {self.age_s:.0f} s ago'))
        if self.viewpoint is not None:
            view = self.viewpoint
            text += (f'; best seen from x {view.x:.2f} y {view.y:.2f}, heading '
                     f'{view.yaw_deg:.0f} deg')
        return text

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def known_objects(objects: Detection3DArray, views: PoseArray | None, now_s: float) -> list[Found]:
    """Read the memory.

    Args:
        objects: The message of `~/objects`.
        views: That of `~/viewpoints`; one of another stamp is not used.
        now_s: Time of the clock.  Where that is an hour from the memory's, as when a recording is
            played without /clock, the last frame is taken as now.
    """
    newest_s = _seconds(objects.header)
    reference_s = now_s if abs(now_s - newest_s) < _PLAUSIBLE_S else newest_s
    poses: Sequence[Pose | None] = [None] * len(objects.detections)
    if (views is not None and views.header == objects.header
            and len(views.poses) == len(objects.detections)):
        poses = views.poses
    found = []
    for entry, pose in zip(objects.detections, poses):
        size, guess = entry.bbox.size, entry.results[0].hypothesis
        found.append(Found(
            entry.id, guess.class_id, guess.score, objects.header.frame_id,
            Place.of(entry.bbox.center), (size.x, size.y, size.z),
            max(reference_s - _seconds(entry.header), 0.0),
            None if pose is None else Place.of(pose)))
    return found


def matching(query: str, objects: Iterable[Found], vocabulary: Vocabulary) -> list[Found]:
    """Return the objects that a word means, those seen last first, then by score.

    A word means a class if it is one of its names; a plural is as good as a singular.
    """
    wanted = _forms(query)
    names = {category.names[0] for category in vocabulary.categories
             if any(wanted & _forms(name) for name in category.names)}
    return sorted((item for item in objects if item.name in names or wanted & _forms(item.name)),
                  key=lambda item: (round(item.age_s), -item.score))


def class_of(query: str, vocabulary: Vocabulary) -> tuple[str, bool] | None:
    """Return name and is_thing of the class that a word means; None: there is none."""
    wanted = _forms(query)
    for category in vocabulary.categories:
        if any(wanted & _forms(name) for name in category.names):
            return category.names[0], category.is_thing
    return None


def entries_of(words: Vocabulary) -> tuple[list[str], list[str]]:
    """Return things and stuff as the lists of the node's parameters have them."""
    things, stuff = ([','.join(category.names) for category in words.categories
                      if category.is_thing == flag] for flag in (True, False))
    return things, stuff


def without_borrowed(word: str, now: Sequence[str], before: Sequence[str]) -> list[str] | None:
    """Return a list that others have changed without a word that was borrowed.

    Others may have borrowed words as well, or have given theirs back.

    Args:
        word: The entry that was added.
        now: The list as it is.
        before: The list as it was before the word was added.

    Returns:
        The list; None if the word is not in it any more, or if it is another list, which may have
        the word because somebody wants it.
    """
    rest = [entry for entry in now if entry != word]
    shared = len(set(rest) & set(before))
    is_other_list = shared < len(set(rest) ^ set(before))
    return None if word not in now or is_other_list else rest


def near_words(query: str, words: Iterable[str]) -> list[str]:
    """Return the words that are spelt nearly so, best first."""
    by_text = {word.strip().lower(): word for word in words}
    near = difflib.get_close_matches(query.strip().lower(), by_text, _NEAREST, _SPELLING)
    return [by_text[text] for text in near]


def summary(objects: Iterable[Found]) -> str:
    """Say which objects are known, the most frequent names first."""
    counts = Counter(item.name for item in objects).most_common()
    shown = ', '.join(f'{number} {name}' for name, number in counts[:_SHOWN])
    return (shown or 'nothing') + (f' and {len(counts) - _SHOWN} more names'
                                   if len(counts) > _SHOWN else '')


def _forms(name: str) -> set[str]:
    """Return a name as CLIP sees it, and what it may be the plural of."""
    text = name.strip().lower()
    forms = {canonical_form(text)}
    for ending, stem in (('ies', 'y'), ('ves', 'f'), ('es', ''), ('s', '')):
        if text.endswith(ending) and len(text) > len(ending) + 2:
            forms.add(canonical_form(text[:-len(ending)] + stem))
    return forms


def _seconds(header: Any) -> float:
    return float(header.stamp.sec + header.stamp.nanosec / 1e9)
