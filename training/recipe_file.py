# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes as YAML files: reading with overrides, checking every field, writing, comparing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
import difflib
from pathlib import Path
import types
from typing import Any, get_args, get_origin, get_type_hints, Literal, TypeVar, Union

import yaml

from eov_seg_core.io.files import replacing
from eov_seg_core.io.yaml_text import parse_yaml, read_text
from training.recipe import Recipe

T = TypeVar('T')

_TOO_LARGE = 1 << 63


class RecipeError(ValueError):
    """A recipe cannot be used; the message names the file or override, and the field."""


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        path: YAML file that holds what differs from the defaults; empty is fine.
        overrides: `key=value` with dotted keys and YAML values, as `optimizer.lr=2e-4`.

    Raises:
        RecipeError: The file is missing or no YAML mapping, a field is unknown, or a value is of
            the wrong type or out of range.
    """
    path = Path(path)
    try:
        content = parse_yaml(read_text(path))
    except (OSError, ValueError) as error:
        raise RecipeError(f'recipe {path} cannot be read: {error}') from error
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise RecipeError(f'recipe {path} holds a {type(content).__name__}, expected fields '
                          '`name: value`')
    build(Recipe, content, str(path))   # first alone, so that errors name their source
    for override in overrides:
        _apply(content, override)
    return build(Recipe, content, f'recipe {path} with {" ".join(overrides)}'
                 if overrides else str(path))


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write all fields of a recipe, those with default values too."""
    with replacing(path) as temporary:
        temporary.write_text(yaml.safe_dump(_plain(asdict(recipe)), sort_keys=False),
                             encoding='utf-8')


def resume_conflicts(before: Recipe, now: Recipe, step: int) -> list[str]:
    """Name the fields that differ and alter what was trained, as `field: was A, now B`.

    The number of steps may change, unless the learning rate depends on it, and so may milestones
    that are still to come.

    Args:
        before: What the run was started with.
        now: What it is to go on with.
        step: Steps that are done.
    """
    old, new = dict(_leaves(before)), dict(_leaves(now))
    free = {'steps'} if now.schedule.kind == 'multi_step' else set()
    if _passed(before, step) == _passed(now, step):
        free.add('schedule.milestones')
    return [f'{name}: was {old[name][0]!r}, now {value!r}'
            for name, (value, may_change) in new.items()
            if value != old[name][0] and not may_change and name not in free]


def _passed(recipe: Recipe, step: int) -> list[int]:
    return [milestone for milestone in recipe.schedule.milestones if milestone <= step]


def field_names() -> list[str]:
    """Return the dotted names of all fields of a recipe."""
    return [name for name, _ in _leaves(Recipe())]


def build(kind: type[T], content: object, source: str, prefix: str = '') -> T:
    """Build a dataclass from a mapping, strictly.

    Raises:
        RecipeError: A field is unknown, of the wrong type or out of range.
    """
    if not isinstance(content, Mapping):
        raise RecipeError(f'{source}: {prefix.rstrip(".")} must be a group of fields, got '
                          f'{content!r}')
    hints = get_type_hints(kind)
    known = [item.name for item in fields(kind)]  # type: ignore[arg-type]
    for name in content:
        if name not in known:
            raise RecipeError(f'{source}: there is no field {prefix}{name}; '
                              f'{_suggestion(f"{prefix}{name}", [prefix + k for k in known])}')
    values = {name: _convert(value, hints[name], source, prefix + name)
              for name, value in content.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise RecipeError(f'{source}: {prefix}{error}') from error


def _suggestion(name: str, siblings: list[str]) -> str:
    everywhere = siblings + field_names()
    close = difflib.get_close_matches(name, everywhere, n=1, cutoff=0.5)
    last = name.rpartition('.')[2]
    close += [known for known in everywhere if known.rpartition('.')[2] == last]
    if close:
        return f'did you mean {close[0]}?'
    return f'here are {", ".join(siblings)}'


def _convert(value: Any, hint: Any, source: str, name: str) -> Any:
    """Check a value from YAML against a type hint; lists become tuples."""
    if isinstance(hint, type) and is_dataclass(hint):
        return build(hint, value, source, f'{name}.')
    if get_origin(hint) in (Union, types.UnionType):
        return _convert_to_any(value, get_args(hint), source, name)
    if hint is types.NoneType and value is None:
        return None
    if get_origin(hint) is Literal and str(value) in get_args(hint):
        return str(value)
    if get_origin(hint) is tuple and isinstance(value, (list, tuple)):
        kinds = get_args(hint)
        kinds = (kinds[0],) * len(value) if kinds[1:] == (Ellipsis,) else kinds
        if len(kinds) == len(value):
            return tuple(_convert(item, kind, source, name) for item, kind in zip(value, kinds))
    if hint is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)     # YAML reads 1e-4, without a point, as text
        except (ValueError, OverflowError):
            pass
    if hint in (bool, int, str) and type(value) is hint:
        return _checked_size(value, source, name)
    raise RecipeError(f'{source}: {name} must be {_described(hint)}, got {value!r}')


def _checked_size(value: bool | int | str, source: str, name: str) -> bool | int | str:
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        raise RecipeError(f'{source}: {name} must be below {_TOO_LARGE}, got a number of '
                          f'{value.bit_length()} bits')
    return value


def _convert_to_any(value: Any, hints: tuple[Any, ...], source: str, name: str) -> Any:
    for hint in hints:
        try:
            return _convert(value, hint, source, name)
        except RecipeError:
            continue
    raise RecipeError(f'{source}: {name} must be {" or ".join(map(_described, hints))}, got '
                      f'{value!r}')


def _described(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f'one of {", ".join(get_args(hint))}'
    if get_origin(hint) is tuple:
        kinds = [kind for kind in get_args(hint) if kind is not Ellipsis]
        return f'a list of {_plural(kinds[0])}' if len(kinds) == 1 else (
            f'a list of {len(kinds)} {_plural(kinds[0])}')
    return {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text',
            types.NoneType: 'null'}[hint]


def _plural(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f'names out of {", ".join(get_args(hint))}'
    return {int: 'whole numbers', float: 'numbers'}[hint]


def _apply(content: dict[str, Any], override: str) -> None:
    """Put `key=value` into nested mappings."""
    key, equals, text = override.partition('=')
    if not equals or not key:
        raise RecipeError(f'override {override!r} is no key=value, as optimizer.lr=2e-4')
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise RecipeError(f'override {override!r}: the value is no YAML: {error}') from error
    *groups, last = key.split('.')
    target = content
    for group in groups:
        target = target.setdefault(group, {})
        if not isinstance(target, dict):
            raise RecipeError(f'override {override!r}: {group} has no fields')
    target[last] = value


def _leaves(config: Any, prefix: str = '') -> Iterator[tuple[str, tuple[Any, bool]]]:
    """Yield dotted name -> (value, whether it may change when a run is resumed)."""
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            yield from _leaves(value, f'{prefix}{item.name}.')
        else:
            yield prefix + item.name, (value, bool(item.metadata.get('free')))


def _plain(value: Any) -> Any:
    """Turn tuples into lists, which YAML has."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
