# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects and the camera, seen from above.

Each object is a button with a turned box in it, so that names are text and the keyboard works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import ui

from eov_seg_core.app.console.memory import Extent, KnownObject, TopView
from eov_seg_core.visualization import class_color


class TopViewPanel:
    """The ground with objects on it; marks are kept and moved, as the rows of a list are.

    Args:
        on_select: Called with the id of an object that was chosen.
    """

    def __init__(self, on_select: Callable[[str], None]) -> None:
        self._on_select = on_select
        self._marks: list[_Mark] = []

    def build(self) -> None:
        """Make the elements."""
        with ui.element('div').classes('ground') as self._ground:
            self._viewer = ui.element('div').classes('viewer').props('title="The camera"')
            self._scale = ui.label().classes('scale')

    def show(self, view: TopView, objects: Sequence[KnownObject], selected: str) -> None:
        """Show a view.

        Args:
            view: What is known.
            objects: Those of its objects that are shown.
            selected: The id of the one that stands out; '': none.
        """
        extent = Extent.around(view)
        self._ground.style(f'background-size: {100 * extent.cell / extent.width:.3f}cqw '
                           f'{100 * extent.cell / extent.width:.3f}cqw')
        self._scale.set_text(f'{view.frame_id} · grid {extent.cell:g} m')
        self._viewer.set_visibility(view.viewer is not None)
        if view.viewer is not None:
            self._viewer.style(f'{_at(extent, view.viewer.x, view.viewer.y)}; '
                               f'rotate: {-view.viewer.yaw_deg:.0f}deg')
        for item, number in zip(objects, range(len(objects))):
            if number == len(self._marks):
                with self._ground:
                    self._marks.append(_Mark(self._on_select))
            self._marks[number].show(item, extent, item.id == selected)
        for mark in self._marks[len(objects):]:
            mark.hide()


class _Mark:
    def __init__(self, on_select: Callable[[str], None]) -> None:
        self._item: KnownObject | None = None
        self._button = ui.element('button').classes('mark').props('type=button')
        self._button.on('click', lambda _: None if self._item is None else on_select(
            self._item.id))
        with self._button:
            self._box = ui.element('span').classes('box')
            self._name = ui.label().classes('name')

    def show(self, item: KnownObject, extent: Extent, is_selected: bool) -> None:
        self._item = item
        length, width, _ = (100 * size / extent.width for size in item.size_m)
        red, green, blue = class_color(item.name)
        self._button.style(_at(extent, *item.center[:2]))
        self._button.classes(add='selected' if is_selected else '',
                             remove='' if is_selected else 'selected')
        self._box.style(f'width: {length:.2f}cqw; height: {width:.2f}cqw; '
                        f'rotate: {-item.yaw_deg:.0f}deg; border-color: rgb({red}, {green}, {blue}'
                        f'); background: rgb({red} {green} {blue} / .35)')
        self._name.set_text(item.name)
        self._button.set_visibility(True)

    def hide(self) -> None:
        self._button.set_visibility(False)


def _at(extent: Extent, x: float, y: float) -> str:
    right, down = extent.shares(x, y)
    return f'left: {100 * right:.2f}%; top: {100 * down:.2f}%'
