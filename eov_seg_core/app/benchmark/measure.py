# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How fast it is, and whether it is still right: what `eov-seg benchmark` does.

Every speed stands beside its parity: the share of pixels at which the id map equals that of
float32, computed without TF32 from the same weights and image.  Two settings can be measured in
turns in one run, so that what else the machine does cancels in their ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from eov_seg_core.app.benchmark.busy import BusyProcesses
from eov_seg_core.app.benchmark.parts import (
    cnn_trunk,
    part_operations,
    part_parameters,
    part_times,
)
from eov_seg_core.app.benchmark.setting import Setting
from eov_seg_core.app.benchmark.timing import peak_resident_mib, ratio, Sample, summary, timed
from eov_seg_core.app.commands import build_segmenter, describe_machine, ModelOptions
from eov_seg_core.app.words import choose_vocabulary
from eov_seg_core.inference.engines.choice import choose_runtime
from eov_seg_core.inference.preprocess import ImageBatch, preprocess
from eov_seg_core.inference.words import PreparedVocabulary
from eov_seg_core.io.media import MediaError, read_image
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.world import generate_scene, random_camera, render

LEVELS = ('network', 'network + merge', 'host to host')
TRUNK = 'CNN trunk alone'
_PART_ROUNDS = 10

Image = npt.NDArray[np.uint8]


class Measurement:
    """A setting, ready to be measured on one image.

    Args:
        model: The weights, shared by all measurements.
        setting: What to measure.
        image: (H, W, 3) uint8 RGB.
        device: Where it runs.

    Attributes:
        setting: As given.
        segmenter: Of that setting.
        calls: Name of a level -> what is timed for it; those of `LEVELS` return a result or
            a prediction, `TRUNK` is the yardstick.
        samples: The same names -> what was measured.
        busy_samples: The same beside busy processes.
        start_up_s: What comes before the first frame that counts -> seconds.
        device_memory_mib: Largest memory of tensors on the GPU during a frame; 0 on the CPU.
    """

    def __init__(self, model: EOVSeg, setting: Setting, image: Image,
                 device: torch.device) -> None:
        torch.set_num_threads(setting.threads)
        self.setting = setting
        self.segmenter = Segmenter(
            model, device, setting.precision, setting.input_size, compile=setting.compile,
            cuda_graphs=setting.cuda_graphs, runtime=setting.runtime)
        vocabulary, starts = choose_vocabulary(setting.vocabulary, [], []), [time.perf_counter()]
        self.prepared: PreparedVocabulary = self.segmenter.prepare_vocabulary(vocabulary)
        self.segmenter.use_vocabulary(self.prepared)
        starts.append(time.perf_counter())
        self.segmenter(image)
        starts.append(time.perf_counter())
        self.segmenter.warm_up(*image.shape[:2])
        starts.append(time.perf_counter())
        self.start_up_s = dict(zip(('vocabulary', 'first frame', 'warm-up'),
                                   np.diff(starts).tolist()))
        self.batch: ImageBatch = preprocess(
            [image], output_sizes=None, input_size=setting.input_size,
            max_input_size=self.segmenter.max_input_size, device=device)
        self.calls: dict[str, Callable[[], Any]] = {
            'network': partial(self.segmenter.predict, self.batch, self.prepared),
            'network + merge': self._network_and_merge,
            'host to host': partial(self.segmenter, image),
            TRUNK: torch.inference_mode()(partial(cnn_trunk(model), self.batch.pixels_BCHW))}
        self._image = image
        self.samples: dict[str, list[Sample]] = {name: [] for name in self.calls}
        self.busy_samples: dict[str, list[Sample]] = {name: [] for name in self.calls}
        self.device_memory_mib = 0.0
        self._reference = self._reference_ids(model)
        self._ids = self._reference

    def _network_and_merge(self) -> object:
        prediction = self.segmenter.predict(self.batch, self.prepared)
        return self.segmenter.merge(prediction, self.batch, 0, self.prepared.vocabulary)

    def _reference_ids(self, model: EOVSeg) -> npt.NDArray[np.int32]:
        """Segment in float32 without TF32, by the plain model, not as inference runs it."""
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            prediction = model(self.batch.pixels_BCHW, self.prepared.embedding)
        return self.segmenter.merge(prediction, self.batch, 0, self.prepared.vocabulary).instance

    def run(self, *, keep: bool, is_busy: bool = False) -> None:
        """Call each level once.

        Args:
            keep: What was measured; else it is for warming up.
            is_busy: Other processes are at work.
        """
        kept = self.busy_samples if is_busy else self.samples
        torch.set_num_threads(self.setting.threads)
        device = self.segmenter.device
        if device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(device)
        for name, call in self.calls.items():
            sample, result = timed(call, device)
            if name == 'host to host':
                self._ids = result.instance
            if keep:
                kept[name].append(sample)
        if device.type == 'cuda':
            self.device_memory_mib = torch.cuda.max_memory_allocated(device) / 2 ** 20

    def report(self, part_rounds: int) -> dict[str, Any]:
        """Return what was measured; measures the parts, which takes some frames more."""
        torch.set_num_threads(self.setting.threads)
        parity = {'equal_pixels': float((self._ids == self._reference).mean()),
                  'labeled_pixels': float((self._reference > 0).mean()),
                  'segments': int(self._reference.max())}
        # a graph and compiled code are whole, so parts are measured without them
        plain = Segmenter(self.segmenter.model, self.segmenter.device, self.setting.precision,
                          self.setting.input_size, cuda_graphs=False, runtime='torch')
        plain.use_vocabulary(self.prepared)
        frame = partial(plain, self._image)
        times, operations = part_times(plain, frame, part_rounds), part_operations(plain, frame)
        vocabulary = self.prepared.vocabulary
        return {
            'setting': {**asdict(self.setting), 'classes': len(vocabulary),
                        'names': len(vocabulary.synonyms)},
            'padded_size': list(self.batch.padded_size),
            'start_up_s': self.start_up_s,
            'runtime': self.segmenter.runtime,
            'fallbacks': self.segmenter.fallbacks,
            'parity': parity,
            'speeds': {level: {**summary(self.samples[level]),
                               'equal_pixels': parity['equal_pixels']} for level in LEVELS},
            'yardstick': {**summary(self.samples[TRUNK]), 'host_to_host_over_trunk': ratio(
                self.samples['host to host'], self.samples[TRUNK])},
            **self._beside_busy(),
            'parts': {part: {**clocks, 'gflop': operations[part]}
                      for part, clocks in times.items()},
            'device_memory_mib': self.device_memory_mib}

    def _beside_busy(self) -> dict[str, Any]:
        """Return the speeds beside busy processes, and over those without, if there were any."""
        if not self.busy_samples[LEVELS[0]]:
            return {}
        return {'busy_speeds': {level: summary(self.busy_samples[level]) for level in LEVELS},
                'busy_over_idle': {level: ratio(self.busy_samples[level], self.samples[level])
                                   for level in LEVELS}}


