# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from eov_seg_core.geometry import as_matrix, CameraModel, depth_in_metres, invert, transform

K = (50., 0, 19.5, 0, 60, 14.5, 0, 0, 1)
P = (40., 0, 20, 7, 0, 45, 15, 0, 0, 0, 1, 0)
PLUMB_BOB = (-.2, .05, .001, -.001, 0.)


def test_the_numbers_of_a_rectified_and_of_a_raw_image() -> None:
    rectified = CameraModel.from_camera_info(40, 30, K, P, PLUMB_BOB)
    assert (rectified.fx, rectified.fy, rectified.cx, rectified.cy) == (40, 45, 20, 15)
    assert rectified.distortion == ()
    raw = CameraModel.from_camera_info(40, 30, K, P, PLUMB_BOB, is_rectified=False)
    assert (raw.fx, raw.fy, raw.cx, raw.cy, raw.distortion) == (50, 60, 19.5, 14.5, PLUMB_BOB)


def test_without_p_and_distortion_k_holds() -> None:
    for p in ((), (0.,) * 12):
        assert CameraModel.from_camera_info(40, 30, K, p).matrix.ravel().tolist() == list(K)
    raw = CameraModel.from_camera_info(40, 30, K, (), (0.,) * 5, 'odd', is_rectified=False)
    assert raw.distortion == ()


@pytest.mark.parametrize(('change', 'message'), [
    ({'k': (0.,) * 9}, 'calibrate the'), ({'k': (1.,)}, 'expected 9'), ({'width': 0}, '0 x 30'),
    ({'k': (50, 0, np.nan, 0, 60, 1, 0, 0, 1)}, 'finite'),
    ({'d': (1.,), 'is_rectified': False}, '1 coefficients'),
    ({'d': (1.,), 'distortion_model': 'odd', 'is_rectified': False}, "'odd'")])
def test_wrong_numbers_are_refused(change, message) -> None:
    with pytest.raises(ValueError, match=message):
        CameraModel.from_camera_info(**{'width': 40, 'height': 30, 'k': K, **change})


@pytest.mark.parametrize(('model', 'coefficients'), [
    ('plumb_bob', (-5., 0, 0, 0, 0)), ('plumb_bob', (0, 0, 0, 0, 1e308)),
    ('rational_polynomial', (1e3,) * 8)])
def test_a_lens_that_gives_pixels_no_ray_is_refused(model, coefficients) -> None:
    camera = CameraModel(40, 30, 35, 35, 19.5, 14.5, coefficients, model)
    with pytest.raises(ValueError, match=f'of {model}, [0-9]*% of the pixels have no ray'):
        camera.check_distortion()


@pytest.mark.parametrize(('model', 'coefficients'), [
    ('plumb_bob', ()), ('plumb_bob', PLUMB_BOB), ('plumb_bob', (-.45, .3, 0, 0, -.1)),
    ('equidistant', (.01, -.2, .3, -.1))])
def test_a_real_lens_is_not_refused(model, coefficients) -> None:
    CameraModel(40, 30, 35, 35, 19.5, 14.5, coefficients, model).check_distortion()


@pytest.mark.parametrize(('model', 'coefficients'), [
    ('', ()), ('plumb_bob', PLUMB_BOB), ('equidistant', (.01, -.002, .001, 0.)),
    ('rational_polynomial', (.1, -.05, .001, .001, .002, .2, -.01, .001))])
@pytest.mark.parametrize('step', [1, 3])
def test_points_come_back_to_their_pixels(model, coefficients, step) -> None:
    camera = CameraModel(40, 30, 50, 60, 19.5, 14.5, coefficients, model).subsampled(step)
    depth_m = np.random.default_rng(0).uniform(.5, 9, (camera.height, camera.width))
    depth_m[0, 0] = np.nan
    points = camera.back_project(depth_m.astype(np.float32))
    pixels = camera.project(points)
    columns, rows = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    assert np.isnan(pixels[0, 0]).all()
    difference = (pixels - np.stack([columns, rows], axis=-1)).reshape(-1, 2)[1:]
    assert np.abs(difference).max() < 2e-3      # float32 rays, and OpenCV's iteration
    assert np.isnan(camera.project(-points[5, 5])).all()


