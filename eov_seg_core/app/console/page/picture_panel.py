# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The picture: follows the session, tells what is at a click, is chosen or dropped here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import events, run, ui

from eov_seg_core.app.console.frame import Frame, Pixel
from eov_seg_core.app.console.page.file_button import file_button, FileKind
from eov_seg_core.app.console.page.script import PLACE, SCRIPT
from eov_seg_core.app.console.security import MAX_UPLOAD_BYTES
from eov_seg_core.app.console.session import Session
from eov_seg_core.io.media import load_picture, to_rgb
from eov_seg_core.results.result import Segment

_ADVICE = 'Click the picture to see what is there.'
_FORM_BYTES = 10_000    # what a browser sends around the file


class PicturePanel:
    """The picture with what was found in it.

    Args:
        session: Whose picture it is.
        on_segment: Called with the segment that was clicked, None for none, and its frame.
    """

    def __init__(self, session: Session,
                 on_segment: Callable[[Segment | None, Frame], None]) -> None:
        self._session = session
        self._on_segment = on_segment

    def build(self) -> None:
        """Make the elements."""
        ui.add_body_html(f'<script>{SCRIPT}</script>')
        with ui.element('div').classes('stage') as self._stage:
            with ui.element('div').classes('scroller'):
                self._picture = ui.element('img').classes('live').props(
                    'alt="The picture with what was found in it"')
                self._picture.on('click', self._on_click, js_handler=PLACE)
                self._outline = ui.element('img').classes('outline').props(
                    'alt="" aria-hidden=true')
                self._outline.set_visibility(False)
            self._waiting = ui.label().classes('waiting')
        with ui.row().classes('items-center gap-4 w-full no-wrap under'):
            if self._session.takes_pictures:
                ui.toggle({'overlay': 'Overlay', 'input': 'Picture'}, value='overlay',
                          on_change=self._on_view).props('no-caps dense unelevated')
                file_button('Choose a picture', FileKind(
                    '', MAX_UPLOAD_BYTES - _FORM_BYTES,
                    f'a picture of at most {MAX_UPLOAD_BYTES >> 20} MB'), self._on_file)
            self._pixel = ui.label(_ADVICE).classes('hint pixel')
            self._pixel.props('role=status aria-live=polite')
        self._build_choice()

    def refresh(self) -> None:
        """Offer what can be chosen."""
        names = dict(enumerate(self._session.source_names))
        if self._choice.options != names:
            self._choice.set_options(names)
        self._choice.set_visibility(len(names) > 1)
        if self._choice.value != self._session.source:  # another page chose, or a picture came
            self._choice.set_value(self._session.source)

    def tell(self, state: str, *, is_stale: bool) -> None:
        """Say over the picture why there is none, or none any more; '': it is the newest.

        Args:
            state: In a sentence.
            is_stale: There is a picture, but it is no longer what the camera sees.
        """
        self._waiting.set_text(state)
        self._waiting.set_visibility(bool(state))
        self._stage.classes(add='stale' if is_stale else '', remove='' if is_stale else 'stale')

    def forget_pixel(self) -> None:
        """Say nothing about a pixel, as another picture or other words have come."""
        self._pixel.set_text(_ADVICE)

    def outline(self, number: int, segment_id: int) -> None:
        """Outline a segment of a frame; (0, 0): none."""
        if number:
            self._outline.props(f'src=/outline/{number}/{segment_id}')
        self._outline.set_visibility(bool(number))

    def _build_choice(self) -> None:
        self._choice = ui.select({}, label='Picture or camera', on_change=self._on_choice)
        self._choice.classes('w-full')
        self.refresh()

    def _on_click(self, event: events.GenericEventArguments) -> None:
        number, right, down = event.args
        frame = self._session.frame_of(int(number))
        if frame is None:
            self._pixel.set_text('That frame is gone already; click again, or pause first.')
            return
        pixel = frame.pixel(float(right), float(down))
        self._pixel.set_text(describe(pixel))
        self._on_segment(pixel.segment, frame)

    def _on_view(self, event: events.ValueChangeEventArguments[Any]) -> None:
        view = 'input' if event.value == 'input' else 'overlay'
        ui.run_javascript(f'eovSeg.setView("{view}")')

    async def _on_choice(self, event: events.ValueChangeEventArguments[Any]) -> None:
        if event.value is None or event.value == self._session.source:
            return
        try:
            await run.io_bound(self._session.choose, int(event.value))
        except ValueError as error:
            ui.notify(str(error), type='negative')

    async def _on_file(self, name: str, data: bytes) -> None:
        try:
            rgb = await run.io_bound(lambda: to_rgb(load_picture(data, name), name))
        except ValueError as error:
            ui.notify(str(error), type='negative', multi_line=True, timeout=10_000)
            return
        if rgb is not None:     # None: the program ends
            self._session.show(name, rgb)


def describe(pixel: Pixel) -> str:
    """Say what is at a pixel in one line."""
    place = f'Pixel {pixel.x}, {pixel.y}: '
    if pixel.segment is None:
        return place + 'no segment.'
    segment = pixel.segment
    others = ', '.join(f'{name} ' + (f'{share:.2f}' if share >= 0.005 else 'under 0.01')
                       for name, share in pixel.others)
    return (f'{place}{segment.name} #{segment.id}, score {segment.score:.2f}'
            + (f'; next: {others}' if others else ''))
