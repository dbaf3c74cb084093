# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `eov-seg console` does: choose pictures, words and weights, then serve the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import importlib.util

from eov_seg_core.app.console.frame import RGB
from eov_seg_core.app.console.local_session import LocalSession
from eov_seg_core.app.console.options import ServerAddress
from eov_seg_core.app.console.words import Words
from eov_seg_core.io.media import find_media, name_sources, Source
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.world import generate_scene, random_camera, render

_ROOM_SEED = 7


@dataclass(frozen=True, kw_only=True)
class ConsoleJob:
    """What `eov-seg console` is to do.

    Attributes:
        vocabulary: To begin with.
        inputs: Pictures, folders and cameras; none: a room of the built-in world.
        address: Where the page is.
        open_browser: Open the page.
    """

    vocabulary: Vocabulary
    inputs: Sequence[str] = ()
    address: ServerAddress = ServerAddress()
    open_browser: bool = True


def console(job: ConsoleJob, load: Callable[[], Segmenter], say: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C.

    Args:
        job: What to show, and where.
        load: Makes the segmenter; called in the session's thread.
        say: Called with lines for the terminal.

    Raises:
        ValueError: An input cannot be used, another program listens where the page should be, or
            NiceGUI is not installed.
    """
    if importlib.util.find_spec('nicegui') is None:
        raise ValueError("the console needs NiceGUI: pip install 'eov_seg_ros[console]'")
    job.address.check()
    session = LocalSession(load, Words.of(job.vocabulary),
                           usable_sources(job.inputs))
    if session.sources:
        session.choose(0)
    else:
        session.show('a room of the built-in world', built_in_room())
    from eov_seg_core.app.console.server import serve  # NiceGUI is an extra, and takes a second
    say(f'{job.address.url}  (Ctrl-C ends it)')
    serve(session, job.address, open_browser=job.open_browser)


def usable_sources(inputs: Sequence[str]) -> list[Source]:
    """Return the pictures and cameras that the arguments name.

    Raises:
        ValueError: One names nothing, or a video.
    """
    paths, problems = find_media(inputs)
    sources = name_sources(paths, '.')
    problems += [f'{source.path} is a video; the console takes pictures, folders of them, and '
                 'cameras' for source in sources if not (source.is_image or source.is_live)]
    if problems:
        raise ValueError('; '.join(problems))
    return sources


def built_in_room() -> RGB:
    """Return the picture that is shown when none is given: (480, 640, 3) uint8 RGB."""
    scene = generate_scene(seed=_ROOM_SEED)
    return render(scene, random_camera(scene, width=640, height=480)).rgb
