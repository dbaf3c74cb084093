# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ROS and the documentation are told about a parameter; importable without ROS.

A node has a table of `Spec`; its declarations and its table in docs/ros_api.md follow from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
import json
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from rcl_interfaces.msg import ParameterDescriptor
    from rclpy.node import Node

_TYPE_NAMES = {bool: 'bool', int: 'integer', float: 'double', str: 'string'}


@dataclass(frozen=True)
class Spec:
    """What ROS is told about one parameter.

    Attributes:
        name: Its name in ROS.
        default: Its default; gives the type.  A tuple is an array.
        description: One sentence for `ros2 param describe` and the documentation.
        read_only: Can only be set when the node starts.
        bounds: Lowest and highest value, also of the entries of an array; None: any.
        choices: The values that a string may take; empty: any.
        items: What an array holds: `str` or `float`.
        lengths: How many entries an array may have; empty: any number.
    """

    name: str
    default: bool | int | float | str | tuple[str, ...] | tuple[float, ...]
    description: str
    read_only: bool = False
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    items: type = str
    lengths: tuple[int, ...] = ()

    @property
    def type_name(self) -> str:
        """The type in words."""
        if isinstance(self.default, tuple):
            return f'{_TYPE_NAMES[self.items]} array'
        return _TYPE_NAMES[type(self.default)]

    @property
    def constraint(self) -> str:
        """The range or the choices in words; empty if there are none."""
        if self.bounds is not None:
            return f'{self.bounds[0]:g} to {self.bounds[1]:g}'
        return ', '.join(f'`{choice}`' for choice in self.choices)

    def check(self, value: Any) -> None:
        """Raise ValueError unless a value obeys range and choices."""
        if self.lengths and len(value) not in self.lengths:
            raise ValueError(f'{self.name} must have {" or ".join(map(str, self.lengths))} '
                             f'numbers, got {list(value)}')
        entries = value if isinstance(value, tuple) else (value,)
        if self.bounds is not None and not all(
                self.bounds[0] <= entry <= self.bounds[1] for entry in entries):
            raise ValueError(f'{self.name} must lie in {self.constraint}, got '
                             f'{list(value) if isinstance(value, tuple) else value}')
        if self.choices and value not in self.choices:
            raise ValueError(f'{self.name} must be one of {", ".join(self.choices)}; '
                             f'got {value!r}')


def parameter(default: Any, description: str, *, name: str = '', **options: Any) -> Any:
    """Return a dataclass field that carries its `Spec`; `name` where it has a dot."""
    return field(default=default, metadata={
        'name': name, 'description': description, 'options': options})


def typed_value(spec: Spec, value: Any) -> Any:
    """Return a value as Python has it: a list as a tuple, others as they are.

    ROS has no typed empty list: `[]` arrives as an empty array of bytes or booleans.  The lists
    are therefore declared with dynamic typing, and their type is checked here.

    Raises:
        ValueError: A list holds something else than it should, or is none.
    """
    if not isinstance(spec.default, tuple):
        return value
    kind, known = (('strings', (str,)) if spec.items is str else ('numbers', (float, int)))
    if value is None or isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f'{spec.name} must be a list of {kind}, got {value!r}; '
                         'an empty list is []')
    entries = tuple(value)
    for entry in entries:
        if not isinstance(entry, known) or isinstance(entry, bool):
            raise ValueError(f'{spec.name} must be a list of {kind}, got {entry!r} in it')
    return tuple(map(spec.items, entries))


def declare(node: Node, table: Iterable[Spec]) -> None:
    """Declare parameters on a node.

    Args:
        node: The node.
        table: Its parameters.

    Raises:
        rclpy.exceptions.InvalidParameterTypeException: A given value has another type.
        rclpy.exceptions.InvalidParameterValueException: A given value is out of range.
    """
    for spec in table:
        if isinstance(spec.default, tuple):
            _declare_list(node, spec, list(spec.default))
        else:
            node.declare_parameter(spec.name, spec.default, _descriptor(spec))


def _declare_list(node: Node, spec: Spec, default: list[Any]) -> None:
    """Declare a list, an empty one with its type: rclpy alone would take it for bytes."""
    from rclpy.parameter import Parameter

    descriptor = _descriptor(spec)
    descriptor.read_only = False
    if not node.declare_parameter(spec.name, default, descriptor).value:
        kind = Parameter.Type.STRING_ARRAY if spec.items is str else Parameter.Type.DOUBLE_ARRAY
        node.set_parameters([Parameter(spec.name, kind, [])])
    node.set_descriptor(spec.name, _descriptor(spec))


def _descriptor(spec: Spec) -> ParameterDescriptor:
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    descriptor = ParameterDescriptor(
        name=spec.name, description=spec.description, read_only=spec.read_only,
        additional_constraints=f'one of {", ".join(spec.choices)}' if spec.choices else '',
        dynamic_typing=isinstance(spec.default, tuple))
    if spec.bounds is not None and isinstance(spec.default, int):
        first, last = map(int, spec.bounds)
        descriptor.integer_range = [IntegerRange(from_value=first, to_value=last, step=1)]
    elif spec.bounds is not None and isinstance(spec.default, float):
        low, high = spec.bounds
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor


def markdown_table(table: Iterable[Spec]) -> str:
    """Return the table for docs/ros_api.md; a test compares them."""
    lines = ['| parameter | type | default | range | read-only | meaning |',
             '|---|---|---|---|---|---|']
    for spec in table:
        default = json.dumps(spec.default)
        lines.append(f'| `{spec.name}` | {spec.type_name} | `{default}` | {spec.constraint} | '
                     f'{"yes" if spec.read_only else ""} | {spec.description} |')
    return '\n'.join(lines)
