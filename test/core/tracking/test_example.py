# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
import re


def test_the_example_of_the_documentation_runs(capsys) -> None:
    text = (Path(__file__).parents[3] / 'docs' / 'space_time.md').read_text(encoding='utf-8')
    example = re.search(r'```python\n(.*?)```', text, re.DOTALL)[1]
    exec(compile(example, 'docs/space_time.md', 'exec'), {})
    assert re.search(r'^\d+ \w+.* m$', capsys.readouterr().out, re.MULTILINE)
