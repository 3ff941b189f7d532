"""Jitter: points move in 3D by the stated amount and are redrawn inside the object's footprint only."""

from __future__ import annotations

import numpy as np
import pytest

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import back_project, intrinsics_from_fov, look_at, project, rigid_inverse
from ocr_hf.geometry.occlusion import footprints_from_boxes, footprints_from_instances
from ocr_hf.perturb.jitter_noise import Displacement, jitter_region
from ocr_hf.perturb.keys import stable_key
from ocr_hf.perturb.lift import front_face_depth
from tests.box_scene import BoxClip, box_clip


def perturb(clip: BoxClip, object_ids: tuple[int, ...], strength: float, key: int = 3, **changes: object) -> np.ndarray:
    inputs = {
        "frames": clip.frames,
        "depth": clip.depth,
        "boxes": clip.boxes,
        "footprints": footprints_from_instances(clip.instances),
        "camera_to_world": clip.poses,
        "intrinsics": clip.intrinsics,
        **changes,
    }
    return jitter_region(object_ids=object_ids, strength=strength, key=key, **inputs)


@pytest.mark.parametrize("depth", [True, False])
@pytest.mark.parametrize("strength", [0.02, 0.1, 2.0])
def test_only_pixels_of_the_chosen_objects_change(depth, strength):
    clip = box_clip()
    before = clip.frames.copy()
    noisy = perturb(clip, (1, 3), strength, depth=clip.depth if depth else None)
    region = np.isin(clip.instances, (1, 3))
    np.testing.assert_array_equal(noisy[~region], clip.frames[~region])
    assert (noisy[region] != clip.frames[region]).any(axis=-1).mean() > 0.4
    np.testing.assert_array_equal(clip.frames, before)


@pytest.mark.parametrize("depth", [True, False])
def test_no_strength_no_object_and_next_to_no_strength_are_the_identity(depth):
    clip = box_clip()
    metres = clip.depth if depth else None
    np.testing.assert_array_equal(perturb(clip, (1, 2, 3), 0, depth=metres), clip.frames)
    np.testing.assert_array_equal(perturb(clip, (), 0.3, depth=metres), clip.frames)
    # lift, displace by less than a micrometre, project and splat: every pixel must come back to its place
    np.testing.assert_array_equal(perturb(clip, (1, 2, 3), 1e-7, depth=metres), clip.frames)


def test_displacements_have_the_stated_spread_per_axis():
    box = OrientedBox(np.zeros(3), np.array([0.8, 0.6, 1.2]), np.eye(3))
    table = Displacement.sample(box, 0.1, 5).table.reshape(-1, 3)
    sigma = 0.1 * box.diagonal
    np.testing.assert_allclose(table.std(axis=0), sigma, rtol=0.03)
    np.testing.assert_allclose(table.mean(axis=0), 0.0, atol=4 * sigma / np.sqrt(len(table)))
    assert np.abs(np.corrcoef(table.T) - np.eye(3)).max() < 4.5 / np.sqrt(len(table))


def facing_wall(num_frames: int = 1) -> tuple[BoxClip, float]:
    """A thin wide box 3 m in front of the camera, every pixel's colour a code of its place."""
    height, width, distance = 120, 160, 3.0
    pose = look_at(np.zeros(3), np.array([0.0, 1.0, 0.0]))
    box = OrientedBox(np.array([0.0, distance + 0.01, 0.0]), np.array([2.4, 0.02, 1.8]), np.eye(3))
    intrinsics = intrinsics_from_fov(width, height, 60.0)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.uint8)
    frame = np.stack([rows, columns, np.full_like(rows, 77)], axis=-1)
    region = footprints_from_boxes({1: box}, pose[None], intrinsics, height, width).region([1])
    repeat = lambda array: np.repeat(array, num_frames, axis=0)  # noqa: E731
    depth = np.where(region, distance, 8.0).astype(np.float32)
    clip = BoxClip(
        {1: box}, repeat(pose[None]), intrinsics, repeat(frame[None]), repeat(depth), repeat(region.astype(np.uint16))
    )
    return clip, distance


@pytest.mark.parametrize("strength", [0.01, 0.02])
def test_pixels_land_where_the_3d_displacement_projects_to(strength):
    clip, distance = facing_wall()
    noisy = perturb(clip, (1,), strength)
    # away from the border, where a point that leaves the footprint is lost and the spread would be biased
    moved = np.argwhere(noisy[0, 20:-20, 20:-20, 2] == 77) + 20
    source = noisy[0, moved[:, 0], moved[:, 1], :2].astype(np.float64)
    offset = source - moved
    offset = offset[np.abs(offset).max(axis=1) < 40]  # a fill pixel may hold 77 by chance
    assert len(offset) > 2000
    sigma_px = strength * clip.boxes[1].diagonal * clip.intrinsics[0, 0] / distance
    # rounding to whole pixels adds 1/12; of points that collide one is kept, which takes a few per cent off
    np.testing.assert_allclose(offset.std(axis=0), np.sqrt(sigma_px**2 + 1 / 12), rtol=0.1)
    np.testing.assert_allclose(offset.mean(axis=0), 0.0, atol=0.25)


