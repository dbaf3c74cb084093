# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What CLIP's text tower sees of a name: names of one canonical form have one embedding.

Before CLIP's tokenizer makes tokens, it mends the encoding of a text (ftfy), resolves HTML
entities twice, joins white space, makes letters small, and cuts the rest into words, digits and
runs of other characters.  So `Chair`, `chair ` and `&#99;hair` are one word to it, and so are
`t-shirt` and `t - shirt`.
"""

from __future__ import annotations

import html

import regex

from eov_seg_core.wrong import wrong

_PIECES = regex.compile(
    r"""<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d"""
    r"""|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+""", regex.IGNORECASE)
"""CLIP's own pattern, as in open_clip.tokenizer, which would import PyTorch."""
_FOLLOWED_BY = '.'
"""What most prompts put behind a name; it joins punctuation at the end of one."""


def canonical_form(name: str) -> str:
    """Return a text that is the same for two names if CLIP's tokens are, and only then.

    It does not know the context length: of names of more than about 70 tokens, which CLIP cuts,
    it compares the rest, too.

    >>> canonical_form('Chair') == canonical_form(' chair') == canonical_form('&#99;hair')
    True
    >>> canonical_form('chair') == canonical_form('chairs')
    False
    """
    if not isinstance(name, str):
        raise wrong('the name', name, "a string such as 'chair'")
    text = f'{name}{_FOLLOWED_BY}'
    if not (text.isascii() and text.isprintable() and '&' not in text):     # else nothing to mend
        import ftfy  # here, since few names need it and it takes longer than all else to import
        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return ' '.join(_PIECES.findall(' '.join(text.split()).lower()))


NOTHING = canonical_form('')
"""The form of names of which nothing is left, as of `'\\x07'`."""
