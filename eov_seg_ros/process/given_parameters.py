# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters that were given at the start and that nobody reads: ROS drops them in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
import difflib
from pathlib import Path
import re
from typing import Any

from eov_seg_core.io.yaml_text import parse_yaml, read_text

_PARAMETERS = 'ros__parameters'


def unknown_parameters(given: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return a warning for each given name that is not known, with the nearest that is.

    >>> unknown_parameters(['score_treshold'], ['variant', 'score_threshold'])
    ["the parameter 'score_treshold' does not exist and is ignored; did you mean score_threshold?"]
    """
    names = list(known)
    return [f'the parameter {name[:200]!r} does not exist and is ignored{_hint(name, names)}'
            for name in given if name not in names]


def refusal(name: str, known: Iterable[str]) -> str:
    """Return the reason why a parameter that is not known cannot be set.

    >>> refusal('vocabulary.thing', ['variant', 'vocabulary.things'])
    "the parameter 'vocabulary.thing' does not exist; did you mean vocabulary.things?"
    """
    if not name:
        return 'a parameter has no name'
    return f'the parameter {name[:200]!r} does not exist{_hint(name, list(known))}'


def _hint(name: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(name[:200], known, 1)
    return f'; did you mean {nearest[0]}?' if nearest else ''


def unused_files(args: Sequence[str], node_name: str) -> list[str]:
    """Return a warning for each parameter file that has nothing for a node.

    Args:
        args: The command line.
        node_name: The node's name with its namespace, `/eov_seg`.
    """
    warnings = []
    for option, path in zip(args, args[1:]):
        if option != '--params-file':
            continue
        try:
            sections = list(_sections(parse_yaml(read_text(Path(path)))))
        except (OSError, ValueError):
            continue        # ROS has read it, or refused it, by rules of its own
        if not any(_is_for(section, node_name) for section in sections):
            warnings.append(
                f'the parameter file {path} has nothing for this node: its sections are '
                f'{", ".join(sections) or "none"}; expected {node_name}, or /** for any node')
    return warnings


def _sections(content: Any, prefix: str = '') -> Iterator[str]:
    """Yield the names of the nodes that a parameter file has parameters for."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if key == _PARAMETERS:
                yield prefix
            else:
                yield from _sections(value, f'{prefix}/{str(key).strip("/")}')


def _is_for(section: str, node_name: str) -> bool:
    """Say whether a section, `/**` or `/robot/*`, means a node."""
    parts = {'**': '(/[^/]+)*', '*': '/[^/]+'}
    pattern = ''.join(parts.get(part, '/' + re.escape(part)) for part in section.split('/')[1:])
    return re.fullmatch(pattern, node_name) is not None
