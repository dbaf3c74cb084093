# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The part of the page where words are typed, moved, removed, loaded and saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import events, run, ui

from eov_seg_core.app.console.page.chip_box import ChipBox
from eov_seg_core.app.console.page.file_button import file_button, FileKind
from eov_seg_core.app.console.session import Session
from eov_seg_core.app.console.words import Words
from eov_seg_core.io.yaml_text import MAX_BYTES
from eov_seg_core.vocabulary import presets
from eov_seg_core.vocabulary.category import split_synonyms

_FILES = FileKind('.yaml,.yml', MAX_BYTES, 'a YAML file, as "Save words" makes it, of at most '
                  f'{MAX_BYTES >> 10} KiB')
_LINES = ('(event) => { const text = event.clipboardData.getData("text/plain").trim(); '
          'if (/[\\r\\n]/.test(text)) { event.preventDefault(); emit(text); } }')
"""Of a paste: the text if it has several lines, which a field would join."""
_TAKE = ('(event) => { const field = event.target, text = field.value; '
         'if (event.isComposing || !text.trim()) return; '
         'field.value = ""; field.dispatchEvent(new Event("input")); '
         'setTimeout(() => emit(text)); }')     # after the event that the field is empty
"""Of Enter: the text, which leaves the field at once, so that the next word can be typed."""
_KINDS = {True: ('Things', 'countable: told apart'), False: ('Stuff', 'the rest: floor, sky')}


class WordPanel:
    """The words of the session, as chips.

    Args:
        session: Whose words they are.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: Words | None = None
        self._boxes: dict[bool, ChipBox] = {}
        self._fields: dict[bool, ui.input] = {}
        self._dragged: tuple[str, bool] | None = None
        self._arrivals = session.arrivals

    def build(self) -> None:
        """Make the elements."""
        ui.label('Words').classes('title').props('role=heading aria-level=2')
        for is_thing in (True, False):
            self._build_kind(is_thing)
        self._note = ui.label().classes('note').props('role=status aria-live=polite')
        self._note.set_visibility(False)
        with ui.row().classes('items-center gap-1 tools'):
            ui.button('Undo', on_click=self.undo).props('flat dense no-caps').tooltip(
                'Take back the last change of words (Ctrl+Z)')
            ui.button('Save words', on_click=self._save).props('flat dense no-caps')
            file_button('Load words', _FILES, self._on_file)
            self._presets = ui.select(list(presets()), label='Preset', on_change=self._on_preset)
            self._presets.props('dense outlined options-dense').classes('preset')
        self.refresh()

    def refresh(self) -> None:
        """Show the session's words, which another page may have changed."""
        if self._shown != self._session.words:
            words = self._session.words
            is_shown = [box.show(words.entries(is_thing)) for is_thing, box in self._boxes.items()]
            self._shown = words if all(is_shown) else None
        if self._arrivals != self._session.arrivals:    # what the one before said has passed
            self._arrivals = self._session.arrivals
            for field in self._fields.values():
                field.error = None
        if self._note.text != self._session.note:
            self._note.set_text(self._session.note)
            self._note.set_visibility(bool(self._session.note))

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
            self._boxes[is_thing] = chips = ChipBox(
                lambda entry: self._edit(entry, is_thing),
                lambda entry: self._remove(entry, is_thing),
                lambda entry: self._drag(entry, is_thing))
            chips.build()
            field = ui.input(placeholder='name, synonym, ... and Enter').classes('w-full')
            field.props(f'dense outlined aria-label="Add {title.lower()}"')
            for event, handler in (('keydown.enter', _TAKE), ('paste', _LINES)):
                field.on(event, lambda event: self._add(str(event.args), is_thing),
                         js_handler=handler)
            self._fields[is_thing] = field

    async def _add(self, text: str, is_thing: bool) -> None:
        field = self._fields[is_thing]
        if await self._change(lambda words: words.added(text, is_thing), is_thing):
            field.props['hint'] = explained(text)
            self._boxes[is_thing].reveal_last()
        elif not field.value:       # else the next word is being typed
            reason = field.error
            field.set_value(text)   # which takes the reason away
            field.error = reason

    async def _change(self, edit: Callable[[Words], Words], is_thing: bool) -> bool:
        return await self._attempt(lambda: self._session.edit_words(edit), is_thing)

    async def _attempt(self, change: Callable[[], None], is_thing: bool) -> bool:
        """Change words; what is wrong with them is said under the field of their kind."""
        field = self._fields[is_thing]
        field.props('loading')
        field.props['hint'] = ''
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

    async def _remove(self, entry: str, is_thing: bool) -> None:
        if await self._change(lambda words: words.removed(entry, is_thing), is_thing
                              ) and not self._session.words.entries(is_thing):
            self._fields[is_thing].run_method('focus')      # no chip can take it

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

    def _drag(self, entry: str | None, is_thing: bool) -> None:
        self._dragged = None if entry is None else (entry, is_thing)

    def _drop(self, is_thing: bool) -> Awaitable[object] | None:
        """Move the chip that is dragged; None if something else was, as a file."""
        # now, because the end of the drag is the next event
        dragged, self._dragged = self._dragged, None
        if dragged is None or dragged[1] == is_thing:
            return None
        return self._change(lambda words: words.moved(dragged[0], is_thing), is_thing)

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
        name = event.value
        if name is not None:
            self._presets.set_value(None)   # the words may change; chosen again, it acts again
            await self._attempt(lambda: self._session.use_preset(name), True)

    async def _on_file(self, name: str, data: bytes) -> None:
        try:
            words = await run.io_bound(Words.from_bytes, data)
        except ValueError as error:
            ui.notify(f'{name}: {error}', type='negative', multi_line=True, timeout=10_000)
            return
        if words is not None:       # None: the program ends
            await self._change(lambda _: words, True)


def explained(text: str) -> str:
    """Say what the commas of an entry did, which may not be what was meant; '': there are none.

    >>> explained('mug, cup')
    'One word with 2 names: mug, cup. Press Enter after each word to get several.'
    >>> explained('mug')
    ''
    """
    names = [name.strip() for name in split_synonyms(text)]
    return '' if len(names) < 2 or '\n' in text else (
        f'One word with {len(names)} names: {", ".join(names)}. '
        'Press Enter after each word to get several.')
