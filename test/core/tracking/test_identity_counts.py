# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Id switches and returns, counted by hand."""

from __future__ import annotations

import numpy as np

from eov_seg_core.tracking.quality import IdentityCounts


def test_identities_are_counted() -> None:
    counts = IdentityCounts()
    truth = np.array([[0, 1, 1, 2]])
    for stamp_s, ids in ((0., [0, 5, 5, 6]), (1., [0, 5, 5, 7]), (2., [0, 0, 0, 7]),
                         (6., [0, 5, 5, 8]), (7., [5, 5, 0, 8])):
        counts.add(truth, np.array([ids]), stamp_s)
    # object 2 was 6, 7 and 8 and came back after 4 s as another; object 1 came back as itself
    assert counts.compute() == {'switches': 2, 'ids_per_object': 2, 'kept': .5}
    assert IdentityCounts().compute() == {'switches': 0, 'ids_per_object': None, 'kept': None}
