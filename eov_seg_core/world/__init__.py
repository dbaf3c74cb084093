# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural indoor rooms, ray-cast, with exact truth; NumPy is all it needs.

    from eov_seg_core.world import generate_scene, random_camera, render

    scene = generate_scene(seed=7)
    frame = render(scene, random_camera(scene, width=320, height=240))
    frame.rgb, frame.depth, frame.ids, frame.objects

Equal arguments give equal frames on every machine: docs/world.md.
"""

from eov_seg_core.world.camera import Camera, camera_path, random_camera
from eov_seg_core.world.furnishing.categories import OBJECT_TYPES, ObjectType, SURFACE_NAMES
from eov_seg_core.world.furnishing.generate import generate_scene
from eov_seg_core.world.materials import COLORS
from eov_seg_core.world.moving import MovingThings
from eov_seg_core.world.rendering.render import Frame, render, VisibleObject
from eov_seg_core.world.scene import Box3D, Light, Room, Scene, SceneObject

__all__ = ['Box3D', 'COLORS', 'Camera', 'Frame', 'Light', 'MovingThings', 'OBJECT_TYPES',
           'ObjectType', 'Room', 'SURFACE_NAMES', 'Scene', 'SceneObject', 'VisibleObject',
           'camera_path', 'generate_scene', 'random_camera', 'render']
