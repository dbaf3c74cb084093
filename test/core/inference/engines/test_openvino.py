# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO beside the rest of a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from eov_seg_core.inference.engines import choice

SIGNAL_AFTER_ENGINES = """
from pathlib import Path
import signal
import subprocess
import sys

import numpy as np
import openvino
from openvino import opset8 as op

from eov_seg_core.inference.engines.graph import INPUTS, OUTPUTS
from eov_seg_core.inference.engines.runtimes.interface import Target
from eov_seg_core.inference.engines.runtimes.openvino import compile_network, load_engine

folder, target = Path(sys.argv[1]), Target((64, 64), 'fp32', 'cpu')
pixels, guide = (op.parameter(shape, np.float32, name=name) for name, shape in
                 zip(INPUTS, ([1, 3, -1, -1], [-1, 8])))
results = [op.result(op.relu(node)) for node in (pixels, guide, pixels, guide)]
for name, node in (*zip(INPUTS, (pixels, guide)), *zip(OUTPUTS, results)):
    node.output(0).set_names({name})
openvino.save_model(openvino.Model(results, [pixels, guide]), folder / 'network.xml')
compile_network(folder / 'network.xml', folder, target)

first, second = (load_engine(folder / 'network.xml', folder, target) for _ in range(2))
del first
del second
signal.signal(signal.SIGCHLD, lambda *_: print('a child ended'))
subprocess.run(['true'], check=True)
"""


def test_signals_are_handled_when_engines_are_gone(tmp_path):
    reason = choice.why_not('openvino')
    if reason is not None:
        pytest.skip(reason)
    done = subprocess.run([sys.executable, '-c', SIGNAL_AFTER_ENGINES, str(tmp_path)],
                          capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, 'a child ended\n'), done.stderr
