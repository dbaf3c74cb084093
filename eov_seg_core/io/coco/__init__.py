# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""COCO's panoptic format, read and written: a JSON file, and a PNG of segment ids per image.

Results are written in COCO's instances format, too, which annotation tools read.
"""

from eov_seg_core.io.coco.categories import coco_categories
from eov_seg_core.io.coco.ids import ids_to_rgb, MAX_ID, read_panoptic_png, rgb_to_ids
from eov_seg_core.io.coco.instances import write_instances
from eov_seg_core.io.coco.reader import (
    Annotation,
    CategoryEntry,
    PanopticFile,
    read_annotations,
    read_categories,
    read_category_entries,
    read_category_names,
    read_panoptic_file,
)
from eov_seg_core.io.coco.writer import CocoWriter, save_coco_panoptic

__all__ = [
    'MAX_ID', 'Annotation', 'CategoryEntry', 'CocoWriter', 'PanopticFile',
    'coco_categories', 'ids_to_rgb', 'read_annotations', 'read_categories',
    'read_category_entries', 'read_category_names', 'read_panoptic_file', 'read_panoptic_png',
    'rgb_to_ids', 'save_coco_panoptic', 'write_instances']
