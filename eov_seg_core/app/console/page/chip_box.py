# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The words of one kind as chips, which stay where they are while others come and go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from eov_seg_core.visualization import class_color

_MOST_AT_ONCE = 150
"""So many are made in one go; thousands would let all pages wait for seconds."""
_SETTLED_MS = 100       # by then the browser shows what was added


class ChipBox:
    """Chips in a box that scrolls.

    Args:
        on_edit: Called with an entry whose name was clicked.
        on_remove: Called with an entry whose cross was clicked.
        on_drag: Called with an entry that begins to be dragged, and with None when that ends.
    """

    def __init__(self, on_edit: Callable[[str], object],
                 on_remove: Callable[[str], Awaitable[object]],
                 on_drag: Callable[[str | None], object]) -> None:
        self._on_edit = on_edit
        self._on_remove = on_remove
        self._on_drag = on_drag
        self._chips: dict[str, ui.element] = {}
        self._crosses: dict[str, ui.element] = {}

    def build(self) -> None:
        """Make the box."""
        self._box = ui.element('div').classes('chips')

    def show(self, entries: Sequence[str]) -> bool:
        """Show these words in their order.

        Returns:
            Whether all are shown; otherwise it is to be called again.
        """
        for entry in set(self._chips).difference(entries):
            del self._crosses[entry]
            self._chips.pop(entry).delete()
        missing = [entry for entry in entries if entry not in self._chips]
        with self._box:
            for entry in missing[:_MOST_AT_ONCE]:
                self._build_chip(entry)
        if len(missing) > _MOST_AT_ONCE:
            return False
        children = self._box.default_slot.children
        for index, entry in enumerate(entries):
            if children[index] is not self._chips[entry]:
                self._chips[entry].move(target_index=index)
        return True

    def reveal_last(self) -> None:
        """Scroll to the last word."""
        ui.run_javascript(f'setTimeout(() => getElement({self._box.id}).scrollTop = 1e6, '
                          f'{_SETTLED_MS})')

    def _build_chip(self, entry: str) -> None:
        name, *synonyms = (part.strip() for part in entry.split(','))
        red, green, blue = class_color(name)
        chip = self._chips[entry] = ui.element('span').classes('chip').props('draggable=true')
        chip.style(f'border-color: rgb({red}, {green}, {blue})')
        chip.on('dragstart', lambda _: self._on_drag(entry))
        chip.on('dragend', lambda _: self._on_drag(None))
        with chip:
            edit = TextElement(tag='button', text=name + (
                f' +{len(synonyms)}' if synonyms else '')).props('type=button')
            edit.on('click', lambda _: self._on_edit(entry))
            edit.props['title'] = f'{entry}: change, or move between things and stuff'
            cross = self._crosses[entry] = TextElement(tag='button', text='×').props('type=button')
            cross.on('click', lambda _: self._remove(entry)).classes('remove')
            cross.props['aria-label'] = f'Remove {name}'

    async def _remove(self, entry: str) -> None:
        """Remove a word; the keyboard's focus goes to the one beside it."""
        entries = list(self._chips)
        place = entries.index(entry)
        beside = [*entries[place + 1:place + 2], *entries[max(place - 1, 0):place]]
        await self._on_remove(entry)
        if entry not in self._chips and beside and beside[0] in self._crosses:
            self._crosses[beside[0]].run_method('focus')
