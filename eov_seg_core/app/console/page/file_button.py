# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A button that lets the user choose files; `script` gives it files that are dropped, too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import events, ui

_MOST_NAME = 80         # characters of a file's name that are shown


@dataclass(frozen=True)
class FileKind:
    """What may be chosen.

    Attributes:
        endings: Of the names, as browsers take them; '': any.
        max_bytes: Largest size.
        wanted: What is expected, for people.
    """

    endings: str
    max_bytes: int
    wanted: str


def file_button(text: str, kind: FileKind,
                on_file: Callable[[str, bytes], Awaitable[object]]) -> None:
    """Make a button.

    Args:
        text: On it.
        kind: What may be chosen; each file that is something else is refused with a message.
        on_file: Called for each file with its name, cut to what can be shown, and its content.
    """
    async def take(event: events.UploadEventArguments) -> None:
        await on_file(event.file.name[:_MOST_NAME], await event.file.read())

    def refuse(event: events.GenericEventArguments) -> None:
        for name in event.args:
            ui.notify(f'{str(name)[:_MOST_NAME]} cannot be taken; expected {kind.wanted}.',
                      type='negative', multi_line=True, timeout=10_000)

    upload = ui.upload(multiple=True, auto_upload=True, max_file_size=kind.max_bytes,
                       on_upload=take)
    upload.on('rejected', refuse,
              js_handler='(refused) => emit(refused.map((each) => each.file.name))')
    upload.on('finish', lambda _: upload.reset())   # before, it would end the other uploads
    upload.classes('chooser')   # it is not seen: its own button has no name for a screen reader
    upload.props['accept'] = kind.endings
    ui.button(text).props('flat dense no-caps').on(
        'click', js_handler=f'() => getElement({upload.id}).$el.querySelector("input").click()')
