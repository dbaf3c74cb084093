# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading and writing weights: published `.pth` files and our own safetensors.

Nothing here executes pickled code, and nothing is mapped.  What a file declares is compared with
the entries of its variant before any number is read, so a file that is refused takes little
memory, however large it is.  Nothing here knows a network: the caller says which entries a variant
has, a file becomes a `Checkpoint`, names and tensors, and `EOVSeg.load` takes what it selects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import hashlib
from pathlib import Path
from zipfile import BadZipFile

from safetensors.torch import save
import torch
from torch import Tensor

from eov_seg_core.config import Variant, variant_config, VARIANTS
from eov_seg_core.io.files import check_path
from eov_seg_core.io.text import printable
from eov_seg_core.weights.compact import compact, expand
from eov_seg_core.weights.names import is_official, is_unused, official_name, plain_name
from eov_seg_core.weights.tensor_files import read_tensors, TensorFile

FORMAT = 'eov_seg'
"""Value of the metadata entry `format` of our safetensors files."""
_SHOWN = 5
"""Offenders that an error message names."""
_VOID = 'void_embedding.weight'


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """Named weights in memory.

    Attributes:
        source: Where they came from, for messages.
        variant: `t`, `s`, `m` or `l`.
        state: Tensors under our names or, if `official`, under the published ones.
        official: Which of the two.
    """

    source: str
    variant: Variant
    state: Mapping[str, Tensor]
    official: bool

    def check_variant(self, expected: str | None) -> None:
        """Raise CheckpointError unless the weights are of the expected variant (None: any)."""
        if expected is not None and expected != self.variant:
            raise CheckpointError(
                f'{self.source} holds variant {self.variant!r}, but {expected!r} was asked for; '
                f'choose variant {self.variant!r} or another file')

    def select(self, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors that a network wants, under our names and in its number formats.

        Args:
            wanted: The network's state dict; only shapes and dtypes count, so its tensors may be
                on the meta device.

        Raises:
            CheckpointError: Entries are missing, unknown, misshapen or not finite.
        """
        names = self._names_here(wanted)
        self.check_entries(wanted)
        without = [name for name in names.values()
                   if self.state[name].is_meta or not self.state[name].isfinite().all()]
        self._refuse({'without values, or with values that are not finite': without})
        selected, storages = {}, set()
        for name, tensor in wanted.items():
            value = self.state[names[name]].to(tensor.dtype).contiguous()
            # entries may share memory in a file, those of a network must not
            is_shared = value.untyped_storage().data_ptr() in storages
            selected[name] = value.clone() if is_shared else value
            storages.add(selected[name].untyped_storage().data_ptr())
        return selected

    def check_entries(self, wanted: Mapping[str, Tensor]) -> None:
        """Compare names, shapes and dtypes with what a network wants; values are not looked at.

        Args:
            wanted: As for `select`.

        Raises:
            CheckpointError: Entries are missing, unknown or misshapen.
        """
        here = {name: wanted[own] for own, name in self._names_here(wanted).items()}
        self._refuse({
            'missing': [name for name in here if name not in self.state],
            'unknown': [name for name in self.state if name not in here and not is_unused(name)
                        and not self._is_text_entry(name)],
            'misshapen': [problem for name, tensor in here.items() if name in self.state
                          and (problem := _misfit(name, self.state[name], tensor))]})

    def without_use(self, wanted: Mapping[str, Tensor]) -> set[str]:
        """Return the names of the entries that a network does not want."""
        return set(self.state) - set(self._names_here(wanted).values())

    def _names_here(self, wanted: Mapping[str, Tensor]) -> dict[str, str]:
        """Return our names -> the names in `state`."""
        return {name: official_name(name) if self.official else name for name in wanted}

    def _refuse(self, offenders: Mapping[str, list[str]]) -> None:
        problems = [f'{len(found)} {kind} ({_shown(found)})'
                    for kind, found in offenders.items() if found]
        if problems:
            raise CheckpointError(
                f'{self.source} does not fit variant {self.variant!r}: entries '
                f'{"; ".join(problems)}. Use an unmodified EOV-Seg checkpoint of this variant')

    def _is_text_entry(self, name: str) -> bool:
        """Whether an entry belongs to the text tower, which a model may have released."""
        if not self.official:
            return name.startswith('text_tower.')
        return (name.startswith('cnn_backbone.clip_model.')
                and not name.startswith('cnn_backbone.clip_model.visual.'))


def _misfit(name: str, value: object, wanted: Tensor) -> str | None:
    """Say why an entry cannot be copied into the model; None if it can."""
    if not isinstance(value, Tensor):
        return f'{name} is a {type(value).__name__}, expected a tensor'
    if value.layout != torch.strided or value.is_quantized:
        return f'{name} is sparse or quantised, expected a dense tensor'
    if value.shape != wanted.shape:
        return f'{name} is {tuple(value.shape)}, expected {tuple(wanted.shape)}'
    if value.is_complex() or (wanted.is_floating_point() and not value.is_floating_point()):
        return f'{name} is {value.dtype}, expected {wanted.dtype}'
    return None


def _shown(names: list[str]) -> str:
    more = f', and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''
    return printable(', '.join(names[:_SHOWN])) + more


def from_official(state_dict: Mapping[str, Tensor], source: str = 'state dict') -> Checkpoint:
    """Wrap a state dict with published names.

    Raises:
        CheckpointError: It is not one of EOV-Seg.
    """
    if not isinstance(state_dict, Mapping):
        raise CheckpointError(f'{source} is a {type(state_dict).__name__}, expected a dictionary '
                              'of tensors')
    return Checkpoint(source, _variant_of(state_dict, source), state_dict, official=True)


def _variant_of(state: Mapping[str, Tensor], source: str) -> Variant:
    """Tell the variant by the one entry that all have, under one name, in different sizes."""
    void = state.get(_VOID)
    if not isinstance(void, Tensor) or void.dim() != 2:
        raise CheckpointError(
            f'{source} is no EOV-Seg checkpoint: it has no entry {_VOID!r} of shape (1, E); '
            f'its first entries are {_shown([str(name) for name in state]) or "none"}')
    sizes = {variant_config(variant).embed_dim: variant for variant in VARIANTS}
    if void.shape[1] not in sizes:
        raise CheckpointError(
            f'{source}: {_VOID} has {void.shape[1]} channels; known are '
            f'{", ".join(f"{size} (variant {name})" for size, name in sizes.items())}')
    return sizes[void.shape[1]]


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a state dict of ours to the published names; tensors are shared, not copied."""
    return {official_name(name): tensor for name, tensor in state.items()}


def read_checkpoint(path: str | Path, entries_of: Callable[[Variant], Mapping[str, Tensor]],
                    expected: str | None = None) -> Checkpoint:
    """Read a checkpoint file, whatever its name ends in.

    Args:
        path: Our safetensors; or a `.pth` or a safetensors file with the published names, as they
            are or below `model` or `state_dict`, also with the prefixes `module.` and
            `_orig_mod.` of parallel and of compiled models.
        entries_of: Returns the state dict of a variant's network; only shapes and dtypes count.
            It is called with what the file says it holds, and only these entries are read.
        expected: The variant that the caller wants; None: any.

    Raises:
        CheckpointError: The file is missing, truncated, damaged, no checkpoint, of another
            variant, or its entries are not those of its variant.
    """
    check_path(path)
    path = Path(path)
    if not path.is_file():
        state = 'a folder' if path.is_dir() else 'not there'
        raise CheckpointError(f'checkpoint {path} is {state}, expected a file; check the path')

    def choose(declared: TensorFile) -> set[str]:
        checkpoint = _checkpoint(path, declared)
        checkpoint.check_variant(expected)
        wanted = entries_of(checkpoint.variant)
        checkpoint.check_entries(wanted)
        ignored = checkpoint.without_use(wanted)
        return {name for name in declared.tensors
                if not is_unused(plain_name(name)) and plain_name(name) not in ignored}

    try:
        found = read_tensors(path, choose)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file makes its reader raise whatever it comes to
        raise CheckpointError(f'{path} is damaged or no checkpoint: {_reason(error)}. Fetch it '
                              'again, or check the path') from error
    stated = found.metadata.get('sha256')
    if found.metadata.get('format') == FORMAT and stated != weights_digest(found.tensors):
        raise CheckpointError(f'{path} is damaged: its weights do not have the digest '
                              f'{stated} of its metadata; fetch it again')
    return _checkpoint(path, found)


def _checkpoint(path: Path, found: TensorFile) -> Checkpoint:
    """Tell what a file holds; its tensors may be declared only, on the meta device."""
    state: dict[str, Tensor] = {}
    for name, tensor in found.tensors.items():
        if is_unused(plain_name(name)):
            continue
        if plain_name(name) in state:
            raise CheckpointError(f'{path} holds the entry {_shown([plain_name(name)])} twice, '
                                  'with and without a prefix; save the state dict of one model')
        state[plain_name(name)] = tensor
    if found.metadata.get('format') == FORMAT:
        return _own(path, state, found.metadata.get('variant'))
    source = f'{path} ({found.remarks})' if found.remarks else str(path)
    return Checkpoint(str(path), _variant_of(state, printable(source)), state,
                      official=any(map(is_official, state)))


def _own(path: Path, state: Mapping[str, Tensor], stated: str | None) -> Checkpoint:
    """Tell what a file holds that `save_checkpoint` wrote."""
    variant = next((name for name in VARIANTS if name == stated), None)
    if variant is None:
        raise CheckpointError(f'{path} is of the variant {printable(repr(stated))}, known are '
                              f'{", ".join(VARIANTS)}; a newer version may know it')
    try:
        state = expand(state, variant_config(variant).text)
    except ValueError as error:
        raise CheckpointError(f'{path} is damaged: {error}; fetch it again') from error
    return Checkpoint(str(path), variant, state, official=False)


def _reason(error: Exception) -> str:
    text = printable(str(error).partition('\n')[0])
    if isinstance(error, BadZipFile) and 'CRC' in text:
        return ('a part does not have the checksum that the file states; if it was saved without '
                'checksums, save it with torch.serialization.set_crc32_options(True)')
    return text if type(error) is ValueError else f'{type(error).__name__} ({text})'


def save_checkpoint(state: Mapping[str, Tensor], path: str | Path, variant: str, *,
                    small: bool = False) -> None:
    """Write our safetensors: weights, with the variant and a digest in the metadata.

    Args:
        state: All weights of a variant under our names.
        path: Of the file; it is replaced.
        variant: `t`, `s`, `m` or `l`.
        small: Store matrices in float16, which is not exact, and equal token rows once.

    Raises:
        ValueError: float16 cannot hold a value.
        OSError: The file cannot be written.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    if small:
        state = compact(state)
    # not save_file: its files are for their owner's eyes only, whatever the umask
    Path(path).write_bytes(save(state, metadata={
        'format': FORMAT, 'variant': variant, 'sha256': weights_digest(state)}))


def save_official(state: Mapping[str, Tensor], path: str | Path) -> None:
    """Write a `.pth` in detectron2's dictionary form with the published names.

    Entries that no output depends on are not in it, so the published code loads it non-strictly.

    Args:
        state: All weights of a variant under our names.
        path: Of the file; it is replaced.
    """
    torch.save({'model': {name: tensor.detach().cpu()
                          for name, tensor in to_official(state).items()}}, path)


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names, dtypes, shapes and values, in hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}'.encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