@dataclass(frozen=True, kw_only=True)
class BenchmarkJob:
    """What `eov-seg benchmark` is to do.

    Attributes:
        model: What to measure.
        image: A file; None: a room of the built-in world.
        size: (width, height) of that room in pixels.
        vocabulary: A preset or a file.
        threads: On the CPU; None: PyTorch's choice.
        rounds: Times that each call is measured.
        warm_up: Rounds before that.
        against: Changes 'name=value' that make the second setting; empty: measure one alone.
        busy: Processes that keep a core busy in every other round; 0: none.
    """

    model: ModelOptions
    image: str | None = None
    size: tuple[int, int] = (640, 480)
    vocabulary: str = 'ade20k_150'
    threads: int | None = None
    rounds: int = 20
    warm_up: int = 3
    against: tuple[str, ...] = ()
    busy: int = 0


def benchmark(job: BenchmarkJob) -> dict[str, Any]:
    """Measure one setting, or two in turns.

    Args:
        job: What to measure.

    Returns:
        Entries that JSON can hold; docs/performance.md describes them.

    Raises:
        ValueError: An option is wrong, or weights, vocabulary or image cannot be used.
        OSError: A busy process cannot be started.
        RuntimeError: A busy process was ended by somebody else.
    """
    image, start = _image(job), time.perf_counter()
    segmenter = build_segmenter(job.model)
    load_s = time.perf_counter() - start
    model, device = segmenter.model.requires_grad_(False), segmenter.device
    setting = Setting(segmenter.precision, segmenter.input_size or min(image.shape[:2]),
                      job.vocabulary, job.threads or torch.get_num_threads(),
                      runtime=choose_runtime(job.model.runtime, device.type, segmenter.precision))
    settings = [setting]
    if job.against:
        settings.append(setting.changed(job.against, device))
    with _threads_restored():
        measurements = [Measurement(model, setting, image, device) for setting in settings]
        _run_rounds(job, measurements)
        # loading is over, and counting operations must not look like a frame's memory
        peak_mib = peak_resident_mib()
        reports = [measurement.report(min(job.rounds, _PART_ROUNDS))
                   for measurement in measurements]
    report = {
        'variant': model.config.variant,
        'weights': model.weights_digest or ' or '.join(job.model.sources),
        'image': {'source': job.image or 'built-in world', 'size': list(image.shape[:2])},
        'rounds': job.rounds, 'warm_up': job.warm_up, 'busy_processes': job.busy,
        'machine': describe_machine(device), 'peak_process_mib': peak_mib, 'load_s': load_s,
        'parameters': part_parameters(model), 'settings': reports}
    if len(measurements) == 2:
        report['first_over_second'] = {
            level: ratio(*(measurement.samples[level] for measurement in measurements))
            for level in LEVELS}
    return report


def _run_rounds(job: BenchmarkJob, measurements: list[Measurement]) -> None:
    """Measure in turns: one setting after the other, and each round without and with load."""
    with BusyProcesses(job.busy) as others:
        for step in tqdm(range(-job.warm_up, job.rounds), unit='round', disable=None):
            for measurement in measurements:
                measurement.run(keep=step >= 0)
            if job.busy:
                with others.at_work():
                    for measurement in measurements:
                        measurement.run(keep=step >= 0, is_busy=True)


def _image(job: BenchmarkJob) -> Image:
    if job.image is not None:
        try:
            return read_image(job.image)
        except MediaError as error:
            raise ValueError(str(error)) from error
    width, height = job.size
    scene = generate_scene(seed=0)
    return render(scene, random_camera(scene, width=width, height=height)).rgb


@contextmanager
def _threads_restored() -> Iterator[None]:
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
