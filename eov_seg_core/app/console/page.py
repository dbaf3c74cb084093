# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page: picture, words and segments.  All state is in the session; pages come and go.

What users and pictures give, words above all, is put on the page as text, never as markup.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from nicegui import events, run, ui

from eov_seg_core.app.console.pictures import archive
from eov_seg_core.app.console.security import MAX_UPLOAD_BYTES
from eov_seg_core.app.console.session import Frame, LocalSession, Pixel
from eov_seg_core.app.console.style import CSS
from eov_seg_core.app.console.word_panel import WordPanel
from eov_seg_core.io.media import load_picture, to_rgb
from eov_seg_core.results.merge import Thresholds
from eov_seg_core.results.result import Segment
from eov_seg_core.visualization import class_color

_STATES = {
    'loading': 'Loading the network...', 'error': 'Something went wrong', 'paused': 'Paused',
    'empty': 'No picture yet: drop one below', 'busy': 'Working...',
    'no words': 'No words yet: type one on the right', 'ready': 'Ready'}
_RELOAD = ('(e) => setTimeout(() => { '
           'e.target.src = e.target.src.split("?")[0] + "?" + Date.now() }, 1000)')
_SHARES = ('(e) => { const box = e.target.getBoundingClientRect(); '
           'emit((e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height) }')
_REFRESH_S = 0.25


