# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make the small golden files out of the large parity data.

    python test/golden/make_golden.py PARITY_FOLDER

Both have the same format; the small ones keep fewer samples of large arrays.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
import sys

import numpy as np

NAMES = ('r50', 'r50x4', 'convnext_l', 'r50_batch')
MAX_SAMPLES = 3000
WHOLE = ('image', 'sem_argmax', 'pan0', 'pan1', 'pan2', 'pan3', 'mask_cls', 'ins_scores',
         'ins_classes', 'ins_areas')
DROPPED = ('mask_padded_up', 'mask_post', 'mask_post_packed', 'mask_post_areas')
KEPT_META = ('variant', 'weight_seed', 'vocab', 'is_thing', 'train_names', 'images', 'thresholds',
             'ensemble_on_valid_mask', 'category_overlapping', 'arrays', 'segments_info')


def main(folder: Path) -> None:
    """Write every small file beside this script."""
    for name in NAMES:
        arrays, meta = trim(folder / f'{name}.npz')
        path = Path(__file__).with_name(f'{name}.npz')
        buffer = io.BytesIO()
        np.savez_compressed(buffer, meta_json=np.frombuffer(json.dumps(meta).encode(), np.uint8),
                            **arrays)
        path.write_bytes(buffer.getvalue())
        print(f'{path.name}: {len(arrays)} arrays, {path.stat().st_size / 1024:.0f} KiB')


def trim(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Return fewer samples of each array, and the metadata that describes them."""
    with np.load(path) as file:
        source = {name: file[name] for name in file.files}
    meta = json.loads(source['meta_json'].tobytes())
    arrays, described = {}, {}
    for name, entry in meta['arrays'].items():
        part = name.rpartition('/')[2]
        if part in DROPPED:
            continue
        values = source[name].reshape(-1)
        step = 1 if part in WHOLE else -(-values.size // MAX_SAMPLES)
        # labels are small: one byte each
        arrays[name] = values[::step].astype(
            np.uint8 if part.startswith(('pan', 'sem_argmax')) else values.dtype)
        described[name] = {'shape': entry['shape'], 'stride': entry['stride'] * step}
        if part == 'image':
            arrays[name] = source[name]
    meta['arrays'] = described
    return arrays, {key: meta[key] for key in KEPT_META}


if __name__ == '__main__':
    main(Path(sys.argv[1]))
