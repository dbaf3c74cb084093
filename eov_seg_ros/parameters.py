# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of `segment_node`, declared once.

The fields of `Parameters` are the table: name, type, default, description, range and read-only
flag.  Declaration, the table in docs/ros_api.md (both in `parameter_spec`), validation and the
values that the node works with are all derived from it.  Importable without ROS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, Field, fields
from functools import cached_property, lru_cache
import re
from typing import Any, TYPE_CHECKING

from eov_seg_core.config import VARIANTS
from eov_seg_core.inference.engines.choice import RUNTIMES
from eov_seg_core.vocabulary import canonical_form, Vocabulary
from eov_seg_ros.class_ids import UNLABELED
from eov_seg_ros.parameter_spec import parameter, Spec, typed_value
from eov_seg_ros.space.parameters import SpaceParameters

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.parameter import Parameter

_PUBLISHED = 'published'


@dataclass(frozen=True)
class Parameters(SpaceParameters):
    """All parameters of the node at one moment, valid.

    Raises:
        ValueError: A value is out of range, or the vocabulary is refused; says what to do.
    """

    vocabulary_things: tuple[str, ...] = parameter(
        (), 'Countable classes to look for, each `name,synonym,synonym`.',
        name='vocabulary.things')
    vocabulary_stuff: tuple[str, ...] = parameter(
        (), 'Uncountable classes to look for, each `name,synonym,synonym`.',
        name='vocabulary.stuff')
    vocabulary_file: str = parameter(
        '', 'File that both lists are read from when it is set: YAML, or a list with one '
        '`name,synonym` a line. Given at the start, it is read if both lists are empty.',
        name='vocabulary.file')
    vocabulary_preset: str = parameter(
        'coco_panoptic', 'Published vocabulary that is used while both lists are empty.',
        name='vocabulary.preset')
    score_threshold: float = parameter(
        0.0, 'Masks of a lower score are dropped; the published value is 0.', bounds=(0.0, 1.0))
    overlap_threshold: float = parameter(
        0.8, 'Least share of its own area that a mask must win from the others.',
        bounds=(0.0, 1.0))
    max_rate_hz: float = parameter(
        0.0, 'Most frames per second that are processed; 0: as many as the device can.',
        bounds=(0.0, 1000.0))
    overlay_alpha: float = parameter(
        0.5, 'Opacity of the colours in `~/overlay`.', bounds=(0.0, 1.0))
    detections_include_stuff: bool = parameter(
        False, 'Put stuff segments into `~/detections` as well.')
    mono16_max: int = parameter(
        65535, 'The sample of `mono16` images that is white: 1023 for a camera of 10 bits, 4095 '
        'for 12, 16383 for 14.', bounds=(1, 65535))
    mask_classes: tuple[str, ...] = parameter(
        (), 'Names whose pixels are white in `~/mask/image`.')
    enabled: bool = parameter(
        True, 'Process frames; false pauses, as the service `~/set_enabled` does.')

    variant: str = parameter(
        's', 'Size of the model; `t` is for the built-in world and needs no checkpoint.',
        read_only=True, choices=VARIANTS)
    checkpoint: str = parameter(
        '', 'Weights: a published `.pth` or our `.safetensors`; `published`: those that are '
        'published for the variant, fetched if they are not on this machine; empty: the same, but '
        'nothing is fetched. Those of `t` are in the package.',
        read_only=True)
    download: bool = parameter(
        True, 'With `checkpoint: published`, fetch weights that are not on this machine; false: '
        'only say how to bring them.', read_only=True)
    clip_pretrained: bool = parameter(
        False, "With `allow_untrained`, and if there are no other weights, take CLIP's through "
        'open_clip, from its cache or the network (several hundred MB). Masks are then '
        'meaningless, because only a checkpoint has trained mask layers.',
        read_only=True)
    allow_untrained: bool = parameter(
        False, 'Start with random weights if there are no others, for trying out the plumbing.',
        read_only=True)
    device: str = parameter(
        'auto', '`auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.', read_only=True)
    allow_cpu_fallback: bool = parameter(
        False, 'Use the CPU, with a warning, if the named CUDA device is not there.',
        read_only=True)
    precision: str = parameter(
        'auto', '`mixed` computes the spatial branch in half precision, `fp16` and '
        '`bf16` the whole network but for what moves masks. `auto` is mixed on CUDA and fp32 on '
        'the CPU.', read_only=True,
        choices=('auto', 'fp32', 'mixed', 'fp16', 'bf16'))
    runtime: str = parameter(
        'auto', 'What computes the network: PyTorch, or an engine, which is prepared while '
        'PyTorch computes frames: `openvino` and `onnxruntime` on the CPU, `tensorrt` on CUDA. '
        '`auto` is OpenVINO in fp32 on a CPU where it is installed, else PyTorch.',
        read_only=True, choices=RUNTIMES)
    input_size: int = parameter(
        0, "Short side of the network's input in pixels, 32 or more; 0: what the variant is meant "
        'for (288 for `t`, else 640); -1: the image as it is. Results always have the size of the '
        'image.', read_only=True, bounds=(-1, 2560))
    compile: bool = parameter(
        False, 'Compile the network with `torch.compile` for images of 4:3 and of 16:9: configure '
        'takes minutes longer. Other images, and those of several cameras that come together, run '
        'uncompiled.', read_only=True)
    image_transport: str = parameter(
        'raw', '`compressed` subscribes to `image_raw/compressed` instead of `image_raw`.',
        read_only=True, choices=('raw', 'compressed'))
    max_megapixels: float = parameter(
        64.0, 'Larger compressed images are refused before they are decoded: a few hundred bytes '
        'may claim gigabytes of pixels.', read_only=True, bounds=(0.01, 178.0))
    camera_names: tuple[str, ...] = parameter(
        (), 'Several cameras: each subscribes to `<name>/image_raw` and publishes below '
        '`~/<name>`; empty: one camera without a name.', read_only=True)
    semantic_encoding: str = parameter(
        'auto', 'Encoding of `~/semantic` until cleanup. `mono8` holds 255 names at a time, and '
        'then gives the ids of removed names to new ones; `auto` is `mono8` if it holds the '
        'names at configure.', read_only=True, choices=('auto', 'mono8', 'mono16'))
    panoptic_packing: str = parameter(
        'class_high', 'Which half of a pixel of `~/panoptic` is the class id, the other being the '
        'instance; newer versions of Hydra want `class_low`.', read_only=True,
        choices=('class_high', 'class_low'))
    embedding_cache_dir: str = parameter(
        '', "Folder of the text-embedding cache; empty: in the user's cache directory.",
        read_only=True)
    timeout_s: float = parameter(
        5.0, '`/diagnostics` warns when no image came for so many seconds; 0: never.',
        read_only=True, bounds=(0.0, 3600.0))
    autostart: bool = parameter(
        True, 'Configure and activate without a lifecycle manager.', read_only=True)

    def __post_init__(self) -> None:
        """Refuse values that the node could not honour."""
        for attribute, spec in _SPECS.items():
            spec.check(getattr(self, attribute))
        if 0 < self.input_size < 32:
            raise ValueError(f'input_size must be -1, 0 or at least 32, got {self.input_size}')
        if not re.fullmatch(r'auto|cpu|cuda(:\d+)?', self.device):
            raise ValueError(f'device must be auto, cpu, cuda or cuda:N, got {self.device!r}')
        self.check_space()
        if self.base_to_camera and len(self.camera_names) > 1:
            raise ValueError('base_to_camera is the place of one camera, and there are '
                             f'{len(self.camera_names)}; publish their places on /tf_static')
        _check_camera_names(self.camera_names)
        self.vocabulary  # noqa: B018  refuses what it cannot build

    @property
    def wants_published(self) -> bool:
        """Whether the published weights of the variant are asked for."""
        return self.checkpoint == _PUBLISHED

    @property
    def checkpoint_file(self) -> str:
        """The file that is named; empty: none."""
        return '' if self.wants_published else self.checkpoint

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary that the three parameters describe.

        Raises:
            ValueError: A name is refused, or there is no such preset.
        """
        return _vocabulary(self.vocabulary_things, self.vocabulary_stuff, self.vocabulary_preset)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Parameters:
        """Build from ROS names and values; names that are not ours are skipped.

        Raises:
            ValueError: As for the class; or a list holds something other than strings.
        """
        return cls(**{attribute: typed_value(spec, values[spec.name])
                      for attribute, spec in _SPECS.items() if spec.name in values})

    @classmethod
    def of_node(cls, node: Node, changes: Iterable[Parameter] = ()) -> Parameters:
        """Read a node's parameters, with changes that it has not stored yet.

        Raises:
            ValueError: As for `from_values`.
        """
        values = {spec.name: node.get_parameter(spec.name).value for spec in specs()}
        values.update((change.name, change.value) for change in changes)
        return cls.from_values(values)


@lru_cache(maxsize=2)
def _vocabulary(things: tuple[str, ...], stuff: tuple[str, ...], preset_name: str) -> Vocabulary:
    """Build a vocabulary; kept, because thousands of words take half a second of the executor."""
    preset = Vocabulary.preset(preset_name)
    vocabulary = Vocabulary(things, stuff) if things or stuff else preset
    if canonical_form(UNLABELED) in map(canonical_form, vocabulary.names):
        raise ValueError(f'no class may be called {UNLABELED!r}: that is the name of class 0, '
                         'which stands where nothing was found; choose another name')
    return vocabulary


def _check_camera_names(names: tuple[str, ...]) -> None:
    for name in names:
        if not re.fullmatch(r'[A-Za-z_]\w*', name, re.ASCII):
            raise ValueError(f'camera_names holds {name!r}; expected letters, digits and _, not '
                             'beginning with a digit, because it becomes a part of topics')
    if len(set(names)) < len(names):
        raise ValueError(f'camera_names holds a name twice: {", ".join(names)}')


def _spec(entry: Field[Any]) -> Spec:
    default: Any = entry.default
    return Spec(entry.metadata['name'] or entry.name, default,
                entry.metadata['description'], **entry.metadata['options'])


_IN_SPACE = {entry.name for entry in fields(SpaceParameters)}
# those of the base class come last, as people read them
_SPECS = {entry.name: _spec(entry)
          for entry in sorted(fields(Parameters), key=lambda one: one.name in _IN_SPACE)}


def specs() -> tuple[Spec, ...]:
    """Return the table of all parameters."""
    return tuple(_SPECS.values())
