# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`eov-seg benchmark`: what it reports, and what it refuses."""

from __future__ import annotations

from functools import partial
import json
import math
import signal
import subprocess
import sys
import time

from cli_case import ROOT
import numpy as np
import pytest
import torch
from torchvision.ops import deform_conv2d

from eov_seg_core import Segmenter, Vocabulary
from eov_seg_core.app.benchmark import parts as benchmark_parts
from eov_seg_core.app.benchmark.measure import LEVELS, Measurement
from eov_seg_core.app.benchmark.parts import (
    cnn_trunk,
    part_operations,
    part_parameters,
    part_times,
    PartMeter,
    PARTS,
)
from eov_seg_core.app.benchmark.setting import Setting
from eov_seg_core.app.benchmark.timing import ratio, Sample, summary, timed
from eov_seg_core.app.cli import main
from eov_seg_core.inference.compiled import CompiledNetwork
from eov_seg_core.network.model import EOVSeg

TINY = ['--input-size', '64', '--device', 'cpu', '--vocabulary', 'words.txt', '--threads', '1',
        '--warm-up', '1', '--rounds', '2', '--size', '64', '48']
CPU = torch.device('cpu')


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'words.txt').write_text('1:cup,mug\n2:wall\n')


@pytest.fixture
def segmenter(tiny_model, tmp_path):
    tiny_model.requires_grad_(False)
    segmenter = Segmenter(tiny_model, device='cpu', input_size=64, embedding_cache_dir=tmp_path)
    segmenter.set_vocabulary(Vocabulary(things=['cup'], stuff=['wall']))
    return segmenter


def test_a_run_reports_every_speed_beside_its_parity(checkpoint, tmp_path, capsys):
    target = tmp_path / 'report.json'
    threads = torch.get_num_threads()
    assert main(['benchmark', '--checkpoint', checkpoint, *TINY, '--against', 'precision=bf16',
                 'threads=1', '--busy', '1', '--json', str(target)]) == 0
    report = json.loads(target.read_text())
    assert torch.get_num_threads() == threads
    first, second = report['settings']
    assert first['setting']['precision'] == 'fp32'
    assert second['setting']['precision'] == 'bf16'
    assert first['padded_size'] == [64, 96]
    assert first['parity']['equal_pixels'] == 1.0
    assert report['load_s'] > 0
    for entry in report['settings']:
        assert set(entry['speeds']) == set(LEVELS)
        assert set(entry['start_up_s']) == {'vocabulary', 'first frame', 'warm-up'}
        assert entry['fallbacks'] == {}
        for speed in entry['speeds'].values():
            assert 0 < speed['wall_ms']['p50'] <= speed['wall_ms']['p95']
            assert 0 <= speed['equal_pixels'] <= 1
        assert set(entry['parts']) == set(PARTS)
        assert entry['parts']['CNN']['gflop'] > 0
        assert entry['yardstick']['host_to_host_over_trunk']['wall']['p50'] > 0
        assert set(entry['busy_speeds']) == set(entry['busy_over_idle']) == set(LEVELS)
        assert entry['busy_over_idle']['network']['wall']['p50'] > 0
    assert set(report['first_over_second']) == set(LEVELS)
    assert report['peak_process_mib'] > 50
    assert len(report['weights']) == 64
    printed = capsys.readouterr().out
    assert 'equal pixels' in printed
    assert 'bf16' in printed
    assert '100.000 %' in printed
    assert 'Busy processes beside it: 1.' in printed


def test_one_setting_has_no_ratio(tmp_path, capsys):
    target = tmp_path / 'report.json'
    assert main(['benchmark', '--variant', 't', '--untrained', *TINY, '--json', str(target)]) == 0
    report = json.loads(target.read_text())
    assert len(report['settings']) == 1
    assert 'first_over_second' not in report
    assert report['weights'] == 'untrained'
    captured = capsys.readouterr()
    assert 'UNTRAINED WEIGHTS' in captured.err
    assert 'in turns' not in captured.out
    assert 'first frame' in captured.out


def test_settings_of_the_gpu_can_be_paired_and_what_fails_is_said(
        checkpoint, tmp_path, capsys, monkeypatch):
    def broken(graph, _):
        raise RuntimeError('no compiler here')

    torch._dynamo.reset()
    monkeypatch.setattr(CompiledNetwork.__init__, '__defaults__', (broken,))
    target = tmp_path / 'report.json'
    assert main(['benchmark', '--checkpoint', checkpoint, *TINY, '--against', 'compile=true',
                 'cuda-graphs=false', '--json', str(target)]) == 0
    second = json.loads(target.read_text())['settings'][1]
    assert second['setting']['compile']
    assert not second['setting']['cuda_graphs']
    assert 'no compiler here' in second['fallbacks']['compile']
    assert second['parity']['equal_pixels'] == 1.0
    printed = capsys.readouterr().out
    assert 'compiled, no CUDA graphs' in printed
    assert 'Runs without compile' in printed


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--against', 'colour=red'], 'colour=red'),
    (['--against', 'precision'], 'NAME=VALUE'),
    (['--against', 'threads=0'], 'threads=0'),
    (['--against', 'precision=int8'], 'int8'),
    (['--against', 'compile=yes'], 'true or false'),
    (['--against', 'input-size=3'], 'input-size=3 needs a whole number in 32..2560'),
    (['--against', 'input-size=999999'], 'in 32..2560'),
    (['--against', 'threads=100000000'], 'threads=100000000 needs a whole number in 1..1024'),
    (['--against', 'vocabulary=no_such'], 'no_such'),
    (['--image', 'no_such.png'], 'no_such.png'),
    (['--json', 'no/such/folder/x.json'], 'no/such/folder')])
