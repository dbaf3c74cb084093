# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an image and a vocabulary to a panoptic result: the object that a program holds.

The model is a pure function of pixels and vocabulary; this is where device, precision, thresholds
and the current vocabulary live.  Text is encoded by `prepare_vocabulary`, which may run in another
thread while frames are processed; `use_vocabulary` swaps the result in between two frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
import os
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch

from eov_seg_core.config import variant_config
from eov_seg_core.device.precision import resolve_device, resolve_precision
from eov_seg_core.inference.options import (
    check_flags,
    check_sizes,
    check_warm_up,
    MAX_INPUT_SIZE,
)
from eov_seg_core.inference.preprocess import ImageBatch, preprocess
from eov_seg_core.inference.runner import InferenceNetwork
from eov_seg_core.inference.words import PreparedVocabulary, VocabularyEncoder
from eov_seg_core.network.model import EOVSeg, Prediction
from eov_seg_core.pretrained import fetch_published, load_pretrained
from eov_seg_core.results.merge import postprocess
from eov_seg_core.results.result import PanopticResult, RawResult
from eov_seg_core.results.semantic import KeepSemantic, SemanticOrder
from eov_seg_core.results.thresholds import Thresholds
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.weights.choice import Source

Image = npt.NDArray[np.uint8]
OutputSize = tuple[int, int]


