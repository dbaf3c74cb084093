# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a web page says that came where a file was expected; Google Drive's pages in particular."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

_QUOTA = ('too many users', 'quota exceeded')


class Page(HTMLParser):
    """A page, as far as it matters here.

    Args:
        text: HTML, possibly damaged or cut.
        url: Where it came from.

    Attributes:
        title: Of the page, '' if it has none.
    """

    def __init__(self, text: str, url: str) -> None:
        super().__init__()
        self.title = ''
        self._url = url
        self._words: list[str] = []
        self._action: str | None = None
        self._inputs: dict[str, str] = {}
        self._inside = ''
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the first form, its inputs, and whether the title begins."""
        values = {name: value or '' for name, value in attrs}
        if tag == 'form' and self._action is None:
            self._action = values.get('action', '')
        elif tag == 'input' and self._action is not None and values.get('name'):
            self._inputs[values['name']] = values.get('value', '')
        self._inside = tag

    def handle_data(self, data: str) -> None:
        """Note the title and the words."""
        if self._inside == 'title' and not self.title:
            self.title = ' '.join(data.split())[:100]
        if self._inside not in ('script', 'style'):
            self._words.append(data)

    @property
    def form_url(self) -> str | None:
        """What the "download anyway" form of Google Drive asks for; None without such a form."""
        if self._action is None or 'confirm' not in self._inputs or 'id' not in self._inputs:
            return None
        target = urljoin(self._url, self._action)
        if urlsplit(target)[:2] != urlsplit(self._url)[:2]:     # a form that leads elsewhere
            return None
        return f'{target.partition("?")[0]}?{urlencode(self._inputs)}'

    def explain(self) -> str:
        """Return one sentence on why there is a page instead of the file."""
        text = ' '.join(' '.join(self._words).split()).lower()
        if any(words in text for words in _QUOTA):
            return ('Google Drive says that too many people fetched this file lately; that ends '
                    'within 24 hours')
        if 'accounts.google.com' in self._url or 'sign in' in text or 'log in' in text:
            return f'the server wants a log-in (title: {self.title!r})'
        return ('the server sent a web page where a file was expected; its title is '
                f'{self.title!r}')
