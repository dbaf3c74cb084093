# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the page shows and changes: one segmenter, one thread, the newest wish wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
import logging
import threading
import time

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.app.console.words import Words
from eov_seg_core.io.media import MediaError, Source
from eov_seg_core.results.merge import Thresholds
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.visualization import draw_overlay
from eov_seg_core.vocabulary import Vocabulary

_log = logging.getLogger(__name__)
RGB = npt.NDArray[np.uint8]
MAX_SHOWN_PX = 1920
"""Long side in pixels of the pictures that are sent to the page."""
_MOST_UNDO = 10
_RUNNERS_UP = 3
_FAILURES = (ValueError, RuntimeError, OSError, MemoryError, cv2.error)


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture with what was found in it; without words nothing is looked for.

    Attributes:
        number: Counts the frames of a session from 1.
        name: Of the picture, for people.
        rgb: (H, W, 3) uint8 RGB.
        vocabulary: What was looked for; None: nothing.
        result: What was found.
        overlay: JPEG of the overlay, its long side at most `MAX_SHOWN_PX`.
        plain: The same of the picture itself.
        seconds: That segmenting took.
    """

    number: int
    name: str
    rgb: RGB
    vocabulary: Vocabulary | None
    result: PanopticResult
    overlay: bytes
    plain: bytes
    seconds: float


@dataclass(frozen=True)
class Pixel:
    """What is at a pixel.

    Attributes:
        x: Column in the picture.
        y: Row in the picture.
        segment: None: the pixel is unlabeled.
        others: The names that came next, with their probabilities, best first.
    """

    x: int
    y: int
    segment: Segment | None
    others: list[tuple[str, float]]


@dataclass(frozen=True, eq=False)
class _Wish:
    """What the next frame is to be made of."""

    name: str = ''
    rgb: RGB | None = None
    words: Words = field(default_factory=Words)
    vocabulary: Vocabulary | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)


class LocalSession:
    """Segment one picture at a time with words that may change at any time.

    All methods may be called from any thread.  `start` begins to work, `stop` ends it.

    Args:
        load: Makes the segmenter, which must keep the raw output; called once, in the thread.
        words: To begin with.
        sources: Pictures and cameras that the page may choose from.

    Attributes:
        sources: As given.
        revision: Grows with everything that a page has to show anew.
        error: What went wrong last, in a sentence; '' if nothing did.
        is_paused: Whether a camera's frames are left out.
    """

    def __init__(self, load: Callable[[], Segmenter], words: Words,
                 sources: Sequence[Source] = ()) -> None:
        self.sources = tuple(sources)
        self.revision = 0
        self.error = ''
        self.is_paused = False
        self._load = load
        self._wish = _Wish(words=words, vocabulary=words.vocabulary())
        self._undo: list[Words] = []
        self._changed_at: float | None = None
        self.word_delay_s: float | None = None
        self._frame: Frame | None = None
        self._has_loaded = False
        self._is_busy = False
        self._is_stopped = False
        self._is_wanted = threading.Condition()
        self._camera: threading.Event | None = None
        self._listeners: list[Callable[[], object]] = []
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
    def frame(self) -> Frame | None:
        """The newest frame; None before the first one."""
        return self._frame

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

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call this from the session's thread after each new frame; the result ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def show(self, name: str, rgb: RGB) -> None:
        """Show another picture, and end a camera."""
        self._end_camera()
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
            return
        self._end_camera()
        self.is_paused = False
        self._camera = threading.Event()
        threading.Thread(target=self._watch, args=(source, self._camera), name='camera',
                         daemon=True).start()

    def set_words(self, words: Words) -> None:
        """Use other words from the next frame on.

        Raises:
            ValueError: They are no vocabulary, and nothing was changed; the text says why.
        """
        vocabulary = words.vocabulary()
        if words == self.words:
            return
        self._undo = [*self._undo[1 - _MOST_UNDO:], self.words]
        self._use_words(words, vocabulary)

    def undo(self) -> bool:
        """Take back the last change of words; False if there is none."""
        if not self._undo:
            return False
        words = self._undo.pop()
        self._use_words(words, words.vocabulary())
        return True

    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Use other thresholds from the next frame on."""
        if thresholds != self.thresholds:
            self._change(thresholds=thresholds)

    def set_paused(self, is_paused: bool) -> None:
        """Leave out a camera's frames, or take them again."""
        self.is_paused = is_paused
        self.revision += 1

    def pixel(self, right: float, down: float) -> Pixel | None:
        """Say what is at a place of the newest frame; None if there is no frame.

        Args:
            right: From the left edge, as a share of the width; what lies outside counts as edge.
            down: From the upper edge, as a share of the height.
        """
        frame = self._frame
        if frame is None:
            return None
        height, width = frame.result.instance.shape
        x, y = (min(max(int(share * size), 0), size - 1)
                for share, size in ((right, width), (down, height)))
        found = int(frame.result.instance[y, x])
        segment = frame.result.segments[found - 1] if found else None
        return Pixel(x, y, segment, runners_up(frame, segment) if segment else [])

    def _use_words(self, words: Words, vocabulary: Vocabulary | None) -> None:
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
        self.is_paused = False

    def _watch(self, source: Source, is_over: threading.Event) -> None:
        """Hand over the newest frame of a camera until another picture is chosen."""
        try:
            for picture in source.pictures():
                if is_over.is_set():
                    return
                if not self.is_paused:
                    self._change(name=source.path, rgb=picture.rgb)
            self._fail(MediaError(f'{source.path} gives no more frames; is it still there?'))
        except _FAILURES as error:
            self._fail(error)

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
            if frame is not None:
                self._frame = frame
                if changed_at is not None and changed_at == self._changed_at:
                    self.word_delay_s = time.monotonic() - changed_at
                    self._changed_at = None
            self.error = ''
            self._is_busy = self._wish is not wish and self._wish.rgb is not None
            self.revision += 1
        for listener in list(self._listeners):
            listener()

    def _segment(self, segmenter: Segmenter, wish: _Wish) -> Frame | None:
        vocabulary, rgb = wish.vocabulary, wish.rgb
        if vocabulary is not None and vocabulary != segmenter.vocabulary:
            segmenter.set_vocabulary(vocabulary)
        if rgb is None:
            return None
        start = time.monotonic()
        result = PanopticResult(np.zeros(rgb.shape[:2], np.int32), []) if vocabulary is None else (
            segmenter(rgb, score_threshold=wish.thresholds.score_threshold,
                      overlap_threshold=wish.thresholds.overlap_threshold))
        seconds = time.monotonic() - start
        number = 1 + (0 if self._frame is None else self._frame.number)
        return Frame(number, wish.name, rgb, vocabulary, result,
                     jpeg(draw_overlay(rgb, result)), jpeg(rgb), seconds)

    def _fail(self, error: Exception) -> None:
        _log.warning('%s', error)
        self.error = ' '.join(str(error).split()) or 'there is not enough memory'
        self._is_busy = False
        self.revision += 1


def runners_up(frame: Frame, segment: Segment) -> list[tuple[str, float]]:
    """Return the names that a segment would have had next, with their probabilities.

    Args:
        frame: With the raw output in its result.
        segment: Of this frame.
    """
    raw, vocabulary = frame.result.raw, frame.vocabulary
    if raw is None or vocabulary is None:
        return []
    probs_QK = np.exp(raw.class_log_probs[:, :-1])
    # a segment does not say which query it came from, but its score is that query's probability
    query = int(np.argmin(np.abs(probs_QK[:, segment.class_id - 1] - segment.score)))
    best = np.argsort(-probs_QK[query])
    return [(vocabulary.names[index], float(probs_QK[query, index])) for index in best
            if index != segment.class_id - 1][:_RUNNERS_UP]


def shrunk(picture: RGB) -> RGB:
    """Return a picture whose long side is at most `MAX_SHOWN_PX`."""
    scale = MAX_SHOWN_PX / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = picture.shape[:2]
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(rgb: RGB) -> bytes:
    """Return a picture as a JPEG, its long side at most `MAX_SHOWN_PX`."""
    _, data = cv2.imencode('.jpg', shrunk(rgb)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return bytes(data)