def test_wrong_options_are_one_line(capsys, arguments, words):
    options = TINY[:-3] if arguments[0] == '--image' else TINY      # either of the two
    assert main(['benchmark', '--variant', 't', '--untrained', *options, *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if 'eov-seg: error:' in line]
    assert len(lines) == 1
    assert words in lines[0]


def test_ctrl_c_leaves_no_file(tmp_path):
    target = tmp_path / 'report.json'
    options = [*TINY, '--rounds', '100000']
    process = subprocess.Popen(
        [sys.executable, '-m', 'eov_seg_core.app.cli', 'benchmark', '--variant', 't',
         '--untrained', *options, '--json', str(target)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        time.sleep(1)
        while b'UNTRAINED' not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b'Traceback' not in error
    assert list(tmp_path.glob('*.json')) == []


def test_parity_sees_a_wrong_result(tiny_model):
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    measurement = Measurement(tiny_model.requires_grad_(False),
                      Setting('fp32', 64, 'words.txt', torch.get_num_threads()), image, CPU)
    measurement.run(keep=True)
    assert measurement.report(1)['parity']['equal_pixels'] == 1.0
    right = measurement.calls['host to host']

    def wrong():
        result = right()
        result.instance[:12] += 1
        return result

    measurement.calls['host to host'] = wrong
    measurement.run(keep=True)
    assert measurement.report(1)['speeds']['network']['equal_pixels'] == 0.75


def test_nested_parts_add_up_to_the_whole():
    now = [0.0]
    meter = PartMeter(lambda: np.array(now))
    with meter.part('outer'):
        now[0] += 1
        with meter.part('inner'):
            now[0] += 2
        now[0] += 4
        with meter.part('inner'):
            now[0] += 8
    now[0] += 16
    assert {name: total.tolist() for name, total in meter.totals.items()} == {
        'outer': [5.0], 'inner': [10.0]}


def test_measuring_parts_leaves_no_trace(segmenter):
    image = np.zeros((48, 64, 3), np.uint8)
    model = segmenter.model
    segmenter(image)        # a frame leaves attributes of its own
    before = [set(vars(owner)) for owner in (segmenter, model, model.cnn, model.decoder)]
    times = part_times(segmenter, partial(segmenter, image), 1)
    assert [set(vars(owner)) for owner in (segmenter, model, model.cnn, model.decoder)] == before
    assert set(times) == set(PARTS)
    assert all(part['wall_ms'] > 0 for part in times.values())


def test_operations_are_those_of_the_layers(segmenter):
    def frame():
        segmenter(np.zeros((64, 64, 3), np.uint8))

    operations = part_operations(segmenter, frame)
    config = segmenter.model.config
    tokens, width = 16, config.vit.width
    patches = tokens * 3 * config.vit.patch_size ** 2 * width
    linear = (tokens + 1) * 12 * width * width      # projections 3 + 1, feed-forward 4 + 4
    attention = 2 * (tokens + 1) ** 2 * width
    assert math.isclose(operations['ViT block'], 2 * (patches + linear + attention) / 1e9)
    assert operations['preprocess'] == 0


def test_operations_of_the_deformable_convolution_are_those_of_a_plain_one():
    feature, weight = torch.zeros(1, 4, 6, 5), torch.zeros(8, 4, 3, 3)
    with torch.utils.flop_counter.FlopCounterMode(
            display=False, custom_mapping=benchmark_parts._FURTHER_OPERATIONS) as counter:
        deform_conv2d(feature, torch.zeros(1, 18, 6, 5), weight, padding=1)
    assert counter.get_total_flops() == 2 * 6 * 5 * 8 * 4 * 9


@pytest.mark.parametrize('variant', ['t', 's', 'l'])
def test_every_parameter_belongs_to_a_part(variant):
    with torch.device('meta'):
        model = EOVSeg.from_variant(variant)
    counts = part_parameters(model)
    assert sum(counts.values()) == sum(parameter.numel() for parameter in model.parameters())
    assert set(counts) <= {*PARTS, 'text tower'}


def test_the_yardstick_is_the_last_map_of_the_cnn(tiny_model):
    pixels = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.allclose(cnn_trunk(tiny_model)(pixels), tiny_model.cnn(pixels).res5_BChw,
                              rtol=1e-4, atol=1e-5)


def test_summary_and_ratio_of_one_and_of_many():
    nan = float('nan')
    one = summary([Sample(20.0, 10.0, nan)])
    assert one == {'wall_ms': {'p50': 20.0, 'p95': 20.0, 'p99': 20.0},
                   'cpu_ms': {'p50': 10.0, 'p95': 10.0, 'p99': 10.0}, 'frames_per_second': 50.0}
    first = [Sample(2.0 * k, 3.0, nan) for k in (1, 2, 3, 4, 5)]
    second = [Sample(2.0, 1.0, nan)] * 5
    assert ratio(first, second) == {'wall': {'p25': 2.0, 'p50': 3.0, 'p75': 4.0},
                                    'cpu': {'p25': 3.0, 'p50': 3.0, 'p75': 3.0}}


def test_timed_returns_the_result():
    sample, result = timed(lambda: time.sleep(0.01) or 'done', CPU)
    assert result == 'done'
    assert sample.wall_ms >= 10
    assert math.isnan(sample.device_ms)
