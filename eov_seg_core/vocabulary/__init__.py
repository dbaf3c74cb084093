# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Words as pure data: names, synonyms, things and stuff; no PyTorch."""

from eov_seg_core.vocabulary.canonical import canonical_form
from eov_seg_core.vocabulary.category import Category, MAX_NAME_LENGTH, split_synonyms
from eov_seg_core.vocabulary.vocabulary import MAX_NAMES, presets, Vocabulary

__all__ = ['MAX_NAMES', 'MAX_NAME_LENGTH', 'Category', 'Vocabulary', 'canonical_form', 'presets',
           'split_synonyms']
