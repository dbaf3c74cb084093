# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The words that a segmenter looks for: categories, their synonyms, things and stuff.

EOV-Seg, section 3.1: a class is represented by all of its synonyms, and counts as seen if one of
them was a training name.  Pure data; nothing here imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import difflib
from importlib import resources
import itertools
from pathlib import Path

from eov_seg_core.io.files import check_path
from eov_seg_core.io.yaml_text import read_text
from eov_seg_core.vocabulary.canonical import canonical_form
from eov_seg_core.vocabulary.category import Category, split_synonyms, things_and_stuff
from eov_seg_core.vocabulary.file import from_yaml, parse_categories, VocabularyContentError

MAX_NAMES = 4096
"""Most names of a vocabulary, synonyms included."""


class Vocabulary:
    """An ordered, immutable set of categories.

    Args:
        things: Countable classes, each entry `'name,synonym,synonym'`.
        stuff: Uncountable classes, in the same form; they follow the things.

    Raises:
        ValueError: There is no name; a name is empty, is not text, has over 200 characters or
            appears twice (as CLIP sees it: `Chair` is `chair`); there are over 4096 names.

    Attributes:
        categories: The classes in order; class id k belongs to `categories[k - 1]`.
    """

    categories: tuple[Category, ...]

    def __init__(self, things: Sequence[str] = (), stuff: Sequence[str] = ()) -> None:
        self._set(things_and_stuff(things, stuff))

    @classmethod
    def from_categories(cls, categories: Iterable[Category]) -> Vocabulary:
        """Build a vocabulary of things and stuff in any order.

        Unlike the constructor this admits homonyms: published data sets have classes that share a
        name (ADE20K-847 has nine pairs).

        Raises:
            ValueError: As for the constructor, except that a name may be shared; two categories
                with the same names or the same id of a data set, or a name that is thing and
                stuff, are refused.
        """
        vocabulary = cls.__new__(cls)
        if isinstance(categories, str) or not isinstance(categories, Iterable):
            raise ValueError(f'expected a list of Category, got {categories!r:.80} '
                             f'({type(categories).__name__})')
        categories = list(categories)
        for category in categories:
            if not isinstance(category, Category):
                raise ValueError(f'expected a Category, got {category!r:.80} '
                                 f'({type(category).__name__})')
        _refuse_contradictions(categories)
        vocabulary._set(categories)
        return vocabulary

    @classmethod
    def preset(cls, name: str) -> Vocabulary:
        """Return a published evaluation vocabulary; `presets()` lists them.

        Classes for which the data set does not say so are stuff.

        Raises:
            ValueError: There is no such preset.
        """
        if name not in presets():
            raise ValueError(f'there is no vocabulary preset {name!r:.80}; choose one of '
                             f'{", ".join(presets())}{_preset_advice(name)}')
        file = resources.files('eov_seg_core') / 'presets' / f'{name}.yaml'
        return cls.from_categories(from_yaml(file.read_text(encoding='utf-8')))

    @classmethod
    def from_file(cls, path: str | Path) -> Vocabulary:
        """Read a vocabulary file.

        Args:
            path: UTF-8.  YAML if it ends in `.yaml` or `.yml`: lists `things` and `stuff` of
                `name,synonym`, or one list `categories` of `thing: name,synonym` and `stuff:
                name,synonym`, each with `id` and `color` if its data set has them.  Else a list
                with one category a line: `name,synonym` is a thing, `stuff: name,synonym` is
                stuff.  `id:name,synonym`, as the open-vocabulary papers share them, is a thing
                with the id of its data set; the name `invalid_class_id` is skipped.  `#` at the
                start of a line or after white space begins a comment.

        Raises:
            VocabularyContentError: The file is not as described, or its names are refused.
            ValueError: It is no text, or larger than any list of words.
            OSError: The file cannot be read.
        """
        check_path(path)
        try:
            text = read_text(Path(path))
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
        except OSError as error:
            raise type(error)(f'the vocabulary file {path} cannot be read: '
                              f'{error.strerror or error}; '
                              f'check the path{_preset_advice(str(path))}') from error
        try:
            return cls.from_categories(parse_categories(text, Path(path).suffix))
        except ValueError as error:
            raise VocabularyContentError(path, error) from error

    def _set(self, categories: list[Category]) -> None:
        count = sum(len(category.names) for category in categories)
        if count == 0:
            raise ValueError('a vocabulary needs at least one name, got 0; for example '
                             "Vocabulary(things=['chair'], stuff=['floor'])")
        if count > MAX_NAMES:
            raise ValueError(f'a vocabulary holds 1 to {MAX_NAMES} names, synonyms included; '
                             f'got {count}')
        self.categories = tuple(categories)

    def __len__(self) -> int:
        """Return K, the number of classes."""
        return len(self.categories)

    def __eq__(self, other: object) -> bool:
        """Compare names, synonyms, flags and order."""
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self.categories == other.categories

    def __hash__(self) -> int:
        """Hash names, synonyms, flags and order."""
        return hash(self.categories)

    def __repr__(self) -> str:
        """Return the number of things and stuff classes and the first names."""
        shown = ', '.join(self.names[:4]) + (', ...' if len(self) > 4 else '')
        things = sum(self.is_thing)
        return f'Vocabulary({things} things, {len(self) - things} stuff: {shown})'

    @property
    def names(self) -> tuple[str, ...]:
        """The shown name of every class, K of them."""
        return tuple(category.name for category in self.categories)

    @property
    def is_thing(self) -> tuple[bool, ...]:
        """Whether a class is a thing, K flags."""
        return tuple(category.is_thing for category in self.categories)

    @property
    def dataset_ids(self) -> tuple[int, ...]:
        """The id that files give each class, K different numbers.

        It is the category's own `dataset_id`.  Categories without one get the numbers after the
        largest of the others: the class ids 1..K if no category has one.
        """
        given = [category.dataset_id for category in self.categories]
        free = itertools.count(1 + max((key for key in given if key is not None), default=0))
        return tuple(next(free) if key is None else key for key in given)

    @property
    def synonyms(self) -> tuple[str, ...]:
        """All names of all classes in order, N of them."""
        return tuple(name for category in self.categories for name in category.names)

    @property
    def synonym_class_index(self) -> list[int]:
        """Class index 0..K-1 of each of `synonyms`."""
        return [index for index, category in enumerate(self.categories) for _ in category.names]

    def seen(self, training_names: Iterable[str]) -> tuple[bool, ...]:
        """Tell for each class whether one of its names was a training name.

        Names are compared as CLIP sees them: `Chair` was trained if `chair` was, `chairs` was not.

        Args:
            training_names: Names, or entries `'name,synonym'`.

        Raises:
            ValueError: It is no list of strings.
        """
        if isinstance(training_names, str):
            raise ValueError(f'training_names must be a list of strings, got the string '
                             f'{training_names!r}; write [{training_names!r}]')
        if not isinstance(training_names, Iterable):
            advice = ('; write vocabulary.synonyms' if isinstance(training_names, Vocabulary)
                      else '')
            raise ValueError('training_names must be a list of strings, got '
                             f'{training_names!r:.80}{advice}')
        known = {canonical_form(name) for entry in training_names
                 for name in split_synonyms(entry)}
        return tuple(not known.isdisjoint(map(canonical_form, category.names))
                     for category in self.categories)