class Segmenter:
    """Segment images into things and stuff named by the current vocabulary.

    Calls must come from one thread at a time, except `prepare_vocabulary` and `use_vocabulary`.

    Args:
        model: A model; the segmenter moves it to its device and uses it from then on.  It must
            keep its weights; with `runtime='torch'` on a CPU only its CNN must, on CUDA they must
            stay in their memory.
        device: `auto` (CUDA where there is one), `cpu`, `cuda`, `cuda:N`, or a torch device.
        precision: `auto` (`mixed` on CUDA, else `fp32`), `fp32`, `mixed` (the spatial branch in
            half precision), `fp16` or `bf16` (all but what moves masks).
        input_size: Short side of the network's input in pixels; None: the image as it is.
        max_input_size: Upper limit of the long side in pixels.
        score_threshold: As in `Thresholds`; kept in `thresholds`, a call may be given others.
        overlap_threshold: As in `Thresholds`.
        keep_semantic: Return semantic scores: `True` for the order that is published for panoptic
            output beside them, `late` for that of semantic output alone; see `SemanticOrder`.
        keep_semantic_argmax: Return the class of the highest semantic score at every pixel, `True`
            or `late` as above; far cheaper than the scores.
        keep_instances: Return the published instance inference.
        keep_raw: Return the network's raw output.
        embedding_cache_dir: Folder of the text-embedding cache; None: a folder in the user's
            cache directory.
        compile: Compile the part of the network that sees no vocabulary when `warm_up` is called,
            which then takes minutes.
        cuda_graphs: On CUDA, launch the network as a whole: captured by `warm_up`, or after some
            frames of one size.
        runtime: What computes the network (docs/engines.md): `torch`, `openvino`, `onnxruntime`,
            `tensorrt`, or `auto`: OpenVINO in `fp32` on a CPU where it is installed, else PyTorch.
            PyTorch computes until the engine is ready, and an engine is used only if it computes
            what PyTorch does; `fallbacks` says if not.  A named engine is built by `warm_up` or in
            a thread after some frames of one size; one that `auto` chose is taken from the cache,
            and built by `warm_up` or when PyTorch has spent a minute on frames of one size.
        frames_wait: The first image of a size waits for its engine, so that one runtime computes
            all images of the size: for pictures in files, not for a camera.  An engine that `auto`
            chose is then taken from the cache alone.

    Attributes:
        network: How the model is run.
        thresholds: What a query must reach to become a segment, for calls that say nothing else.

    Raises:
        ValueError: An argument is out of range, or the device is not there.
    """

    def __init__(self, model: EOVSeg, device: str | torch.device = 'auto', precision: str = 'auto',
                 input_size: int | None = 640, max_input_size: int = MAX_INPUT_SIZE,
                 score_threshold: float = 0.0, overlap_threshold: float = 0.8, *,
                 keep_semantic: KeepSemantic = False, keep_semantic_argmax: KeepSemantic = False,
                 keep_instances: bool = False, keep_raw: bool = False,
                 embedding_cache_dir: str | os.PathLike[str] | None = None,
                 compile: bool = False, cuda_graphs: bool = True, runtime: str = 'auto',
                 frames_wait: bool = False) -> None:
        if not isinstance(model, EOVSeg):
            raise ValueError(f'model must be an EOVSeg, got {model!r:.80} '
                             f'({type(model).__name__}); to load weights write '
                             "Segmenter.from_pretrained('t'), or with checkpoint='FILE'")
        check_sizes(input_size, max_input_size)
        check_flags(keep_instances=keep_instances, keep_raw=keep_raw, compile=compile,
                    cuda_graphs=cuda_graphs, frames_wait=frames_wait)
        for name, value in (('keep_semantic', keep_semantic),
                            ('keep_semantic_argmax', keep_semantic_argmax)):
            SemanticOrder.requested(name, value)
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self.model = model.to(self.device).eval()
        self.network = InferenceNetwork(
            self.model, self.device, self.precision, compile=compile, cuda_graphs=cuda_graphs,
            runtime=runtime, frames_wait=frames_wait)
        self.input_size = input_size
        self.max_input_size = max_input_size
        self.thresholds = Thresholds(score_threshold, overlap_threshold)
        self.keep_semantic = keep_semantic
        self.keep_semantic_argmax = keep_semantic_argmax
        self.keep_instances = keep_instances
        self.keep_raw = keep_raw
        self._prepared: PreparedVocabulary | None = None
        self._words = VocabularyEncoder(self.model, embedding_cache_dir)

    @classmethod
    def from_pretrained(cls, variant: str, checkpoint: str | Path | None = None, *,
                        clip_pretrained: bool = False, download: bool = False,
                        progress: Callable[[int, int | None], None] | None = None,
                        **options: Any) -> Segmenter:
        """Build a segmenter from weights.

        Args:
            variant: `t`, `s`, `m` or `l`.
            checkpoint: Our `.safetensors` or an official `.pth`; None: the built-in weights,
                which only `t` has, or those that `eov-seg download` fetched.
            download: Without a checkpoint, fetch the published weights if they are not here
                (docs/weights.md); what comes, how large, from where and under which licence is
                logged before it comes.  Without it nothing is fetched.
            progress: Of that, called with the bytes that came and with all bytes (None if not
                known); without it the log has a line every 10 %.
            clip_pretrained: Without a checkpoint, take CLIP's weights through open_clip; masks
                are then meaningless, because aggregator and decoder are untrained.
            **options: As in the constructor, but `input_size` is by default what the variant is
                meant for: 288 for `t`, 640 for the others.

        Raises:
            CheckpointError: The checkpoint cannot be used.
            ValueError: There are no weights for this variant.
            RuntimeError: Weights could not be fetched; says what to do by hand.
            OSError: They could not be kept.
        """
        variant_config(variant)     # refuses an unknown one, None too
        if download and not checkpoint and not clip_pretrained:
            fetch_published(variant, progress)
        sources: tuple[Source, ...] = ('clip',) if clip_pretrained else ('built-in', 'published')
        model = load_pretrained(variant, checkpoint, sources=sources).model
        return cls(model, **{'input_size': model.config.input_size, **options})

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The vocabulary in use; None before the first one."""
        return None if self._prepared is None else self._prepared.vocabulary

    @property
    def fallbacks(self) -> dict[str, str]:
        """What was asked for and does not work here -> why.

        Keys are `compile`, `cuda_graphs` and `runtime`.
        """
        return self.network.fallbacks

    @property
    def is_preparing(self) -> bool:
        """Whether an engine is being loaded or built while PyTorch computes."""
        return self.network.is_preparing

    @property
    def preparation(self) -> str:
        """Which engine is being loaded or built, for which size, and for how long; '': none."""
        return self.network.preparation

    @property
    def runtime(self) -> str:
        """What computed the last frame: `torch` or an engine, with its version."""
        return self.network.runtime

    @property
    def score_threshold(self) -> float:
        """`thresholds.score_threshold`; to set it replaces `thresholds`."""
        return self.thresholds.score_threshold

    @score_threshold.setter
    def score_threshold(self, value: float) -> None:
        self.thresholds = replace(self.thresholds, score_threshold=value)

    @property
    def overlap_threshold(self) -> float:
        """`thresholds.overlap_threshold`; to set it replaces `thresholds`."""
        return self.thresholds.overlap_threshold

    @overlap_threshold.setter
    def overlap_threshold(self, value: float) -> None:
        self.thresholds = replace(self.thresholds, overlap_threshold=value)

    def set_vocabulary(self, vocabulary: Vocabulary,
                       training_names: Iterable[str] | None = None) -> None:
        """Encode a vocabulary and use it from the next image on; see `prepare_vocabulary`."""
        self.use_vocabulary(self.prepare_vocabulary(vocabulary, training_names))

    def prepare_vocabulary(self, vocabulary: Vocabulary,
                           training_names: Iterable[str] | None = None,
                           is_wanted: Callable[[], bool] | None = None) -> PreparedVocabulary:
        """Encode a vocabulary without using it yet; may run beside `__call__`.

        Args:
            vocabulary: The names to look for.
            training_names: Names that count as seen in training, synonyms included; None: those
                of the variant's training vocabulary.
            is_wanted: Asked several times a second while names are encoded, which takes long for
                thousands of new ones.  None: the vocabulary is wanted in any case.

        Raises:
            Superseded: `is_wanted` returned False; nothing has changed.
            ValueError: It is no Vocabulary, or the training names are no list of strings.
            RuntimeError: The text tower was released and the cache lacks a name.
        """
        return self._words.prepare(vocabulary, training_names, is_wanted)

    def unknown_words(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """Return the names and synonyms that hold a word which the text tower never learned.

        Such names look alike to it.  Only variant `t` has some: it knows the words of the preset
        `world_labels`.  () if the text tower was released before this segmenter was built.
        """
        return self._words.unknown_words(vocabulary)

    def use_vocabulary(self, prepared: PreparedVocabulary) -> None:
        """Use a prepared vocabulary from the next image on; takes no time."""
        if not isinstance(prepared, PreparedVocabulary):
            raise ValueError(f'expected what prepare_vocabulary returns, got {prepared!r:.80} '
                             f'({type(prepared).__name__}); set_vocabulary takes a Vocabulary')
        self._prepared = prepared

    @overload
    def __call__(self, image_rgb: Image, output_size: OutputSize | None = None, *,
                 score_threshold: float | None = None, overlap_threshold: float | None = None
                 ) -> PanopticResult: ...

    @overload
    def __call__(self, image_rgb: Sequence[Image],
                 output_size: Sequence[OutputSize | None] | None = None, *,
                 score_threshold: float | None = None, overlap_threshold: float | None = None
                 ) -> list[PanopticResult]: ...

    def __call__(self, image_rgb: Image | Sequence[Image],
                 output_size: OutputSize | Sequence[OutputSize | None] | None = None, *,
                 score_threshold: float | None = None, overlap_threshold: float | None = None
                 ) -> PanopticResult | list[PanopticResult]:
        """Segment one image, or several as one batch.

        Args:
            image_rgb: (H, W, 3) uint8 RGB, or a list of such images of any sizes.  A batch is
                padded to a common size, which the network sees: results differ slightly from
                those of single images, as in the published code.
            output_size: (height, width) of the result; None: the image's.  For a list of images a
                list, or None.
            score_threshold: For this call alone; None: the segmenter's.
            overlap_threshold: For this call alone; None: the segmenter's.

        Returns:
            A PanopticResult, or a list of them.

        Raises:
            ValueError: An image, an output size or a threshold is not as described.
            RuntimeError: No vocabulary was set.
        """
        prepared = self._current_vocabulary()
        thresholds = self.thresholds.with_given(score_threshold, overlap_threshold)
        if isinstance(image_rgb, (list, tuple)):
            return self._segment(image_rgb, output_size, prepared, thresholds)
        return self._segment([image_rgb], [output_size], prepared, thresholds)[0]

    def warm_up(self, height: int, width: int, *, wait: bool = True) -> None:
        """Compile and capture for single images of a size, in pixels, and segment a black one.

        Sizes of nearly the same aspect share this, because they are padded to the same size.
        Images of others run without compiled code; they never wait for it.

        Args:
            height: Of the images, before they are resized.
            width: Of the images, before they are resized.
            wait: Until the engine, if there is one, is ready; else it is built while PyTorch
                computes frames.

        Raises:
            ValueError: A side is no whole number of at least 1.
            RuntimeError: No vocabulary was set.
        """
        check_warm_up(height, width)
        prepared, image = self._current_vocabulary(), np.zeros((height, width, 3), np.uint8)
        self.network.prepare(
            self._preprocess([image], None).pixels_BCHW, prepared.embedding, wait=wait)
        self(image)

    def _current_vocabulary(self) -> PreparedVocabulary:
        if self._prepared is None:
            raise RuntimeError('no vocabulary is set; call set_vocabulary() before the first '
                               'image')
        return self._prepared

    def _preprocess(self, images: Sequence[Any], output_sizes: Any) -> ImageBatch:
        return preprocess(images, output_sizes=output_sizes, input_size=self.input_size,
                          max_input_size=self.max_input_size, device=self.device)

    def _segment(self, images: Sequence[Any], output_sizes: Any,
                 prepared: PreparedVocabulary, thresholds: Thresholds
                 ) -> list[PanopticResult]:
        if not images:
            return []
        batch = self._preprocess(images, output_sizes)      # checks what the caller gave
        prediction = self.predict(batch, prepared)
        return [self.merge(prediction, batch, index, prepared.vocabulary, thresholds)
                for index in range(len(images))]

    def predict(self, batch: ImageBatch, prepared: PreparedVocabulary) -> Prediction:
        """Run the network alone: the second of a frame's three steps.

        Args:
            batch: From `preprocess`, on this segmenter's device.
            prepared: The names to look for.
        """
        return self.network(batch.pixels_BCHW, prepared.embedding)

    def merge(self, prediction: Prediction, batch: ImageBatch, index: int,
              vocabulary: Vocabulary, thresholds: Thresholds | None = None) -> PanopticResult:
        """Turn the network's output for one image of a batch into a result: the last step.

        Args:
            prediction: Of the whole batch.
            batch: What was given to `predict`.
            index: Of the image in the batch.
            vocabulary: The names that were looked for.
            thresholds: For this image alone; None: the segmenter's.
        """
        log_probs_QK = prediction.class_log_probs_BQK[index]
        mask_logits_Qhw = prediction.mask_logits_BQhw[index]
        result = postprocess(
            log_probs_QK, mask_logits_Qhw, padded_size=batch.padded_size,
            network_size=batch.network_sizes[index], output_size=batch.output_sizes[index],
            vocabulary=vocabulary, thresholds=thresholds or self.thresholds,
            keep_semantic=self.keep_semantic, keep_semantic_argmax=self.keep_semantic_argmax,
            keep_instances=self.keep_instances)
        if self.keep_raw:
            result.raw = RawResult(log_probs_QK.cpu().numpy(), mask_logits_Qhw.cpu().numpy())
        return result
