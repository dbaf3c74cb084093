# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The house keeps its shape: no import circle, no import upwards, no crowded folder."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

PACKAGES = ('eov_seg_core', 'eov_seg_ros', 'training')
MOST_FILES = 12
"""Python files that lie flat in one folder of the packages, `__init__.py` included."""
# From the ground up: a module may import from its own room, its own floor and the floors below.
FLOORS = (
    ('eov_seg_core.device', 'eov_seg_core.config', 'eov_seg_core.io.files',
     'eov_seg_core.io.yaml_text', 'eov_seg_core.wrong'),
    ('eov_seg_core.vocabulary', 'eov_seg_core.world'),
    ('eov_seg_core.results.result',),
    ('eov_seg_core.io', 'eov_seg_core.quality', 'eov_seg_core.visualization',
     'eov_seg_core.geometry', 'eov_seg_core.parts'),
    ('eov_seg_core.tracking',),
    ('eov_seg_core.weights',),
    ('eov_seg_core.network', 'eov_seg_core.pretrained'),
    ('eov_seg_core.results',),
    ('eov_seg_core.inference',),
    ('eov_seg_core.segmenter',),
    ('eov_seg_core.recordings', 'eov_seg_core.pictures'),
    ('eov_seg_core',),      # the public names
    ('eov_seg_core.app',),
    ('eov_seg_ros', 'training'),
)


def modules(root: Path) -> dict[str, Path]:
    """Return every module of the packages by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in (root / package).rglob('*.py'):
            parts = path.relative_to(root).with_suffix('').parts
            found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    return found


def imported(source: str, known: Iterable[str]) -> Iterator[str]:
    """Yield the modules that a source imports, in functions and for type checks, too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                full = f'{node.module}.{alias.name}'
                if full in known:
                    yield full
                elif node.module in known:
                    yield node.module


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of one import circle in order, the first one at both ends; [] if none."""
    finished: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module):], module]
        if module in finished:
            return []
        for target in sorted(imports[module]):
            found = visit(target, [*path, module])
            if found:
                return found
        finished.add(module)
        return []

    return next((found for module in sorted(imports) if (found := visit(module, []))), [])


def floor(module: str) -> int:
    """Return the floor of a module: that of the longest room's name that it begins with."""
    rooms = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    parts = module.split('.')
    names = ('.'.join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(rooms[name] for name in names if name in rooms)


def room(module: str) -> str:
    """Return the room of a module: a folder of a package, or what has a floor of its own."""
    if any(module in floor for floor in FLOORS):
        return module
    return '.'.join(module.split('.')[:2])


@pytest.fixture(scope='module')
def imports(checkout: Path) -> dict[str, set[str]]:
    found = modules(checkout)
    return {name: set(imported(path.read_text(encoding='utf-8'), found)) - {name}
            for name, path in found.items()}


def test_no_modules_import_each_other_in_a_circle(imports) -> None:
    assert circle(imports) == []


def test_no_rooms_import_each_other_in_a_circle(imports) -> None:
    between: dict[str, set[str]] = {room(module): set() for module in imports}
    for module, targets in imports.items():
        between[room(module)] |= {room(target) for target in targets} - {room(module)}
    assert circle(between) == []


def test_no_module_imports_from_a_higher_floor(imports) -> None:
    upwards = [f'{module} imports {target}' for module, targets in imports.items()
               for target in sorted(targets) if floor(target) > floor(module)]
    assert upwards == []


def test_no_folder_is_crowded(checkout) -> None:
    folders: dict[Path, int] = {}
    for path in modules(checkout).values():
        folders[path.parent] = folders.get(path.parent, 0) + 1
    assert {str(folder.relative_to(checkout)): files for folder, files in folders.items()
            if files > MOST_FILES} == {}


def test_every_package_is_read(imports) -> None:
    assert {name.partition('.')[0] for name in imports} == set(PACKAGES)
    assert sum(map(len, imports.values())) > 300


def test_a_circle_is_found() -> None:
    assert circle({'a': {'b'}, 'b': {'c'}, 'c': {'b'}}) == ['b', 'c', 'b']
    assert circle({'a': {'b'}, 'b': set()}) == []
    assert circle({}) == []


def test_imports_in_functions_and_for_types_count() -> None:
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from house.cellar import Wine
def late():
    from house import attic, door
    import house.roof
"""
    known = {'house', 'house.cellar', 'house.attic', 'house.roof'}
    assert set(imported(source, known)) == {'house.cellar', 'house.attic', 'house', 'house.roof'}


def test_floors_are_those_of_the_longest_name() -> None:
    assert floor('eov_seg_core.results.result') < floor('eov_seg_core.io.coco')
    assert floor('eov_seg_core.io.coco') < floor('eov_seg_core.results.merge')
    assert floor('eov_seg_core.app.benchmark.parts') > floor('eov_seg_core')
