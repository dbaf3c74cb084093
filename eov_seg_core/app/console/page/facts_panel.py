# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself, to be unfolded."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from eov_seg_core.app.console.session import Session


class FactsPanel:
    """Headings with sentences; hidden where there are none.

    Args:
        session: Which is asked.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: Sequence[tuple[str, str]] = ()
        self._texts: dict[str, ui.label] = {}

    def build(self) -> None:
        """Make the elements."""
        self._panel = ui.expansion('The node').classes('w-full facts')
        self._panel.set_visibility(False)

    def refresh(self) -> None:
        """Show what is said now."""
        facts = self._session.facts
        if facts == self._shown:
            return
        self._shown = facts
        self._panel.set_visibility(bool(facts))
        if list(self._texts) != [heading for heading, _ in facts]:
            self._panel.clear()
            with self._panel:
                self._texts = {heading: _line(heading) for heading, _ in facts}
        for heading, text in facts:
            self._texts[heading].set_text(text)


def _line(heading: str) -> ui.label:
    with ui.element('div').classes('fact'):
        ui.label(heading).classes('hint')
        return ui.label()
