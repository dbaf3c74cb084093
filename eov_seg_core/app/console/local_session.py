# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A session that segments by itself: one segmenter, one thread, the newest wish wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
import logging
from pathlib import PurePosixPath
import threading
import time

import cv2
import numpy as np

from eov_seg_core.app.console.frame import Frame, jpeg, RGB
from eov_seg_core.app.console.session import note_of_unknown, Session
from eov_seg_core.app.console.words import Words
from eov_seg_core.io.media import MediaError, Source
from eov_seg_core.io.text import shortened
from eov_seg_core.results.result import PanopticResult
from eov_seg_core.results.thresholds import Thresholds
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.visualization import draw_overlay
from eov_seg_core.vocabulary import Vocabulary

_log = logging.getLogger(__name__)
_KEPT_FRAMES = 3
"""Of 4K each takes about 100 MB."""
_RETRY_S = 5.0      # until a camera that could not be opened is tried again
_FAILURES = (ValueError, RuntimeError, OSError, MemoryError, cv2.error)


@dataclass(frozen=True, eq=False)
class _Wish:
    """What the next frame is to be made of."""

    name: str = ''
    rgb: RGB | None = None
    words: Words = field(default_factory=Words)
    vocabulary: Vocabulary | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)


class LocalSession(Session):
    """Segment one picture at a time with words that may change at any time.

    `start` begins to work, `stop` ends it.

    Args:
        load: Makes the segmenter, which must keep the raw output; called once, in the thread.
        words: To begin with.
        sources: Pictures and cameras that the page may choose from.

    Attributes:
        sources: As given.
    """

    takes_pictures = True

    def __init__(self, load: Callable[[], Segmenter], words: Words,
                 sources: Sequence[Source] = ()) -> None:
        super().__init__(_KEPT_FRAMES)
        self.sources = tuple(sources)
        self._load = load
        self._wish = _Wish(words=words, vocabulary=words.vocabulary())
        self._source: int | None = None
        self._changed_at: float | None = None
        self._has_loaded = False
        self._is_busy = False
        self._is_stopped = False
        self._is_wanted = threading.Condition()
        self._camera: threading.Event | None = None
        self._lost = ''     # why the camera gives nothing
        self._thread = threading.Thread(target=self._run, name='console', daemon=True)

    def start(self) -> None:
        """Load the segmenter and segment, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits for the frame at work."""
        self._end_camera()
        with self._is_wanted:
            self._is_stopped = True
            self._is_wanted.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def source_names(self) -> list[str]:
        """The pictures and cameras that the page may choose from."""
        return [PurePosixPath(source.path).name for source in self.sources]

    @property
    def source(self) -> int | None:
        """Which of them is shown; None: a picture that somebody gave."""
        return self._source

    @property
    def can_pause(self) -> bool:
        """Whether there is a camera."""
        return any(not source.is_image for source in self.sources)

    @property
    def words(self) -> Words:
        """The words in force or about to be."""
        return self._wish.words

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds in force or about to be."""
        return self._wish.thresholds

    @property
    def state(self) -> str:
        """One of loading, error, paused, empty, busy, no words, ready."""
        states = ((not self._has_loaded and not self.error, 'loading'), (self.error, 'error'),
                  (self.is_paused, 'paused'), (self._wish.rgb is None, 'empty'),
                  (self._is_busy, 'busy'), (self._wish.vocabulary is None, 'no words'))
        return next((name for holds, name in states if holds), 'ready')

    def show(self, name: str, rgb: RGB) -> None:
        """Show another picture, and end a camera."""
        self._end_camera()
        self._source = None
        self._change(name=name, rgb=rgb)

    def choose(self, index: int) -> None:
        """Show one of the sources.

        Raises:
            ValueError: There is no such source, or it cannot be read.
        """
        if not 0 <= index < len(self.sources):
            raise ValueError(f'there are {len(self.sources)} pictures, got number {index}')
        source = self.sources[index]
        if source.is_image:
            picture = next(source.pictures())
            self.show(picture.file_name, picture.rgb)
            self._source = index
            return
        self._end_camera()
        self._source = index
        self.is_paused = False
        self._camera = threading.Event()
        threading.Thread(target=self._watch, args=(source, self._camera), name='camera',
                         daemon=True).start()

    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Use other thresholds from the next frame on."""
        if thresholds != self.thresholds:
            self._change(thresholds=thresholds)

    def set_paused(self, is_paused: bool) -> None:
        """Leave out a camera's frames, or take them again."""
        self.is_paused = is_paused
        self.revision += 1

    def _use_words(self, words: Words) -> None:
        vocabulary = words.vocabulary()
        self._changed_at = time.monotonic()
        self._change(words=words, vocabulary=vocabulary)

    def _change(self, **changes: object) -> None:
        with self._is_wanted:
            self._wish = replace(self._wish, **changes)     # type: ignore[arg-type]
            self._is_busy = self._wish.rgb is not None
            self.revision += 1
            self._is_wanted.notify_all()

    def _end_camera(self) -> None:
        if self._camera is not None:
            self._camera.set()
            self._camera = None
        self._lost = ''
        self.is_paused = False

    def _watch(self, source: Source, is_over: threading.Event) -> None:
        """Hand over the newest frame of a camera until another picture is chosen.

        A camera that is not there is tried again, and the page says so meanwhile.
        """
        while not is_over.is_set():
            try:
                for picture in source.pictures():
                    if is_over.is_set():
                        return
                    self._lost = ''
                    if not self.is_paused:
                        self._change(name=source.path, rgb=picture.rgb)
                reason: Exception = MediaError(
                    f'{source.path} gives no more frames; check that it is still there')
            except _FAILURES as error:
                reason = error
            if not (self._lost or is_over.is_set()):
                self._fail(reason, f'; it is tried again every {_RETRY_S:g} s')
                self._lost = self.error
            is_over.wait(_RETRY_S)

    def _run(self) -> None:
        try:
            segmenter = self._load()
        except _FAILURES as error:
            self._fail(error)
            return
        self._has_loaded = True
        self.revision += 1
        done: _Wish | None = None
        while True:
            with self._is_wanted:
                while self._wish is done and not self._is_stopped:
                    self._is_wanted.wait()
                if self._is_stopped:
                    return
                done = self._wish
            self._work(segmenter, done)

    def _work(self, segmenter: Segmenter, wish: _Wish) -> None:
        """Make a frame; whatever fails is said, and the last frame stays."""
        changed_at = self._changed_at
        try:
            frame = self._segment(segmenter, wish)
        except _FAILURES as error:
            self._fail(error)
            return
        with self._is_wanted:
            if frame is not None and changed_at is not None and changed_at == self._changed_at:
                self.word_delay_s = time.monotonic() - changed_at
                self._changed_at = None
            self.error = self._lost
            self._is_busy = self._wish is not wish and self._wish.rgb is not None
        if frame is not None:
            self._add_frame(frame)

    def _segment(self, segmenter: Segmenter, wish: _Wish) -> Frame | None:
        vocabulary, rgb = wish.vocabulary, wish.rgb
        if vocabulary is not None and vocabulary != segmenter.vocabulary:
            segmenter.set_vocabulary(vocabulary)
            self.note = note_of_unknown(shortened(segmenter.unknown_words(vocabulary)))
        if rgb is None:
            return None
        start, seconds = time.monotonic(), None
        result = PanopticResult(np.zeros(rgb.shape[:2], np.int32), [])
        if vocabulary is not None:
            result = segmenter(rgb, score_threshold=wish.thresholds.score_threshold,
                               overlap_threshold=wish.thresholds.overlap_threshold)
            seconds = time.monotonic() - start
        number = 1 + (0 if self.frame is None else self.frame.number)
        return Frame(number, wish.name, jpeg(draw_overlay(rgb, result)), lambda: result,
                     vocabulary, seconds, jpeg(rgb), rgb)

    def _fail(self, error: Exception, outlook: str = '') -> None:
        self.error = (' '.join(str(error).split()) or 'there is not enough memory') + outlook
        _log.warning('%s', self.error)
        self._is_busy = False
        self.revision += 1
