# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Serve the page: routes, checks, and the settings of NiceGUI that are not as we need them."""

from __future__ import annotations

import signal

from fastapi import Response
from nicegui import app, run, ui

from eov_seg_core.app.console.files import outline
from eov_seg_core.app.console.options import ServerAddress
from eov_seg_core.app.console.page.page import Page
from eov_seg_core.app.console.security import Guard
from eov_seg_core.app.console.session import Session


def serve(session: Session, address: ServerAddress, *, open_browser: bool) -> None:
    """Serve the page until Ctrl-C; once in the life of a process.

    Args:
        session: What the page shows; it is started and stopped here.
        address: Where to listen.
        open_browser: Open the page in this machine's browser.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:   # as in what a shell runs with `&`
        signal.signal(signal.SIGINT, signal.default_int_handler)
    app.add_middleware(Guard, token=address.token, port=address.port)
    _add_routes(session)
    app.on_startup(session.start)
    app.on_shutdown(session.stop)
    opened = f'/?token={address.token}' if address.token else True
    ui.run(lambda: Page(session).build(), host=address.host, port=address.port, title='EOV-Seg',
           favicon='🔎', language='en-US', show=open_browser and opened, reload=False, dark=None,
           reconnect_timeout=20, gzip_middleware_factory=None, show_welcome_message=False)


def _add_routes(session: Session) -> None:
    @app.get('/frame/{view}')
    async def _frame(view: str, after: int = 0) -> Response:
        frame = await session.wait_for_frame(after)
        if frame is None:
            return Response(status_code=204)
        # a large one takes a while
        picture = frame.plain if view == 'input' else await run.io_bound(lambda: frame.shown)
        if picture is None:
            return Response(status_code=204)
        return Response(picture, media_type='image/jpeg', headers={
            'cache-control': 'no-store', 'x-frame': str(frame.number)})

    @app.get('/outline/{number}/{segment_id}')
    def _outline(number: int, segment_id: int) -> Response:
        frame = session.frame_of(number)
        if frame is None:
            return Response(status_code=404)
        return Response(outline(frame, segment_id), media_type='image/png',
                        headers={'cache-control': 'max-age=60'})
