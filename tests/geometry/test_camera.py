"""Cameras: projection and lifting are inverse, bad cameras are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.camera import (
    NEAR_M,
    back_project,
    check_intrinsics,
    check_poses,
    intrinsics_from_fov,
    look_at,
    project,
    rigid_inverse,
    scale_intrinsics,
    transform,
)

seeds = st.integers(0, 2**32 - 1)


def random_pose(random: np.random.Generator) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=int(random.integers(2**31))).as_matrix()
    pose[:3, 3] = random.uniform(-5, 5, 3)
    return pose


@pytest.mark.parametrize("fov", [30.0, 47.0, 90.0, 120.0])
def test_the_field_of_view_reaches_from_edge_to_edge(fov):
    side = np.tan(np.radians(fov / 2.0))
    left, right = (intrinsics_from_fov(112, 84, fov) @ [x, 0.0, 1.0] for x in (-side, side))
    assert left == pytest.approx([0.0, 42.0, 1.0]) and right == pytest.approx([112.0, 42.0, 1.0])


@given(seeds, st.integers(8, 2000), st.integers(8, 2000), st.floats(20.0, 120.0))
def test_projecting_what_was_lifted_gives_the_pixels_and_depth_back(seed, width, height, fov):
    random = np.random.default_rng(seed)
    pose, intrinsics = random_pose(random), intrinsics_from_fov(width, height, fov)
    pixels = random.uniform(0, [width, height], (50, 2))
    depth = random.uniform(NEAR_M * 1.01, 30.0, 50)
    again, again_depth = project(back_project(pixels, depth, intrinsics, pose), intrinsics, pose)
    np.testing.assert_allclose(again, pixels, atol=1e-6 * max(width, height))
    np.testing.assert_allclose(again_depth, depth, rtol=1e-9, atol=1e-12)


@given(seeds)
def test_rigid_inverse_undoes_the_motion_for_whole_batches(seed):
    random = np.random.default_rng(seed)
    poses = np.stack([random_pose(random) for _ in range(3)])
    np.testing.assert_allclose(rigid_inverse(poses) @ poses, np.broadcast_to(np.eye(4), (3, 4, 4)), atol=1e-12)


@given(seeds)
def test_moving_world_and_camera_together_leaves_projections_alone(seed):
    random = np.random.default_rng(seed)
    pose, motion, points = random_pose(random), random_pose(random), random.uniform(-5, 5, (30, 3))
    intrinsics = intrinsics_from_fov(320, 240, 60.0)
    still, depth = project(points, intrinsics, pose)
    moved, moved_depth = project(transform(motion, points), intrinsics, motion @ pose)
    np.testing.assert_allclose(moved_depth, depth, atol=1e-9)
    safe = depth > 2 * NEAR_M
    np.testing.assert_allclose(moved[safe], still[safe], rtol=1e-6, atol=1e-6)


def test_points_behind_the_camera_have_no_pixel():
    pose = look_at(np.zeros(3), np.array([0.0, 1.0, 0.0]))
    pixels, depth = project(np.array([[0.0, 2.0, 0.0], [0.0, -2.0, 0.0]]), intrinsics_from_fov(64, 48, 60.0), pose)
    np.testing.assert_allclose(pixels[0], [32.0, 24.0])
    assert np.isnan(pixels[1]).all()
    np.testing.assert_allclose(depth, [2.0, -2.0])


def test_image_axes_point_right_and_down():
    pose = look_at(np.zeros(3), np.array([0.0, 1.0, 0.0]))
    intrinsics = intrinsics_from_fov(64, 48, 60.0)
    right, _ = project(np.array([[0.5, 2.0, 0.0]]), intrinsics, pose)
    up, _ = project(np.array([[0.0, 2.0, 0.5]]), intrinsics, pose)
    assert right[0, 0] > 32.0 and abs(right[0, 1] - 24.0) < 1e-9
    assert up[0, 1] < 24.0 and abs(up[0, 0] - 32.0) < 1e-9


def test_scaled_intrinsics_project_to_the_resized_frame():
    intrinsics, pose = intrinsics_from_fov(64, 48, 60.0), look_at(np.zeros(3), np.array([0.3, 1.0, 0.1]))
    points = np.array([[0.2, 2.0, 0.4], [-0.4, 3.0, -0.2]])
    small, _ = project(points, intrinsics, pose)
    large, _ = project(points, scale_intrinsics(intrinsics, 2.0, 3.0), pose)
    np.testing.assert_allclose(large, small * [2.0, 3.0])


@pytest.mark.parametrize(
    ("intrinsics", "message"),
    [
        (np.zeros((3, 3)), "singular"),
        (np.full((3, 3), np.nan), "not finite"),
        (np.diag([-100.0, 100.0, 1.0]), "focal lengths"),
        (np.eye(4), "shape"),
    ],
)
def test_unusable_intrinsics_are_refused(intrinsics, message):
    with pytest.raises(ValueError, match=message):
        check_intrinsics(intrinsics)


def test_the_first_bad_pose_is_named():
    poses = np.stack([np.eye(4)] * 4)
    poses[2, 0, 3] = np.inf
    with pytest.raises(ValueError, match=r"camera_to_world\[2\] is not finite"):
        check_poses(poses)
    poses[2] = np.diag([2.0, 1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"camera_to_world\[2\] is not a rigid motion"):
        check_poses(poses)
    poses[2] = np.diag([-1.0, 1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="not a rigid motion"):
        check_poses(poses)
