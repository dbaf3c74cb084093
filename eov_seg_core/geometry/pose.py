# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses: 4x4 matrices inside, matrices or (translation, quaternion) from outside.

`camera_in_map` is the pose of the camera in the map: it takes points from the camera's frame to
the map's.  The map's frame has z up.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from eov_seg_core.wrong import wrong

Matrix = npt.NDArray[np.float64]
Pose: TypeAlias = 'npt.NDArray[np.floating[Any]] | tuple[Sequence[float], Sequence[float]]'
"""(4, 4) matrix, or (x y z in metres, quaternion x y z w), the order of ROS."""

LEVEL_CAMERA: Matrix = np.array([[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0],
                                 [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
"""Pose to take where none is known: a level camera at the origin that looks along x, z up."""
LEVEL_CAMERA.setflags(write=False)

_ROUNDING = 1e-3


def as_matrix(pose: Pose) -> Matrix:
    """Return a pose as a (4, 4) float64 matrix.

    Args:
        pose: A matrix, or a translation and a quaternion of any length but 0.

    Raises:
        ValueError: A shape is wrong, a number is not finite, the quaternion is zero, or the
            matrix is not a rotation with a translation.
    """
    if isinstance(pose, tuple):
        if len(pose) != 2:
            raise ValueError(f'the pose has {len(pose)} parts; expected a (4, 4) matrix or '
                             '(translation, quaternion)')
        return _from_quaternion(*(np.asarray(part, np.float64) for part in pose))
    try:
        matrix = np.asarray(pose, np.float64)
    except (TypeError, ValueError):     # no numbers
        raise wrong('the pose', pose, 'a (4, 4) matrix or (translation, quaternion)') from None
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f'the pose has the shape {matrix.shape}; expected a (4, 4) matrix of '
                         'finite numbers, or (translation, quaternion)')
    rotation = matrix[:3, :3]
    if (not np.allclose(rotation @ rotation.T, np.eye(3), atol=_ROUNDING)
            or np.linalg.det(rotation) < 0 or not np.allclose(matrix[3], (0, 0, 0, 1))):
        raise ValueError(f'the pose\n{matrix}\nis not a rotation with a translation; expected '
                         'orthonormal columns, determinant 1 and a last row 0 0 0 1')
    return matrix


def _from_quaternion(translation: Matrix, quaternion: Matrix) -> Matrix:
    norm = float(np.linalg.norm(quaternion)) if quaternion.shape == (4,) else 0.0
    if translation.shape != (3,) or not norm > 1e-9 or not np.isfinite([*translation, norm]).all():
        raise ValueError(f'the pose is {translation.tolist()}, {quaternion.tolist()}; expected '
                         'x y z in metres and a quaternion x y z w that is not zero')
    x, y, z, w = quaternion / norm
    matrix = np.eye(4)
    matrix[:3, :3] = [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                      [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                      [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]
    matrix[:3, 3] = translation
    return matrix


def from_roll_pitch_yaw(x: float, y: float, z: float, roll: float, pitch: float, yaw: float
                        ) -> Matrix:
    """Return the (4, 4) pose of a place in metres, and turns about fixed x, y, z in radians."""
    matrix: Matrix = np.eye(4)
    for angle, (first, second) in ((roll, (1, 2)), (pitch, (2, 0)), (yaw, (0, 1))):
        sine, cosine = math.sin(angle), math.cos(angle)
        turn = np.eye(4)
        turn[[first, first, second, second], [first, second, first, second]] = (
            cosine, -sine, sine, cosine)
        matrix = turn @ matrix
    matrix[:3, 3] = (x, y, z)
    return matrix


def invert(matrix: Matrix) -> Matrix:
    """Return the inverse of a pose, (4, 4); raise ValueError for another shape."""
    if np.shape(matrix) != (4, 4):
        raise wrong('the pose', matrix, 'a (4, 4) matrix')
    inverse = np.eye(4)
    inverse[:3, :3] = matrix[:3, :3].T
    inverse[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3]
    return inverse


def transform(matrix: Matrix, points: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Take (..., 3) points through a pose; raise ValueError for other shapes."""
    if np.shape(points)[-1:] != (3,) or np.shape(matrix) != (4, 4):
        raise ValueError(f'points of the shape {np.shape(points)} and a pose of the shape '
                         f'{np.shape(matrix)}; expected (..., 3) and (4, 4)')
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3], np.float64)
