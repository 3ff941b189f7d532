"""Footprints from boxes, depth and the ray caster agree with an independent ray-box test and with each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import intrinsics_from_fov, look_at
from ocr_hf.geometry.occlusion import footprints_from_boxes, footprints_from_depth, footprints_from_instances
from tests.box_scene import box_clip, ray_box

HEIGHT, WIDTH = 36, 48
INTRINSICS = intrinsics_from_fov(WIDTH, HEIGHT, 75.0)
MODAL_IOU = 0.98
"""Least overlap of the ray caster's instance maps with depth-tested box points (measured: 0.992 and more)."""


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def motion(seed: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.random(random_state=seed % 2**31).as_matrix()
    matrix[:3, 3] = np.random.default_rng(seed).uniform(-4, 4, 3)
    return matrix


def resize(box: OrientedBox, metres: float) -> OrientedBox:
    return OrientedBox(box.center, np.maximum(box.size + metres, 0.0), box.rotation)


@given(st.integers(0, 2**32 - 1))
def test_a_hull_holds_exactly_the_pixels_whose_ray_meets_the_box(seed):
    # boxes anywhere around the camera: in front, behind, across the near plane, around the camera itself
    random = np.random.default_rng(seed)
    box = OrientedBox(random.normal(0.0, 1.5, 3), random.uniform(0.05, 3.0, 3), motion(seed)[:3, :3])
    pose = motion(seed + 1)
    pose[:3, 3] = random.normal(0.0, 0.7, 3)
    region = footprints_from_boxes({5: box}, pose[None], INTRINSICS, HEIGHT, WIDTH).region([5])[0]
    surely, _ = ray_box(resize(box, -1e-7), pose, INTRINSICS, HEIGHT, WIDTH)
    perhaps, _ = ray_box(resize(box, 1e-7), pose, INTRINSICS, HEIGHT, WIDTH)
    assert not (surely & ~region).any()
    assert not (region & ~perhaps).any()


def test_a_box_behind_the_camera_or_beside_the_image_has_no_footprint():
    pose = look_at(np.zeros(3), np.array([0.0, 1.0, 0.0]))[None]
    boxes = {
        1: OrientedBox(np.array([0.0, -2.0, 0.0]), np.ones(3), np.eye(3)),
        2: OrientedBox(np.array([9.0, 1.0, 0.0]), np.ones(3), np.eye(3)),
        3: OrientedBox(np.array([0.0, 2.0, 0.0]), np.ones(3), np.eye(3)),
    }
    footprints = footprints_from_boxes(boxes, pose, INTRINSICS, HEIGHT, WIDTH)
    assert footprints.object_ids == (3,)
    assert footprints.amodal


def test_a_box_around_the_camera_fills_the_image():
    box = OrientedBox(np.zeros(3), np.full(3, 4.0), np.eye(3))
    footprints = footprints_from_boxes({1: box}, motion(3)[None] * [[[1, 1, 1, 0]] * 3 + [[1] * 4]], INTRINSICS, 36, 48)
    assert footprints.region([1]).all()


@given(st.integers(0, 2**32 - 1))
def test_moving_scene_and_camera_together_leaves_footprints_unchanged(seed):
    clip, matrix = box_clip(num_frames=2, height=HEIGHT, width=WIDTH), motion(seed)
    boxes, poses = {i: box.moved(matrix) for i, box in clip.boxes.items()}, matrix @ clip.poses
    size = clip.instances.shape[1:]
    still = footprints_from_boxes(clip.boxes, clip.poses, clip.intrinsics, *size)
    assert footprints_from_boxes(boxes, poses, clip.intrinsics, *size) == still
    still = footprints_from_depth(clip.depth, clip.boxes, clip.poses, clip.intrinsics)
    assert footprints_from_depth(clip.depth, boxes, poses, clip.intrinsics) == still


def test_depth_gives_the_visible_part_of_every_box():
    clip = box_clip()
    modal = footprints_from_depth(clip.depth, clip.boxes, clip.poses, clip.intrinsics, margin_m=1e-3)
    hulls = footprints_from_boxes(clip.boxes, clip.poses, clip.intrinsics, *clip.instances.shape[1:])
    assert modal == footprints_from_instances(clip.instances)
    hidden = hulls.region([1]) & ~modal.region([1])
    assert hidden.any(), "the scene must hide a part of box 1"
    assert (clip.instances[hidden] == 3).all()


def test_a_pixel_in_two_boxes_belongs_to_the_smaller():
    clip = box_clip()
    around = OrientedBox(clip.boxes[3].center, clip.boxes[3].size + 0.2, clip.boxes[3].rotation)
    footprints = footprints_from_depth(clip.depth, {9: around, 3: clip.boxes[3]}, clip.poses, clip.intrinsics, 1e-3)
    np.testing.assert_array_equal(footprints.region([3]), clip.instances == 3)
    assert not (footprints.region([9]) & (clip.instances == 3)).any()


@pytest.mark.parametrize("missing", [0.0, np.nan, np.inf])
def test_pixels_without_depth_are_no_one_s(missing):
    clip = box_clip()
    depth = np.full_like(clip.depth, missing)
    # a box around the first camera: a pixel with no depth must not be lifted to the camera itself
    around = OrientedBox(clip.poses[0, :3, 3], np.full(3, 20.0), np.eye(3))
    assert footprints_from_depth(depth, {1: around}, clip.poses, clip.intrinsics).object_ids == ()


def test_depth_and_poses_of_different_length_are_refused():
    clip = box_clip()
    with pytest.raises(ValueError, match="depth has 3 frames but there are 4 poses"):
        footprints_from_depth(clip.depth[:3], clip.boxes, clip.poses, clip.intrinsics)


def test_the_ray_caster_agrees_with_depth_and_hulls():
    from ocr_hf.scenes.render.renderer import Renderer
    from ocr_hf.scenes.scene import Mesh, Scene, SceneObject

    faces = np.array(
        [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]]
        + [[2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]],
        dtype=np.int32,
    )
    clip = box_clip()
    objects = tuple(SceneObject(i, "box", box, (Mesh(box.corners(), faces),)) for i, box in clip.boxes.items())
    floor = Mesh(OrientedBox.axis_aligned(np.array([-4.0, -4.0, -0.2]), np.array([4.0, 6.0, 0.0])).corners(), faces)
    height, width = 140, 196
    intrinsics = intrinsics_from_fov(width, height, 70.0)
    rendered = Renderer(Scene("boxes", "test", objects, (floor,))).render(clip.poses, intrinsics, width, height)
    cast = footprints_from_instances(rendered.instances)
    tested = footprints_from_depth(rendered.depth, clip.boxes, clip.poses, intrinsics)
    hulls = footprints_from_boxes(clip.boxes, clip.poses, intrinsics, height, width)
    for object_id in clip.boxes:
        assert iou(cast.region([object_id]), tested.region([object_id])) > MODAL_IOU
        # a ray on a silhouette may fall to either side: at most one pixel in a thousand
        outside = cast.region([object_id]) & ~hulls.region([object_id])
        assert outside.sum() <= 1e-3 * cast.areas(object_id).sum()
    assert iou(cast.region([3]), hulls.region([3])) > 0.999, "nothing hides box 3, so hull and visible part are equal"
