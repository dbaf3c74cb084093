# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every session has: the newest frames, those who wait for the next one, words to undo.

A page shows and changes a session.  One session segments by itself (`local_session`), another one
belongs to a ROS node (`eov_seg_ros.console`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
import asyncio
from collections import deque
from collections.abc import Callable, Sequence
import threading
import time

from eov_seg_core.app.console.frame import Frame, RGB
from eov_seg_core.app.console.memory import Memory
from eov_seg_core.app.console.words import Words
from eov_seg_core.results.thresholds import Thresholds
from eov_seg_core.vocabulary import Vocabulary

_MOST_UNDO = 10
_UNWATCHED_S = 5.0


class Session(ABC):
    """What a page shows and changes; all methods may be called from any thread.

    Those that change something may wait for another machine, for seconds.

    Args:
        kept_frames: So many of the newest frames can be asked about.

    Attributes:
        revision: Grows with everything that a page has to show anew.
        error: What went wrong last, in a sentence; '' if nothing did.
        arrivals: How often what segments has come, or come back.
        is_paused: Whether new pictures are left out.
        note: What is to be known about the words in force; '' if nothing is.
        word_delay_s: From the last change of words to the first frame with them.
    """

    takes_pictures = False
    """Whether `show` exists: pictures can be uploaded."""

    def __init__(self, kept_frames: int) -> None:
        self.revision = 0
        self.error = ''
        self.note = ''
        self.arrivals = 0
        self.is_paused = False
        self.word_delay_s: float | None = None
        self._frames: deque[Frame] = deque(maxlen=kept_frames)
        self._undo: list[Words] = []
        self._editing = threading.Lock()
        self._listeners: list[Callable[[], object]] = []
        self._asked_s = -_UNWATCHED_S

    @abstractmethod
    def start(self) -> None:
        """Begin to work."""

    @abstractmethod
    def stop(self) -> None:
        """End all threads."""

    def show(self, name: str, rgb: RGB) -> None:
        """Show another picture, if the session `takes_pictures`."""
        raise NotImplementedError

    @property
    @abstractmethod
    def source_names(self) -> Sequence[str]:
        """The pictures or cameras that can be chosen."""

    @property
    @abstractmethod
    def source(self) -> int | None:
        """Which of them is shown; None: another picture."""

    @property
    @abstractmethod
    def can_pause(self) -> bool:
        """Whether new pictures come by themselves."""

    @property
    @abstractmethod
    def words(self) -> Words:
        """The words in force or about to be."""

    @property
    @abstractmethod
    def thresholds(self) -> Thresholds:
        """The thresholds in force or about to be."""

    @property
    @abstractmethod
    def state(self) -> str:
        """One of absent, loading, error, paused, empty, late, busy, no words, ready."""

    @property
    def figures(self) -> str:
        """How fast it goes, for people; '' if that is not known."""
        seconds = None if self.frame is None else self.frame.seconds
        return '' if seconds is None else f'segmented in {seconds:.2f}\u00a0s'

    @property
    def facts(self) -> Sequence[tuple[str, str]]:
        """Headings with sentences about what segments; empty: nothing is known."""
        return ()

    @property
    def memory(self) -> Memory | None:
        """Where objects are; None: nobody remembers that."""
        return None

    @abstractmethod
    def choose(self, index: int) -> None:
        """Show one of the sources.

        Raises:
            ValueError: There is no such source, or it cannot be read.
        """

    @abstractmethod
    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Use other thresholds from the next frame on.

        Raises:
            ValueError: They were refused; the text says why.
        """

    @abstractmethod
    def set_paused(self, is_paused: bool) -> None:
        """Leave out new pictures, or take them again."""

    @abstractmethod
    def _use_words(self, words: Words) -> None:
        """Use other words; as `edit_words`."""

    def edit_words(self, edit: Callable[[Words], Words]) -> None:
        """Change the words in force, from the next frame on; edits come one after another.

        Args:
            edit: Returns the new words for those in force.

        Raises:
            ValueError: They were refused, and nothing was changed; the text says why.
        """
        with self._editing:
            before = self.words
            words = edit(before)
            if words != before:
                self._use_words(words)
                self._remember(before)

    def use_preset(self, name: str) -> None:
        """Use the words of a published vocabulary; as `edit_words`."""
        self.edit_words(lambda _: Words.of(Vocabulary.preset(name)))

    def undo(self) -> bool:
        """Take back the last change of words; False if there is none.

        Raises:
            ValueError: As for `edit_words`.
        """
        with self._editing:
            if not self._undo:
                return False
            self._use_words(self._undo[-1])
            self._undo.pop()
            return True

    def _remember(self, words: Words) -> None:
        """Let `undo` return to these words."""
        self._undo = [*self._undo[1 - _MOST_UNDO:], words]

    @property
    def frame(self) -> Frame | None:
        """The newest frame; None before the first one."""
        return self._frames[-1] if self._frames else None

    def frame_of(self, number: int) -> Frame | None:
        """Return the frame with this number; None: it is not kept any more."""
        return next((frame for frame in list(self._frames) if frame.number == number), None)

    @property
    def is_watched(self) -> bool:
        """Whether a page has asked for a frame within the last seconds."""
        return time.monotonic() - self._asked_s < _UNWATCHED_S

    async def wait_for_frame(self, after: int, timeout_s: float = 2.0) -> Frame | None:
        """Return the newest frame as soon as its number is another one.

        Args:
            after: Number of the frame that is known.
            timeout_s: Longest wait; then None.
        """
        self._asked_s = time.monotonic()
        loop, is_new = asyncio.get_running_loop(), asyncio.Event()

        def listener() -> None:
            loop.call_soon_threadsafe(is_new.set)

        self._listeners.append(listener)
        try:
            if self.frame is None or self.frame.number == after:
                await asyncio.wait_for(is_new.wait(), timeout_s)
        except (asyncio.TimeoutError, TimeoutError):    # one class since Python 3.11
            return None
        finally:
            self._listeners.remove(listener)
        return self.frame

    def _add_frame(self, frame: Frame) -> None:
        """Show a new frame, and wake up those who wait for it."""
        self._frames.append(frame)
        self.revision += 1
        for listener in list(self._listeners):
            listener()


def note_of_unknown(names: str) -> str:
    """Say which words the network can only guess; '' if there are none.

    Args:
        names: As `shortened` joins them.
    """
    return names and (
        f'The network has not learned {names}: segments with these names are guesses. Variant t '
        'knows the words of the preset world_labels; the published weights know far more.')