def test_a_loop_back_projects_the_same() -> None:
    camera = CameraModel(5, 4, 50, 60, 2, 1)
    depth_m = np.arange(1, 21, dtype=np.float32).reshape(4, 5)
    points = camera.back_project(depth_m)
    for row in range(4):
        for column in range(5):
            z = depth_m[row, column]
            assert points[row, column] == pytest.approx(
                ((column - 2) / 50 * z, (row - 1) / 60 * z, z))


def test_every_third_pixel_has_the_ray_it_had() -> None:
    camera = CameraModel(40, 31, 50, 60, 19.5, 14.5)
    small = camera.subsampled(3)
    for whole, part in zip(camera.rays, small.rays):
        assert part == pytest.approx(whole[1::3, :] if whole.shape[0] > 1 else whole[:, 1::3])
    assert (small.height, small.width) == np.empty((31, 40))[1::3, 1::3].shape


def test_sizes_that_do_not_fit_are_refused() -> None:
    camera = CameraModel(40, 30, 50, 60, 19.5, 14.5)
    with pytest.raises(ValueError, match='depth_image_proc'):
        camera.back_project(np.ones((60, 80), np.float32))
    for step in (0, 80):
        with pytest.raises(ValueError, match='step'):
            camera.subsampled(step)


def test_depth_of_both_encodings() -> None:
    millimetres = np.array([[0, 100, 1500, 65535]], np.uint16)
    expected = [np.nan, np.nan, 1.5, np.nan]
    assert depth_in_metres(millimetres)[0] == pytest.approx(expected, nan_ok=True)
    metres = np.array([[0, -1, np.inf, np.nan, 1.5, .1, 11]], np.float32)
    assert depth_in_metres(metres)[0] == pytest.approx(
        [*[np.nan] * 4, 1.5, np.nan, np.nan], nan_ok=True)
    assert depth_in_metres(metres, (0, 20))[0, -2:] == pytest.approx([.1, 11])


@pytest.mark.parametrize(('image', 'range_m'), [
    (np.zeros((2, 2), np.uint8), (.1, 1)), (np.zeros((2, 2, 1), np.float32), (.1, 1)),
    (np.zeros((2, 2), np.float32), (1, 1))])
def test_what_is_no_depth_is_refused(image, range_m) -> None:
    with pytest.raises(ValueError, match='expected'):
        depth_in_metres(image, range_m)


@given(st.lists(st.floats(-3, 3), min_size=7, max_size=7).filter(
    lambda numbers: np.linalg.norm(numbers[3:]) > .1))
@settings(deadline=None)
def test_a_quaternion_is_a_pose_and_has_an_inverse(numbers) -> None:
    matrix = as_matrix((numbers[:3], numbers[3:]))
    assert as_matrix(matrix) is not None
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert transform(invert(matrix), transform(matrix, points)) == pytest.approx(points)


def test_a_quarter_turn() -> None:
    half = np.sqrt(.5)
    matrix = as_matrix(((1, 2, 3), (0, 0, half, half)))
    assert transform(matrix, np.array([1., 0, 0])) == pytest.approx((1, 3, 3))


@pytest.mark.parametrize('pose', [
    np.eye(3), np.diag([1., 1, -1, 1]), 2 * np.eye(4), np.full((4, 4), np.nan),
    ((0, 0, 0), (0, 0, 0, 0)), ((0, 0), (0, 0, 0, 1)), ((0, 0, 0), (0, 0, 0, 1), 1)])
def test_what_is_no_pose_is_refused(pose) -> None:
    with pytest.raises(ValueError, match='the pose'):
        as_matrix(pose)