class Page:
    """One open page.

    Args:
        session: What it shows and changes.
    """

    def __init__(self, session: LocalSession) -> None:
        self._session = session
        self._words = WordPanel(session)
        self._revision = -1
        self._shown: Frame | None = None

    def build(self) -> None:
        """Make the elements, and keep them up to date."""
        ui.add_css(CSS)
        ui.colors(primary='#1d5fa8')
        self._build_header()
        with ui.element('main').classes('console'):
            with ui.element('section').classes('view').props('aria-label="Picture"'):
                self._build_picture()
                self._build_choice()
            with ui.element('section').classes('side').props('aria-label="Words and segments"'):
                self._words.build()
                self._build_thresholds()
                ui.label('Segments').classes('title').props('role=heading aria-level=2')
                self._segments = ui.element('div').classes('segments')
        ui.keyboard(on_key=self._on_key)
        ui.timer(_REFRESH_S, self._refresh)

    def _build_header(self) -> None:
        with ui.element('header').classes('bar'):
            ui.label('EOV-Seg').classes('brand').props('role=heading aria-level=1')
            self._status = ui.label().classes('status').props('role=status aria-live=polite')
            self._pause = ui.button('Pause', on_click=self._toggle_pause).props('flat no-caps')
            ui.button('Save', on_click=self._save).props('flat no-caps').tooltip(
                'Picture, overlay, label map and JSON of this frame, as a ZIP')
        self._error = ui.label().classes('problem banner').props('role=alert')

    def _build_picture(self) -> None:
        with ui.element('div').classes('stage'):
            self._picture = ui.element('img').props(
                'src=/stream/overlay alt="The picture with what was found in it"')
            self._picture.on('error', js_handler=_RELOAD)
            self._picture.on('click', self._on_click, js_handler=_SHARES)
            self._outline = ui.element('img').classes('outline').props('alt="" aria-hidden=true')
            self._outline.set_visibility(False)
        with ui.row().classes('items-center gap-4'):
            ui.toggle({'overlay': 'Overlay', 'input': 'Picture'}, value='overlay',
                      on_change=self._on_view).props('no-caps dense')
            self._pixel = ui.label('Click the picture to see what is there.').classes('hint')
            self._pixel.props('role=status aria-live=polite')

    def _build_choice(self) -> None:
        sources = self._session.sources
        if len(sources) > 1:
            ui.select({index: PurePosixPath(source.path).name
                       for index, source in enumerate(sources)}, label='Picture',
                      on_change=self._on_choice).classes('w-full')
        ui.upload(label='Drop a picture here, or choose one with +', auto_upload=True,
                  max_file_size=MAX_UPLOAD_BYTES - 10_000, on_upload=self._on_upload,
                  on_rejected=lambda: ui.notify(
                      f'This file is larger than {MAX_UPLOAD_BYTES >> 20} MB.', type='negative')
                  ).props('flat bordered aria-label="Choose a picture"').classes('w-full drop')

    def _build_thresholds(self) -> None:
        with ui.expansion('Thresholds').classes('w-full'):
            for name, label, hint in (
                    ('score_threshold', 'Score', 'Lower finds more, higher is surer.'),
                    ('overlap_threshold', 'Overlap', 'Share of its mask that must be won.')):
                ui.label(f'{label}. {hint}').classes('hint')
                slider = ui.slider(min=0, max=1, step=0.05,
                                   value=getattr(self._session.thresholds, name),
                                   on_change=lambda event, name=name: self._set_threshold(
                                       name, event.value))
                slider.props(f'label-always aria-label="{label} threshold" debounce=200')

    def _refresh(self) -> None:
        if self._revision == self._session.revision:
            return
        self._revision, frame = self._session.revision, self._session.frame
        self._status.set_text(self._status_text(frame))
        self._error.set_text(self._session.error)
        self._error.set_visibility(bool(self._session.error))
        self._pause.set_text('Go on' if self._session.is_paused else 'Pause')
        self._pause.set_visibility(any(not source.is_image for source in self._session.sources))
        self._words.refresh()
        if frame is not self._shown:
            self._shown = frame
            self._list_segments(frame)

    def _status_text(self, frame: Frame | None) -> str:
        parts = [_STATES[self._session.state]]
        if frame is not None:
            height, width = frame.result.instance.shape
            parts += [frame.name, f'{width} x {height}', f'{frame.seconds:.2f} s']
        if self._session.word_delay_s is not None:
            parts.append(f'words applied in {self._session.word_delay_s:.2f} s')
        return ' · '.join(part for part in parts if part)

    def _list_segments(self, frame: Frame | None) -> None:
        self._outline.set_visibility(False)
        self._segments.clear()
        with self._segments:
            segments = [] if frame is None else frame.result.segments
            if not segments:
                ui.label('Nothing found yet. Other words, or lower thresholds, may find more.'
                         ).classes('hint')
            for segment in sorted(segments, key=lambda each: -each.area):
                self._list_segment(segment, frame.result.instance.size)  # type: ignore[union-attr]

    def _list_segment(self, segment: Segment, pixels: int) -> None:
        row = ui.element('button').classes('segment').props('type=button')
        for event in ('mouseenter', 'focus', 'click'):
            row.on(event, lambda _: self._highlight(segment.id))
        with row:
            red, green, blue = class_color(segment.name)
            ui.element('span').classes('dot').style(f'background: rgb({red}, {green}, {blue})')
            ui.label(f'{segment.id}').classes('number')
            ui.label(segment.name).classes('name')
            ui.label('thing' if segment.is_thing else 'stuff').classes('hint')
            ui.label(f'{segment.score:.2f}').classes('figure').tooltip('Score')
            ui.label(f'{segment.area / pixels:.1%}').classes('figure').tooltip('Area')

    def _highlight(self, segment_id: int) -> None:
        number = 0 if self._shown is None else self._shown.number
        self._outline.props(f'src=/outline/{number}/{segment_id}')
        self._outline.set_visibility(True)

    def _on_click(self, event: events.GenericEventArguments) -> None:
        right, down = event.args
        pixel = self._session.pixel(float(right), float(down))
        if pixel is None:
            return
        self._pixel.set_text(describe(pixel))
        if pixel.segment is None:
            self._outline.set_visibility(False)
        else:
            self._highlight(pixel.segment.id)

    def _on_view(self, event: events.ValueChangeEventArguments[Any]) -> None:
        self._picture.props(f'src=/stream/{"input" if event.value == "input" else "overlay"}')

    async def _on_choice(self, event: events.ValueChangeEventArguments[Any]) -> None:
        try:
            await run.io_bound(self._session.choose, int(event.value))
        except ValueError as error:
            ui.notify(str(error), type='negative')

    async def _on_upload(self, event: events.UploadEventArguments) -> None:
        name = event.file.name[:80]
        event.sender.reset()    # type: ignore[attr-defined]
        try:
            data = await event.file.read()
            rgb = await run.io_bound(lambda: to_rgb(load_picture(data, name), name))
        except ValueError as error:
            ui.notify(str(error), type='negative', multi_line=True, timeout=8000)
            return
        if rgb is not None:     # None: the program ends
            self._session.show(name, rgb)

    def _set_threshold(self, name: str, value: float) -> None:
        values: dict[str, Any] = vars(self._session.thresholds) | {name: value}
        self._session.set_thresholds(Thresholds(**values))

    def _toggle_pause(self) -> None:
        self._session.set_paused(not self._session.is_paused)

    async def _save(self) -> None:
        frame = self._session.frame
        try:
            if frame is None:
                raise ValueError('there is no picture yet; drop one on the page first')
            data = await run.io_bound(archive, frame)
        except (ValueError, OSError) as error:
            ui.notify(str(error), type='negative')
            return
        if data is not None:    # None: the program ends
            ui.download.content(data, f'eov_seg_{frame.number:06d}.zip', 'application/zip')

    async def _on_key(self, event: events.KeyEventArguments) -> None:
        """Obey keys outside of fields and buttons."""
        if not event.action.keydown or event.action.repeat or event.modifiers.alt:
            return
        is_command = event.modifiers.ctrl or event.modifiers.meta
        if event.key == 'z' and is_command:
            self._session.undo()
        elif event.key == 's' and not is_command:
            await self._save()
        elif event.key == '/' and not is_command:
            self._words.focus()


def describe(pixel: Pixel) -> str:
    """Say what is at a pixel in one line."""
    place = f'Pixel {pixel.x}, {pixel.y}: '
    if pixel.segment is None:
        return place + 'no segment.'
    segment = pixel.segment
    others = ', '.join(f'{name} {probability:.2f}' for name, probability in pixel.others)
    return (f'{place}{segment.name} #{segment.id}, score {segment.score:.2f}'
            + (f'; next: {others}' if others else ''))
