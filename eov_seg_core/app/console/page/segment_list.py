# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The list of segments beside the picture, and which of them is outlined."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nicegui import ui

from eov_seg_core.app.console.frame import Frame
from eov_seg_core.results.result import Segment
from eov_seg_core.visualization import class_color

_MOST_ROWS = 100


class SegmentList:
    """One row for each segment, the largest first.

    Rows are kept and only their text changes, so that a live picture does not take away the row
    that a user points at.

    Args:
        on_outline: Called with the number of a frame and the id of a segment; (0, 0): none.
    """

    def __init__(self, on_outline: Callable[[int, int], None]) -> None:
        self._on_outline = on_outline
        self._frame: Frame | None = None
        self._rows: list[_Row] = []
        self._titles: dict[str, ui.label] = {}
        self._selected: Segment | None = None
        self._followed = ''

    def build(self) -> None:
        """Make the elements."""
        with ui.row().classes('items-baseline gap-2'):
            ui.label('Segments').classes('title').props('role=heading aria-level=2')
            self._count = ui.label().classes('hint')
        self._empty = ui.label().classes('hint')
        with ui.element('div').classes('head').props('aria-hidden=true') as self._head:
            for text, style in (('', 'dot'), ('id', 'number'), ('name', 'name'),
                                ('score', 'figure'), ('distance', 'figure'), ('area', 'figure')):
                self._titles[text] = ui.label(text).classes(style)
        self._head.set_visibility(False)
        self._list = ui.element('div').classes('segments')

    def show(self, frame: Frame | None, distances_m: Mapping[str, float]) -> None:
        """Show the segments of a frame; a selected one is looked for again in it.

        Args:
            frame: None: there is none.
            distances_m: From the camera, of the segments with these ids.
        """
        self._frame = frame
        segments = [] if frame is None else sorted(
            frame.result.segments, key=lambda segment: (-segment.area, segment.id))
        self._empty.set_text('' if frame is None else 'Type a word to look for.' if (
            frame.vocabulary is None) else
            'Nothing found. Other words, or lower thresholds, may find more.')
        self._empty.set_visibility(not segments)
        self._head.set_visibility(bool(segments))
        self._titles['distance'].set_visibility(bool(distances_m))
        more = max(len(segments) - _MOST_ROWS, 0)
        self._count.set_text(f'{len(segments)}' + (f', the largest {_MOST_ROWS}' if more else ''))
        for segment, number in zip(segments[:_MOST_ROWS], range(_MOST_ROWS)):
            if number == len(self._rows):
                with self._list:
                    self._rows.append(_Row(self.select))
            self._rows[number].show(segment, frame.result.instance.size,  # type: ignore[union-attr]
                                    distances_m)
        for row in self._rows[len(segments):]:
            row.hide()
        if self._followed:
            self.follow(self._followed)
        elif self._selected is not None:
            self.select(most_alike(self._selected, segments))

    def select(self, segment: Segment | None, frame: Frame | None = None) -> None:
        """Outline a segment; None: none.

        Args:
            segment: Of the frame.
            frame: In which it is; None: the one whose segments are shown.
        """
        frame = frame or self._frame
        self._selected, self._followed = segment, ''
        if segment is None or frame is None:
            self._on_outline(0, 0)
        else:
            self._on_outline(frame.number, segment.id)

    def follow(self, number: str) -> None:
        """Outline the segment with this id in each frame that has it; '': none."""
        segments = [] if self._frame is None else self._frame.result.segments
        self.select(next((each for each in segments if str(each.id) == number), None))
        self._followed = number


class _Row:
    def __init__(self, on_select: Callable[[Segment | None], None]) -> None:
        self._segment: Segment | None = None
        self._button = ui.element('button').classes('segment').props('type=button')
        for event in ('mouseenter', 'focus', 'click'):
            self._button.on(event, lambda _: on_select(self._segment))
        for event in ('mouseleave', 'blur'):
            self._button.on(event, lambda _: on_select(None))
        with self._button:
            self._dot = ui.element('span').classes('dot')
            self._number = ui.label().classes('number')
            self._name = ui.label().classes('name')
            self._kind = ui.label().classes('hint kind-hint')
            self._score = ui.label().classes('figure').props('title=Score')
            self._distance = ui.label().classes('figure').props('title="From the camera"')
            self._area = ui.label().classes('figure').props('title="Share of the picture"')

    def show(self, segment: Segment, pixels: int, distances_m: Mapping[str, float]) -> None:
        distance_m = distances_m.get(str(segment.id))
        if self._segment is None or self._segment.name != segment.name:
            red, green, blue = class_color(segment.name)
            self._dot.style(f'background: rgb({red}, {green}, {blue})')
        self._segment = segment
        self._number.set_text(f'#{segment.id}')
        self._name.set_text(segment.name)
        self._kind.set_text('thing' if segment.is_thing else 'stuff')
        self._score.set_text(f'{segment.score:.2f}')
        self._distance.set_text('' if distance_m is None else f'{distance_m:.1f} m')
        self._distance.set_visibility(bool(distances_m))    # else a column would stay empty
        self._area.set_text(f'{segment.area / pixels:.1%}')
        self._button.set_visibility(True)

    def hide(self) -> None:
        self._button.set_visibility(False)


def most_alike(segment: Segment, others: list[Segment]) -> Segment | None:
    """Return the segment of another frame that has the same name and shares the most of the box.

    >>> chair = Segment(1, 1, 'chair', True, 0.9, 4, (0, 0, 2, 2))
    >>> moved = Segment(5, 1, 'chair', True, 0.8, 4, (1, 0, 3, 2))
    >>> most_alike(chair, [Segment(1, 2, 'mug', True, 0.9, 4, (0, 0, 2, 2)), moved]).id
    5
    """
    def shared(other: Segment) -> int:
        x1, y1, x2, y2 = (pick(pair) for pick, pair in zip(
            (max, max, min, min), zip(segment.bbox_xyxy, other.bbox_xyxy)))
        return max(x2 - x1, 0) * max(y2 - y1, 0)

    best = max((other for other in others if other.name == segment.name), key=shared, default=None)
    return best if best is not None and shared(best) else None
