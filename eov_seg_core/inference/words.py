# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a vocabulary to the tensors that the network takes: encoded once, beside running frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
import os
import threading

import torch

from eov_seg_core.inference.embedding_cache import EmbeddingCache
from eov_seg_core.inference.text_encoder import TextEncoder
from eov_seg_core.inference.word_warnings import warn_of_words
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.vocabulary import Vocabulary


@dataclass(frozen=True)
class PreparedVocabulary:
    """A vocabulary with its text encoded, ready to be swapped in.

    Attributes:
        vocabulary: The names.
        embedding: Their tensors on the segmenter's device.
    """

    vocabulary: Vocabulary
    embedding: VocabularyEmbedding


class VocabularyEncoder:
    """Encodes vocabularies for one model, one at a time, whoever asks.

    Args:
        model: On the device that shall encode.
        embedding_cache_dir: As for `Segmenter`.
    """

    def __init__(self, model: EOVSeg, embedding_cache_dir: str | os.PathLike[str] | None) -> None:
        self._model = model
        self._lock = threading.Lock()
        tower = model.text_tower
        self._encoder = None if tower is None else TextEncoder(
            tower, EmbeddingCache(embedding_cache_dir))

    def prepare(self, vocabulary: Vocabulary, training_names: Iterable[str] | None,
                is_wanted: Callable[[], bool] | None) -> PreparedVocabulary:
        """Encode a vocabulary; see `Segmenter.prepare_vocabulary`."""
        _check(vocabulary)
        if self._encoder is None:
            raise RuntimeError('the text tower was released before this segmenter was built, so '
                               'no text can be encoded; build the segmenter first')
        config = self._model.config
        if training_names is None:
            training_names = Vocabulary.preset(config.training_vocabulary).synonyms
        with self._lock, torch.inference_mode():
            text_NE = self._encoder.encode(
                vocabulary.synonyms, self._model.text_tower, is_wanted)
            embedding = self._model.embed_vocabulary(
                text_NE, vocabulary.synonym_class_index, vocabulary.seen(training_names))
            warn_of_words(self._encoder, vocabulary.synonyms, config)
        return PreparedVocabulary(vocabulary, embedding)

    def unknown_words(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """Return what the text tower never learned; see `Segmenter.unknown_words`."""
        _check(vocabulary)
        return () if self._encoder is None else self._encoder.unknown_words(vocabulary.synonyms)


def _check(vocabulary: object) -> None:
    if not isinstance(vocabulary, Vocabulary):
        raise ValueError(f'expected a Vocabulary, got {vocabulary!r:.80} '
                         f'({type(vocabulary).__name__}); build one with Vocabulary(things, '
                         'stuff)')