def test_one_altered_geometry_is_seen_in_every_frame_while_fill_differs():
    clip, _ = facing_wall(num_frames=2)
    first, second = perturb(clip, (1,), 0.05)
    redrawn = (first[..., 2] == 77) & (second[..., 2] == 77)
    same = (first == second).all(axis=-1)
    inside = clip.instances[0] == 1
    assert (same | ~redrawn)[inside].mean() > 0.99, "what was redrawn is redrawn alike"
    assert (~same & ~redrawn & inside).any(), "holes take new noise in each frame"


@pytest.mark.parametrize("seed", range(4))
def test_splatting_agrees_with_a_plain_loop_over_points(seed):
    clip, strength = box_clip(num_frames=2, height=42, width=56), 0.05
    noisy = perturb(clip, (1,), strength, key=seed)
    box = clip.boxes[1]
    shift = Displacement.sample(box, strength, stable_key("displacement", seed, 1))
    for frame, pose in enumerate(clip.poses):
        inside = clip.instances[frame] == 1
        nearest = np.full(inside.shape, np.inf)
        expected = np.full((*inside.shape, 3), -1)
        for row, column in np.argwhere(inside):
            point = back_project(
                np.array([[column + 0.5, row + 0.5]]),
                clip.depth[frame, row, column][None].astype(np.float64),
                clip.intrinsics,
                pose,
            )
            local = box.to_local(point).astype(np.float32)
            pixel, z = project(point + shift.at(local) @ box.rotation.T, clip.intrinsics, pose)
            to_column, to_row = np.floor(pixel[0])
            if 0 <= to_row < 42 and 0 <= to_column < 56 and inside[int(to_row), int(to_column)]:
                target = int(to_row), int(to_column)
                if z[0] < nearest[target]:
                    nearest[target], expected[target] = z[0], clip.frames[frame, row, column]
        drawn = nearest < np.inf
        assert drawn.sum() > 40
        agree = (noisy[frame][drawn] == expected[drawn]).all(axis=-1)
        assert agree.mean() > 0.97, "float32 may round a point into the next pixel or cell, rarely"


def test_holes_are_noise_without_a_trace_of_the_picture():
    clip = box_clip()
    other = BoxClip(**{**vars(clip), "frames": 255 - clip.frames})
    # so strong that hardly a point falls back into the footprint
    first, second = perturb(clip, (1,), 1e4), perturb(other, (1,), 1e4)
    inside = clip.instances == 1
    assert (first[inside] == second[inside]).all(axis=-1).mean() > 0.99
    values = first[inside].astype(np.float64) / 255.0
    assert (values == 0).mean() == pytest.approx(0.5, abs=0.03)
    assert (values == 1).mean() == pytest.approx(0.1587, abs=0.03)


def test_without_depth_points_lie_on_the_box_s_front_face():
    clip = box_clip()
    height, width = clip.instances.shape[1:]
    v, u = np.mgrid[0:height, 0:width] + 0.5
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(clip.intrinsics).T
    for frame, pose in enumerate(clip.poses):
        inside = clip.instances[frame] == 2
        depth = front_face_depth(rays[inside], clip.boxes[2].moved(rigid_inverse(pose)))
        np.testing.assert_allclose(depth, clip.depth[frame][inside], rtol=1e-5)


def test_pixels_with_unknown_depth_fall_back_to_the_box():
    clip = box_clip()
    for unknown in (0.0, np.nan):
        depth = np.full_like(clip.depth, unknown)
        np.testing.assert_array_equal(perturb(clip, (1,), 0.05, depth=depth), perturb(clip, (1,), 0.05, depth=None))


def test_a_subset_of_frames_and_any_order_of_objects_give_the_same_bytes():
    clip = box_clip()
    whole = perturb(clip, (1, 2), 0.1)
    np.testing.assert_array_equal(perturb(clip, (2, 1, 2), 0.1), whole)
    chosen = [3, 1]
    some = jitter_region(
        clip.frames[chosen],
        clip.depth[chosen],
        clip.boxes,
        footprints_from_instances(clip.instances).select(chosen),
        (1, 2),
        clip.poses[chosen],
        clip.intrinsics,
        0.1,
        3,
        frame_indices=chosen,
    )
    np.testing.assert_array_equal(some, whole[chosen])


def test_bad_input_is_refused():
    clip = box_clip()
    with pytest.raises(KeyError, match="object 2 has no box"):
        perturb(clip, (2,), 0.1, boxes={1: clip.boxes[1]})
    with pytest.raises(ValueError, match="at least 0"):
        perturb(clip, (1,), -0.1)
    with pytest.raises(ValueError, match="camera_to_world has 3 entries for 4 frames"):
        perturb(clip, (1,), 0.1, camera_to_world=clip.poses[:3])
    with pytest.raises(ValueError, match="depth has shape"):
        perturb(clip, (1,), 0.1, depth=clip.depth[:, :9])
    with pytest.raises(ValueError, match=r"select\(frames\)"):
        perturb(clip, (1,), 0.1, footprints=footprints_from_instances(clip.instances[:2]))
