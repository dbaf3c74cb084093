# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The part of the page where words are typed, moved, removed, loaded and saved."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import events, run, ui

from eov_seg_core.app.console.session import Session
from eov_seg_core.app.console.words import Words
from eov_seg_core.visualization import class_color
from eov_seg_core.vocabulary import presets

_MAX_FILE_BYTES = 1 << 20
_KINDS = {True: ('Things', 'countable: told apart'), False: ('Stuff', 'the rest: floor, sky')}


class WordPanel:
    """The words of the session, as chips.

    Args:
        session: Whose words they are.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: Words | None = None
        self._chips: dict[bool, ui.element] = {}
        self._fields: dict[bool, ui.input] = {}
        self._dragged: tuple[str, bool] | None = None

    def build(self) -> None:
        """Make the elements."""
        ui.label('Words').classes('title').props('role=heading aria-level=2')
        for is_thing in (True, False):
            self._build_kind(is_thing)
        with ui.row().classes('items-center gap-1'):
            ui.button('Undo', on_click=self.undo).props('flat dense no-caps')
            ui.button('Save words', on_click=self._save).props('flat dense no-caps')
            ui.select(list(presets()), label='Preset', on_change=self._on_preset).props(
                'dense clearable').classes('preset')
        ui.upload(label='Load words (YAML)', auto_upload=True, max_file_size=_MAX_FILE_BYTES,
                  on_upload=self._on_file).props('flat bordered accept=".yaml,.yml"').classes(
                      'w-full drop')
        self.refresh()

    def refresh(self) -> None:
        """Show the session's words, which another page may have changed."""
        if self._shown == self._session.words:
            return
        self._shown = self._session.words
        for is_thing, chips in self._chips.items():
            chips.clear()
            with chips:
                for entry in self._shown.entries(is_thing):
                    self._build_chip(entry, is_thing)

    def focus(self) -> None:
        """Let the user type a thing."""
        self._fields[True].run_method('focus')

    def _build_kind(self, is_thing: bool) -> None:
        title, hint = _KINDS[is_thing]
        box = ui.element('div').classes('kind').props(f'data-kind={title.lower()}')
        box.on('dragover.prevent', js_handler='() => {}')
        box.on('drop.prevent', lambda _: self._drop(is_thing))
        with box:
            with ui.row().classes('items-baseline gap-2'):
                ui.label(title).classes('kind-title')
                ui.label(hint).classes('hint')
            self._chips[is_thing] = ui.element('div').classes('chips')
            field = ui.input(placeholder='name, synonym, ... and Enter').classes('w-full')
            field.props(f'dense outlined aria-label="Add {title.lower()}"')
            field.on('keydown.enter', lambda _: self._add(is_thing))
            self._fields[is_thing] = field

    def _build_chip(self, entry: str, is_thing: bool) -> None:
        name, *synonyms = (part.strip() for part in entry.split(','))
        red, green, blue = class_color(name)
        chip = ui.element('span').classes('chip').props('draggable=true')
        chip.style(f'border-color: rgb({red}, {green}, {blue})')
        chip.on('dragstart', lambda _: self._drag(entry, is_thing))
        with chip:
            edit = ui.element('button').props('type=button')
            edit.on('click', lambda _: self._edit(entry, is_thing))
            edit.props['title'] = f'{entry}: change, or move between things and stuff'
            with edit:
                ui.label(name + (f' +{len(synonyms)}' if synonyms else ''))
            remove = ui.element('button').props('type=button').classes('remove')
            remove.on('click', lambda _: self._change(
                lambda words: words.removed(entry, is_thing), is_thing))
            remove.props['aria-label'] = f'Remove {name}'
            with remove:
                ui.label('×')

    async def _add(self, is_thing: bool) -> None:
        field = self._fields[is_thing]
        text = str(field.value or '')
        if not text.strip() or self._is_asking(is_thing):   # Enter was pressed twice
            return
        if await self._change(lambda words: words.added(text, is_thing), is_thing
                              ) and field.value == text:
            field.set_value('')

    def _is_asking(self, is_thing: bool) -> bool:
        return bool(self._fields[is_thing].props.get('loading'))

    async def _change(self, edit: Callable[[Words], Words], is_thing: bool) -> bool:
        return await self._attempt(lambda: self._session.edit_words(edit), is_thing)

    async def _attempt(self, change: Callable[[], None], is_thing: bool) -> bool:
        """Change words; what is wrong with them is said under the field of their kind."""
        field = self._fields[is_thing]
        field.props('loading')
        try:
            await run.io_bound(change)      # a node may take its time, or be gone
        except ValueError as error:
            field.error = str(error)
            return False
        finally:
            field.props(remove='loading')
        field.error = None
        self.refresh()
        return True

    def _edit(self, entry: str, is_thing: bool) -> None:
        def close_if(is_done: bool) -> None:
            if is_done:
                dialog.close()
            else:
                field.error = self._fields[is_thing].error or self._fields[not is_thing].error

        async def keep() -> None:
            text = str(field.value)
            close_if(await self._change(
                lambda words: words.replaced(entry, text, is_thing), is_thing))

        async def move() -> None:
            close_if(await self._change(lambda words: words.moved(entry, not is_thing), is_thing))

        with ui.dialog(value=True) as dialog, ui.card().classes('w-96'):
            field = ui.input('Name, synonyms', value=entry).classes('w-full').props('autofocus')
            field.on('keydown.enter', lambda _: keep())
            ui.label('The first name is shown; synonyms help to find it.').classes('hint')
            with ui.row():
                ui.button('OK', on_click=keep).props('no-caps')
                ui.button(f'Move to {_KINDS[not is_thing][0].lower()}', on_click=move).props(
                    'flat no-caps')
                ui.button('Cancel', on_click=dialog.close).props('flat no-caps')
        dialog.on('hide', dialog.delete)

    def _drag(self, entry: str, is_thing: bool) -> None:
        self._dragged = (entry, is_thing)

    async def _drop(self, is_thing: bool) -> None:
        dragged, self._dragged = self._dragged, None
        if dragged is not None and dragged[1] != is_thing:
            await self._change(lambda words: words.moved(dragged[0], is_thing), is_thing)

    async def undo(self) -> None:
        """Take back the last change of words."""
        try:
            if not await run.io_bound(self._session.undo):
                ui.notify('There is no change of words to undo.')
        except ValueError as error:
            ui.notify(str(error), type='negative')

    def _save(self) -> None:
        ui.download.content(self._session.words.to_yaml(), 'words.yaml', 'application/yaml')

    async def _on_preset(self, event: events.ValueChangeEventArguments[str | None]) -> None:
        if event.value in presets():
            await self._attempt(lambda: self._session.use_preset(str(event.value)), True)

    async def _on_file(self, event: events.UploadEventArguments) -> None:
        event.sender.reset()    # type: ignore[attr-defined]
        try:
            words = Words.from_yaml((await event.file.read()).decode('utf-8'))
        except ValueError as error:
            ui.notify(f'{event.file.name[:80]}: {error}', type='negative', multi_line=True)
            return
        await self._change(lambda _: words, True)
