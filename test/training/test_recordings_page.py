# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lines of docs/recordings.md work in their order, from a recording to better weights."""

from __future__ import annotations

import json
import os
from pathlib import Path
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from rosbags.rosbag2 import Reader
import yaml

from eov_seg_core.app.cli import main

CHECKOUT = Path(__file__).parents[2]
SMALLER = {
    'bag-sample': ['--seconds', '0.2', '--size', '64', '48'],
    'bag': ['--input-size', '64', '--device', 'cpu'],
    'training.train': ['steps=1', 'batch_size=1', 'augmentation.size=64', 'workers=0',
                       'schedule={warmup_steps: 0, milestones: []}', '--accelerator', 'cpu']}


def lines() -> list[list[str]]:
    text = (CHECKOUT / 'docs' / 'recordings.md').read_text(encoding='utf-8')
    found = re.findall(r'^```bash\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in found for line in block.splitlines()]


def run_python(words: list[str], folder: Path) -> None:
    subprocess.run([sys.executable, *words], cwd=folder, check=True, timeout=300,
                   env=os.environ | {'PYTHONPATH': str(CHECKOUT)})


@pytest.mark.slow
def test_every_line_of_the_page_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'config').symlink_to(CHECKOUT / 'config')
    programs = []
    for program, *words in lines():
        programs.append(program)
        if program == 'eov-seg':
            assert main([*words, *SMALLER[words[0]]]) == 0
        elif program == 'python':
            assert words[0] == '-m'
            if '--from' in words:       # what CVAT would have exported
                (tmp_path / 'export' / 'annotations').mkdir(parents=True)
                shutil.copy(tmp_path / 'rooms' / 'instances_polygons.json',
                            tmp_path / 'export' / 'annotations' / 'instances_default.json')
            run_python([*words, *SMALLER.get(words[1], [])], tmp_path)
        else:
            assert program in ('ros2', 'rviz2')
    assert len(programs) >= 9
    assert (tmp_path / 'better' / 'room' / 'metadata.yaml').exists()
    with Reader(tmp_path / 'labelled' / 'room') as reader:
        topics = {entry.topic for entry in reader.connections}
    assert shown_in_rviz() | shown_in_foxglove() <= topics


def shown_in_rviz() -> set[str]:
    layout = yaml.safe_load((CHECKOUT / 'config' / 'recordings.rviz').read_text())
    found = {display['Topic']['Value'] for display in layout['Visualization Manager']['Displays']
             if 'Topic' in display}
    assert len(found) == 2
    return found


def shown_in_foxglove() -> set[str]:
    layout = json.loads((CHECKOUT / 'config' / 'recordings.foxglove.json').read_text())
    panels = layout['configById']

    def leaves(node):
        return [node] if isinstance(node, str) else [
            leaf for side in ('first', 'second') for leaf in leaves(node[side])]

    assert sorted(leaves(layout['layout'])) == sorted(panels)
    modes = [panel['imageMode'] for panel in panels.values() if 'imageMode' in panel]
    return ({topic for mode in modes for topic in mode.values()}
            | {topic for panel in panels.values() for topic in panel.get('topics', {})}
            | {panel['topicPath'].partition('.')[0] for panel in panels.values()
               if 'topicPath' in panel})
