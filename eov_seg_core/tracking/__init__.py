# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects over time: ids that last, and a memory of where things are; needs no PyTorch.

    from eov_seg_core.tracking import Tracker

    tracker = Tracker(vocabulary)
    tracked = tracker.update(result, depth_m, camera_in_map, stamp_s=12.4, camera=camera)
    tracker.memory.find('chair')[0].box.center      # metres in the map

One tracker follows one camera; cameras whose poses are in one map may share a memory, as those of
`Identities` do.
"""

from eov_seg_core.tracking.identities import Identities, Named
from eov_seg_core.tracking.mapped import RememberedObject
from eov_seg_core.tracking.memory import ObjectMemory
from eov_seg_core.tracking.options import TrackingOptions
from eov_seg_core.tracking.tracker import TrackedFrame, Tracker

__all__ = ['Identities', 'Named', 'ObjectMemory', 'RememberedObject', 'TrackedFrame', 'Tracker',
           'TrackingOptions']
