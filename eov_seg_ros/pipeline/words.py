# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The next vocabulary: requested, numbered, encoded, and swapped in between two frames.

Three threads have a part in this, and each part is an object that only its thread uses:

| thread   | object         | job |
|----------|----------------|-----|
| executor | `WordRequests` | checks the words, gives them their class ids, hands them on |
| texts    | `WordEncoder`  | turns the words into embeddings, which takes seconds for new ones |
| frames   | `CurrentWords` | swaps them in between two frames and publishes the class map |

`RequestedWords` and `EncodedWords` go from one thread to the next and never change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
import threading
import time
from typing import Any

from std_msgs.msg import Header

from eov_seg_core.inference.options import Superseded
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_ros.class_ids import ClassIds, LabelSpace
from eov_seg_ros.pipeline.stream import Stream


@dataclass(frozen=True)
class RequestedWords:
    """Words that were asked for and accepted.

    Attributes:
        vocabulary: The words.
        labels: Their published class ids.
        has_failed: Set by the text thread if they cannot be encoded.
        is_superseded: Set by the executor when newer words were asked for, or none will be used.
    """

    vocabulary: Vocabulary
    labels: LabelSpace
    has_failed: threading.Event = field(default_factory=threading.Event)
    is_superseded: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class EncodedWords:
    """Words that can be used for frames.

    Attributes:
        prepared: What the segmenter's `prepare_vocabulary` returned.
        labels: Their published class ids.
        unknown: The names and synonyms that the text tower never learned.
        encoded_ms: How long the encoding took.
    """

    prepared: Any
    labels: LabelSpace
    unknown: tuple[str, ...]
    encoded_ms: float = 0.0


class WordRequests:
    """Checks words and gives them their class ids; used by the executor only.

    Args:
        vocabulary: The words that are encoded already.
        semantic_encoding: As for `ClassIds`.
        submit: Takes the words to encode next; they replace those that still wait.

    Raises:
        ValueError: The vocabulary has too many names.
    """

    def __init__(self, vocabulary: Vocabulary, semantic_encoding: str,
                 submit: Callable[[RequestedWords], None]) -> None:
        self._class_ids = ClassIds(semantic_encoding)
        self._submit = submit
        self.latest = self._number(vocabulary)

    def check(self, vocabulary: Vocabulary) -> None:
        """Raise ValueError if `request` could not give the words their class ids."""
        self._class_ids.check(vocabulary.names)

    def request(self, vocabulary: Vocabulary) -> None:
        """Ask for words, unless they are the ones that were asked for last and did not fail.

        Raises:
            ValueError: There are no class ids left.
        """
        if vocabulary == self.latest.vocabulary and not self.latest.has_failed.is_set():
            return
        newest = self._number(vocabulary)
        self.latest.is_superseded.set()
        self.latest = newest
        self._submit(newest)

    def _number(self, vocabulary: Vocabulary) -> RequestedWords:
        return RequestedWords(vocabulary, self._class_ids.assign(vocabulary.names))


class WordEncoder:
    """Turns words into embeddings; used by the text thread only.

    Args:
        segmenter: Its `prepare_vocabulary` may run beside a frame.
        on_encoded: Gets the words that can be used.
        on_failure: Gets the reason why words cannot be used.
    """

    def __init__(self, segmenter: Any, on_encoded: Callable[[EncodedWords], None],
                 on_failure: Callable[[Exception], None]) -> None:
        self._segmenter = segmenter
        self._on_encoded = on_encoded
        self._on_failure = on_failure

    def __call__(self, waiting: Mapping[str, RequestedWords]) -> None:
        """Encode the words that wait; as `LatestWorker` wants it."""
        requested, = waiting.values()
        started_s = time.monotonic()
        try:
            prepared = self._segmenter.prepare_vocabulary(
                requested.vocabulary, is_wanted=lambda: not requested.is_superseded.is_set())
            unknown = self._segmenter.unknown_words(requested.vocabulary)
        except Superseded:
            return      # the newer words wait already
        except Exception as error:  # noqa: BLE001  the words in use must go on
            requested.has_failed.set()
            self._on_failure(error)
            return
        self._on_encoded(EncodedWords(
            prepared, requested.labels, unknown, 1000 * (time.monotonic() - started_s)))


class CurrentWords:
    """The words that frames are segmented with; changed by the frame thread only.

    Attributes:
        labels: Their class ids; any thread may read them.
        unknown: Which of them the text tower never learned; any thread may read them.
        version: Grows by one with each vocabulary; any thread may read it.

    Args:
        segmenter: Has encoded the words.
        words: The first words.
        streams: Publish the class map.
    """

    def __init__(self, segmenter: Any, words: EncodedWords, streams: Collection[Stream]) -> None:
        self._segmenter = segmenter
        self._streams = streams
        self.version = 0
        self.labels = words.labels
        self.unknown = words.unknown
        self.swap(words)

    def swap(self, words: EncodedWords) -> None:
        """Use other words from the next frame on."""
        self._segmenter.use_vocabulary(words.prepared)
        self.labels = words.labels
        self.unknown = words.unknown
        self.version += 1

    def publish(self, header: Header, score_threshold: float) -> None:
        """Publish the class map, and what the labels come from, for every camera."""
        model = self._segmenter.model
        method = f'EOV-Seg {model.config.variant} {model.weights_digest or "untrained"}'
        for stream in self._streams:
            stream.publish_vocabulary(header, self.labels, score_threshold, method, self.version)
