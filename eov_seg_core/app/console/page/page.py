# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page: picture, words and segments.  All state is in the session; pages come and go.

What users and pictures give, words above all, is put on the page as text, never as markup.
"""

from __future__ import annotations

import time
from typing import Any

from nicegui import events, run, ui

from eov_seg_core.app.console.files import archive
from eov_seg_core.app.console.frame import Frame
from eov_seg_core.app.console.page.facts_panel import FactsPanel
from eov_seg_core.app.console.page.memory_panel import MemoryPanel
from eov_seg_core.app.console.page.picture_panel import PicturePanel
from eov_seg_core.app.console.page.segment_list import SegmentList
from eov_seg_core.app.console.page.style import CSS
from eov_seg_core.app.console.page.word_panel import WordPanel
from eov_seg_core.app.console.session import Session
from eov_seg_core.results.thresholds import Thresholds

_STATES = {
    'absent': 'The node is not there', 'loading': 'Loading the network...',
    'error': 'Something went wrong', 'paused': 'Paused', 'empty': 'No picture yet',
    'late': 'No new picture comes', 'busy': 'Working...', 'no words': 'No words yet: type one',
    'ready': 'Ready'}
_STALE = {'absent': 'The node is not there. This picture is old.',
          'late': 'No new picture comes. This one is old.',
          'loading': 'The network is being loaded. This picture is old.'}
_WAITING = {
    'absent': 'Waiting for the node',
    'loading': 'Loading the network. You can type words meanwhile.',
    'empty': 'Waiting for the first picture', 'late': 'Waiting for the first picture',
    'busy': 'The first picture is being looked at.', 'error': 'There is no picture yet.'}
_REFRESH_S = 0.25
_REST = 2.0
"""For so many times as long as labels were decoded the page rests: those of 4K take 0.3 s."""
_SHOWN = 'return Number(document.querySelector(".stage .live").dataset.frame || 0)'


class Page:
    """One open page.

    Args:
        session: What it shows and changes.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._words = WordPanel(session)
        self._picture = PicturePanel(session, lambda *found: self._segments.select(*found))
        self._segments = SegmentList(self._picture.outline)
        self._memory = MemoryPanel(session, self._segments.follow)
        self._facts = FactsPanel(session)
        self._revision = -1
        self._rest_until_s = 0.0
        self._shown: Frame | None = None
        self._size = (0, 0)
        self._thresholds = session.thresholds

    def build(self) -> None:
        """Make the elements, and keep them up to date."""
        ui.add_css(CSS)
        ui.colors(primary='#1d5fa8')
        self._build_header()
        with ui.element('main').classes('console') as self._main:
            with ui.element('section').classes('view').props('aria-label="Picture"'):
                self._picture.build()
            self._memory.build()
            with ui.element('section').classes('side').props('aria-label="Words and segments"'):
                self._words.build()
                self._build_thresholds()
                self._facts.build()
                self._segments.build()
        ui.on('shortcut', self._on_shortcut)
        ui.timer(_REFRESH_S, self._refresh)

    def _build_header(self) -> None:
        with ui.element('header').classes('bar'):
            ui.label('EOV-Seg').classes('brand').props('role=heading aria-level=1')
            with ui.element('div').classes('status'):
                self._status = ui.label().props('role=status aria-live=polite')
                self._figures = ui.label()      # they change too often to be read aloud
            with ui.row().classes('gap-1 no-wrap'):
                self._pause = ui.button('Pause', on_click=self._toggle_pause).props('flat no-caps')
                self._pause.set_visibility(self._session.can_pause)
                ui.button('Save', on_click=self._save).props('flat no-caps').tooltip(
                    'Picture, overlay, label map and JSON of this frame, as a ZIP')
                ui.button('?', on_click=_help).props('flat no-caps aria-label="Keys and help"')
        self._error = ui.label().classes('problem banner').props('role=alert')

    def _build_thresholds(self) -> None:
        with ui.expansion('Thresholds').classes('w-full thresholds'):
            self._sliders = {}
            for name, label, hint in (
                    ('score_threshold', 'Score', 'Lower finds more, higher is surer.'),
                    ('overlap_threshold', 'Overlap', 'Share of its mask that must be won.')):
                with ui.row().classes('items-baseline justify-between no-wrap w-full hint'):
                    ui.label(f'{label}. {hint}')
                    shown = ui.label().classes('threshold')
                slider = ui.slider(min=0, max=1, step=0.05,
                                   value=getattr(self._session.thresholds, name))
                slider.on('change', lambda event, name=name: self._set_threshold(name, event.args))
                slider.props(f'aria-label="{label} threshold"')
                shown.bind_text_from(slider, 'value', '{:.2f}'.format)
                self._sliders[name] = slider

    async def _refresh(self) -> None:
        self._words.refresh()
        start_s = time.monotonic()
        if self._revision == self._session.revision or start_s < self._rest_until_s:
            return
        self._revision, frame = self._session.revision, self._session.frame
        if frame is not None and frame is not self._shown:
            await run.io_bound(lambda: frame.result)    # a node's labels are decoded here
            end_s = time.monotonic()
            self._rest_until_s = end_s + _REST * (end_s - start_s)
        state = self._session.state
        self._status.set_text(_STATES[state])
        self._figures.set_text(self._figures_text(frame))
        self._error.set_text(self._session.error)
        self._error.set_visibility(bool(self._session.error))
        self._pause.set_text('Go on' if self._session.is_paused else 'Pause')
        if self._thresholds != self._session.thresholds:    # else a user may be dragging
            self._thresholds = self._session.thresholds
            for name, slider in self._sliders.items():
                slider.set_value(getattr(self._thresholds, name))
        self._facts.refresh()
        self._memory.refresh()
        self._picture.refresh()
        self._picture.tell((_STALE if frame else _WAITING).get(state, ''),
                           is_stale=frame is not None and state in _STALE)
        if frame is not self._shown:
            if self._shown is not None and frame is not None and (
                    (frame.name, frame.vocabulary) != (self._shown.name, self._shown.vocabulary)):
                self._picture.forget_pixel()
            self._shown = frame
            self._segments.show(frame, self._distances_m())
            if frame is not None:
                self._fit(*frame.result.instance.shape)

    def _fit(self, height: int, width: int) -> None:
        """Give the picture as much room as it fills."""
        if (height, width) != self._size:
            self._size = height, width
            self._main.style(f'--ratio: {width / height:.6g}')

    def _figures_text(self, frame: Frame | None) -> str:
        parts = ['']
        if frame is not None:
            height, width = frame.result.instance.shape
            parts += [frame.name, f'{width} x {height}', self._session.figures]
            if self._session.word_delay_s is not None and frame.vocabulary is not None:
                parts.append(f'words applied in {self._session.word_delay_s:.2f}\u00a0s')
        return ' · '.join(part for number, part in enumerate(parts) if part or not number)

    def _distances_m(self) -> dict[str, float]:
        memory = self._session.memory
        return {} if memory is None else {
            item.id: item.distance_m for item in memory.view.objects
            if item.distance_m is not None}

    async def _set_threshold(self, name: str, value: float) -> None:
        values: dict[str, Any] = vars(self._session.thresholds) | {name: float(value)}
        try:
            await run.io_bound(self._session.set_thresholds, Thresholds(**values))
        except ValueError as error:
            ui.notify(str(error), type='negative')

    def _toggle_pause(self) -> None:
        if self._session.can_pause:
            self._session.set_paused(not self._session.is_paused)

    async def _save(self) -> None:
        try:
            shown = await ui.run_javascript(_SHOWN)     # a newer one may be on its way
        except TimeoutError:
            shown = 0
        frame = self._session.frame_of(shown) or self._session.frame
        try:
            if frame is None:
                raise ValueError('there is no picture yet')
            data = await run.io_bound(archive, frame)
        except (ValueError, OSError) as error:
            ui.notify(str(error), type='negative')
            return
        if data is not None:    # None: the program ends
            ui.download.content(data, f'eov_seg_{frame.number:06d}.zip', 'application/zip')

    async def _on_shortcut(self, event: events.GenericEventArguments) -> None:
        """Obey a key, of which the browser knows that it is meant for the page."""
        if event.args == 'undo':
            await self._words.undo()
        elif event.args == 'save':
            await self._save()
        elif event.args == 'type':
            self._words.focus()
        elif event.args == 'help':
            _help()
        elif event.args == 'pause':
            self._toggle_pause()


def _help() -> None:
    with ui.dialog(value=True) as dialog, ui.card().classes('help'):
        ui.label('Keys').classes('title')
        for key, what in (('/', 'type a word'), ('Ctrl+Z', 'take back the last change of words'),
                          ('Space', 'pause a camera, and go on'), ('s', 'save this frame (ZIP)'),
                          ('Tab', 'go through words and segments; a segment is outlined'),
                          ('?', 'this list')):
            with ui.row().classes('items-baseline no-wrap'):
                ui.label(key).classes('key')
                ui.label(what)
        ui.button('Close', on_click=dialog.close).props('flat no-caps autofocus')
    dialog.on('hide', dialog.delete)
