# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
import re


def test_the_examples_of_the_documentation_run(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[3] / 'docs' / 'space_time.md').read_text(encoding='utf-8')
    names: dict[str, object] = {}
    for example in re.findall(r'```python\n(.*?)```', text, re.DOTALL):
        exec(compile(example, 'docs/space_time.md', 'exec'), names)
    assert re.search(r'^\d+ \w+.* m$', capsys.readouterr().out, re.MULTILINE)
    assert (tmp_path / 'objects.json').is_file()