def presets() -> tuple[str, ...]:
    """Return the names of the published evaluation vocabularies."""
    folder = resources.files('eov_seg_core') / 'presets'
    return tuple(sorted(file.name.removesuffix('.yaml') for file in folder.iterdir()
                        if file.name.endswith('.yaml')))


def _preset_advice(name: object) -> str:
    """Return the end of an error that names the preset which was probably meant."""
    stem = Path(name).stem.lower() if isinstance(name, str) else ''
    nearest = difflib.get_close_matches(stem, presets(), 1, cutoff=0.75)
    return f'; did you mean Vocabulary.preset({nearest[0]!r})?' if nearest else ''


def _refuse_contradictions(categories: list[Category]) -> None:
    with_names: dict[frozenset[str], Category] = {}
    with_id: dict[int, Category] = {}
    is_thing: dict[str, bool] = {}
    for category in categories:
        names = frozenset(map(canonical_form, category.names))
        if names in with_names:
            raise ValueError(_same_names(with_names[names], category))
        with_names[names] = category
        if category.dataset_id in with_id:
            raise ValueError(f'{with_id[category.dataset_id].name!r} and {category.name!r} both '
                             f'have the id {category.dataset_id}; give one of them another id, '
                             'or none')
        if category.dataset_id is not None:
            with_id[category.dataset_id] = category
        for name in category.names:
            form = canonical_form(name)
            if is_thing.setdefault(form, category.is_thing) != category.is_thing:
                raise ValueError(f'{name!r} is a name of a thing and of a stuff category; '
                                 'it can be one of them only')


def _same_names(first: Category, second: Category) -> str:
    one, other = (', '.join(category.names) for category in (first, second))
    if one == other:
        return f'the category {one!r} stands there twice; remove one'
    return (f'the categories {one!r} and {other!r} have the same names to CLIP, so nothing can '
            'tell them apart; remove one')
