# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The weights in the package: what their card says of them, and whether they really segment."""

from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest

from eov_seg_core import Segmenter
from eov_seg_core.world import generate_scene, random_camera, render
from training.evaluation import evaluate
from training.world_benchmark import SPLITS, WorldBenchmark
from training.world_evaluation import WorldScores

ASSETS = Path(__file__).parents[2] / 'eov_seg_core' / 'assets'
ROOMS, SEED = 16, 6_000_000
"""Neither a training nor the published figures use these rooms."""
OFFLINE_FRAME = """
import socket

def refuse(*_):
    raise AssertionError('something wants the network')

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
import numpy as np
from eov_seg_core import Segmenter, Vocabulary

segmenter = Segmenter.from_pretrained('t', device='cpu', embedding_cache_dir={cache!r})
segmenter.set_vocabulary(Vocabulary(things=['couch', 'red chair'], stuff=['floor', 'wall']))
result = segmenter(np.load({picture!r}))
print(','.join(sorted({{segment.name for segment in result.segments}})))
"""


@pytest.fixture(scope='module')
def segmenter():
    return Segmenter.from_pretrained('t', device='cpu')


@pytest.fixture(scope='module')
def figures(segmenter):
    """PQ of each split, 0..1."""
    rooms = {split: WorldBenchmark(split, ROOMS, SEED) for split in SPLITS}
    world = WorldScores({split: evaluate(segmenter, data, ['panoptic'])
                         for split, data in rooms.items()},
                        {split: data.judged for split, data in rooms.items()})
    return {split: world.figures(split)['pq'] for split in SPLITS}


def test_the_card_names_these_weights(segmenter):
    assert f'`{segmenter.model.weights_digest}`' in (ASSETS / 'README.md').read_text()
    megabytes = (ASSETS / 'eov_seg_t.safetensors').stat().st_size / 2 ** 20
    assert megabytes <= 16
    assert f'{megabytes:.1f} MiB' in (ASSETS / 'README.md').read_text()


@pytest.mark.parametrize(('split', 'least'), [
    # two thirds of the figures on 300 rooms: few rooms scatter by several points, while untrained
    # or misread weights have almost none
    ('base', 0.36), ('novel', 0.2), ('pairs', 0.28), ('synonyms', 0.36), ('nuisance', 0.36)])
def test_they_segment_rooms_that_nobody_has_seen(figures, split, least):
    assert figures[split] > least


def test_other_words_for_the_same_rooms_cost_little(figures):
    assert figures['synonyms'] > figures['base'] - 0.06
    assert figures['nuisance'] > figures['base'] - 0.08


def test_a_first_result_needs_no_network(tmp_path):
    scene = generate_scene(7)
    picture = tmp_path / 'room.npy'
    np.save(picture, render(scene, random_camera(scene, width=320, height=240)).rgb)
    code = OFFLINE_FRAME.format(cache=str(tmp_path), picture=str(picture))
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    assert {'floor', 'wall'} <= set(done.stdout.strip().split(','))
