# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The part of the page about the room: where objects are, and the question where one is."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from eov_seg_core.app.console.memory import KnownObject, Search, TopView
from eov_seg_core.app.console.page.top_view import TopViewPanel
from eov_seg_core.app.console.session import Session
from eov_seg_core.visualization import class_color

_MOST_OBJECTS = 100


class MemoryPanel:
    """Top view, list of objects, and the field to find one; hidden where nobody remembers.

    Args:
        session: Whose memory it is.
        on_select: Called with the id of the object that was chosen.
    """

    def __init__(self, session: Session, on_select: Callable[[str], None]) -> None:
        self._session = session
        self._on_select = on_select
        self._top = TopViewPanel(self._select)
        self._rows: list[_Row] = []
        self._selected = ''
        self._answered: Search | None = None
        self._shown: TopView | None = None

    def build(self) -> None:
        """Make the elements."""
        with ui.element('section').classes('room') as self._panel:
            with ui.element('div'):
                with ui.row().classes('items-baseline gap-2'):
                    ui.label('Objects in the room').classes('title').props(
                        'role=heading aria-level=2')
                    self._count = ui.label().classes('hint')
                self._top.build()
            with ui.element('div'):
                self._build_search()
                self._empty = ui.label('No object has a place yet.').classes('hint')
                self._list = ui.element('div').classes('objects')
        if self._session.memory is not None:    # what was asked before this page was opened
            self._answered = self._session.memory.search
        self.refresh()

    def refresh(self) -> None:
        """Show what is known now."""
        memory = self._session.memory
        self._panel.set_visibility(memory is not None)
        if memory is None:
            return
        self._show_search(memory.search)
        if memory.view is not self._shown:
            self._shown = memory.view
            self._show_objects(memory.view)

    def _build_search(self) -> None:
        with ui.row().classes('items-start no-wrap gap-1'):
            self._field = ui.input(placeholder='Find an object, for example: mug').classes('grow')
            self._field.props('dense outlined aria-label="Find an object"')
            self._field.on('focus', js_handler='(event) => event.target.select()')
            self._field.on('keydown.enter', lambda _: self._find())
            self._ask = ui.button('Find', on_click=self._find).props('flat no-caps')
            self._cancel = ui.button('Cancel', on_click=self._end).props('flat no-caps')
        self._answer = ui.label().classes('answer').props('role=status aria-live=polite')

    def _find(self) -> None:
        memory, query = self._session.memory, str(self._field.value or '').strip()
        self._field.error = None
        if memory is None or not query:
            return
        try:
            memory.find(query)
        except ValueError as error:
            self._field.error = str(error)
        self.refresh()

    def _end(self) -> None:
        if self._session.memory is not None:
            self._session.memory.cancel()

    def _show_search(self, search: Search | None) -> None:
        is_running = search is not None and search.is_running
        self._ask.set_visibility(not is_running)
        self._cancel.set_visibility(is_running)
        if search is None:
            return
        self._answer.set_text(search.progress if is_running else '\n'.join(search.lines))
        if not is_running and search is not self._answered:
            self._answered, self._field.error = search, None
            if search.found:
                self._select(search.found[0])

    def _show_objects(self, view: TopView) -> None:
        objects = view.objects[:_MOST_OBJECTS]
        more = len(view.objects) - len(objects)
        self._count.set_text(f'{len(view.objects)}'
                             + (f', the nearest {_MOST_OBJECTS}' if more else ''))
        self._empty.set_visibility(not objects)
        self._top.show(view, objects, self._selected)
        for item, number in zip(objects, range(len(objects))):
            if number == len(self._rows):
                with self._list:
                    self._rows.append(_Row(self._select))
            self._rows[number].show(item, item.id == self._selected)
        for row in self._rows[len(objects):]:
            row.hide()

    def _select(self, number: str) -> None:
        """Let an object stand out in both; chosen again, it does no longer."""
        self._selected = '' if number == self._selected else number
        if self._shown is not None:
            self._show_objects(self._shown)
        self._on_select(self._selected)


class _Row:
    def __init__(self, on_select: Callable[[str], None]) -> None:
        self._item: KnownObject | None = None
        self._button = ui.element('button').classes('segment').props('type=button')
        self._button.on('click', lambda _: None if self._item is None else on_select(
            self._item.id))
        with self._button:
            self._dot = ui.element('span').classes('dot')
            self._number = ui.label().classes('number')
            self._name = ui.label().classes('name')
            self._age = ui.label().classes('hint')
            self._score = ui.label().classes('figure').props('title="Share of votes for the name"')
            self._distance = ui.label().classes('figure').props('title="From the camera"')

    def show(self, item: KnownObject, is_selected: bool) -> None:
        if self._item is None or self._item.name != item.name:
            red, green, blue = class_color(item.name)
            self._dot.style(f'background: rgb({red}, {green}, {blue})')
        self._item = item
        self._button.classes(add='selected' if is_selected else '',
                             remove='' if is_selected else 'selected')
        self._number.set_text(f'#{item.id}')
        self._name.set_text(item.name)
        self._age.set_text(age(item.age_s))
        self._score.set_text(f'{item.score:.2f}')
        self._distance.set_text('' if item.distance_m is None else f'{item.distance_m:.1f} m')
        self._button.set_visibility(True)

    def hide(self) -> None:
        self._button.set_visibility(False)


def age(seconds: float) -> str:
    """Say how long ago an object was seen.

    >>> age(0.4), age(75), age(8000)
    ('in view', '1 min ago', '2 h ago')
    """
    if seconds < 1:
        return 'in view'
    value, unit = next((seconds / size, unit) for size, unit in (
        (3600, 'h'), (60, 'min'), (1, 's')) if seconds >= size)
    return f'{value:.0f} {unit} ago'
