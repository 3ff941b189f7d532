"""Structured modes: objects altered in 3D and seen again, held against boxes that are ray-cast where they should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import intrinsics_from_fov, look_at
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.perturb.alteration import KINDS, Alteration
from ocr_hf.perturb.modes import NOISE_MODES
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.perturb.reproject import reproject
from tests.box_scene import BoxClip, box_clip, ray_box

BACKGROUND = np.array([30, 60, 90], dtype=np.uint8)


def colours(box: OrientedBox, pose: np.ndarray, intrinsics: np.ndarray, metres: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3) that name the place on the box at which a pixel looks: 200 levels along each axis."""
    height, width = metres.shape
    v, u = np.mgrid[0:height, 0:width] + 0.5
    points = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(intrinsics).T * metres[..., None]
    local = (points @ pose[:3, :3].T + pose[:3, 3] - box.center) @ box.rotation
    return 128.0 + 200.0 * local / box.size


def painted(clip: BoxClip) -> BoxClip:
    """The clip with every box painted by place, before a plain background."""
    frames = np.empty_like(clip.frames)
    for row, pose in enumerate(clip.poses):
        frames[row] = BACKGROUND
        for object_id, box in clip.boxes.items():
            inside = clip.instances[row] == object_id
            frames[row][inside] = colours(box, pose, clip.intrinsics, clip.depth[row])[inside].round()
    return replace(clip, frames=frames)


CLIP = painted(box_clip(num_frames=3, height=168, width=224))
FOOTPRINTS = footprints_from_instances(CLIP.instances)


def altered(clip: BoxClip, alterations: dict[int, Alteration], depth: bool = True) -> tuple[np.ndarray, np.ndarray]:
    return reproject(
        clip.frames,
        clip.depth if depth else None,
        clip.boxes,
        footprints_from_instances(clip.instances),
        alterations,
        clip.poses,
        clip.intrinsics,
    )


def box_after(alteration: Alteration) -> OrientedBox:
    """The altered box, made from what the alteration says and not by its own code."""
    box, turn = alteration.box, alteration.turn_rad
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1.0]])
    base = box.center[2] - box.size[2] / 2
    center = [*box.center[:2], base + alteration.factor * box.size[2] / 2] + np.asarray(alteration.offset_m)
    return OrientedBox(np.asarray(center), box.size * alteration.factor, about_z @ box.rotation)


@pytest.mark.parametrize("depth", [True, False])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["rigid", "scale"])
def test_an_altered_box_is_where_a_ray_caster_sees_it(kind, seed, depth):
    alteration = Alteration.draw(kind, CLIP.boxes[2], 0.2, seed)
    after = box_after(alteration)
    made, filled = altered(CLIP, {2: alteration}, depth)
    told = 0
    for row, pose in enumerate(CLIP.poses):
        hit, metres = ray_box(after, pose, CLIP.intrinsics, *CLIP.instances.shape[1:])
        before = CLIP.instances[row] == 2
        others = (CLIP.instances[row] != 0) & ~before
        seen = hit & ~(others & (CLIP.depth[row] < metres)) & (metres < 6.0)
        expected = colours(after, pose, CLIP.intrinsics, np.where(hit, metres, 1.0))
        # Only what the camera saw before can be drawn: places whose own pixel showed the box
        place = (expected - 128.0) / 200.0 * CLIP.boxes[2].size
        world = place @ CLIP.boxes[2].rotation.T + CLIP.boxes[2].center
        camera = (world - pose[:3, 3]) @ pose[:3, :3]
        pixel = np.floor((camera @ CLIP.intrinsics.T)[..., :2] / camera[..., 2:]).astype(int)
        within = ((pixel >= 0) & (pixel < [224, 168])).all(axis=-1)
        column, line = np.clip(pixel, 0, [223, 167]).transpose(2, 0, 1)
        known = seen & within & before[line, column] & (np.abs(camera[..., 2] - CLIP.depth[row, line, column]) < 0.02)
        error = np.abs(made[row].astype(float) - expected).max(axis=-1)[known]
        told += known.sum()
        assert np.median(error) < 1.0, "levels, of 200 along an edge of the box"
        assert np.percentile(error, 95) < 4.0, "edges of the box are seen by one pixel or its neighbour"
        # What is neither the altered box nor what it has left is as it was, but for the seam of a pixel
        near = seen | before
        near = np.lib.stride_tricks.sliding_window_view(np.pad(near, 2), (5, 5)).any(axis=(2, 3))
        np.testing.assert_array_equal(made[row][~near], CLIP.frames[row][~near])
        assert not filled[row][~near].any()
    assert told > 2000


@pytest.mark.parametrize("kind", KINDS)
def test_next_to_no_alteration_gives_every_pixel_back(kind):
    made, filled = altered(CLIP, {i: Alteration.draw(kind, CLIP.boxes[i], 1e-7, 5) for i in CLIP.boxes})
    region = CLIP.instances > 0
    assert np.abs(made[region].astype(int) - CLIP.frames[region]).max() <= 1
    assert not filled[region].any()
    np.testing.assert_array_equal(made[~region], CLIP.frames[~region])


def test_a_magnified_surface_has_no_holes():
    height, width, distance = 120, 160, 3.0
    pose = look_at(np.zeros(3), np.array([0.0, 1.0, 0.0]))[None]
    box = OrientedBox(np.array([0.0, distance + 0.01, 0.0]), np.array([0.4, 0.02, 0.3]), np.eye(3))
    intrinsics = intrinsics_from_fov(width, height, 60.0)
    hit, metres = ray_box(box, pose[0], intrinsics, height, width)
    frame = np.where(hit[..., None], [200, 40, 10], BACKGROUND).astype(np.uint8)
    clip = BoxClip({1: box}, pose, intrinsics, frame[None], np.where(hit, metres, 8.0)[None], hit[None].astype("u2"))
    for factor in (1.3, 2.7, 6.1):
        alteration = Alteration("scale", box, factor=factor)
        made, filled = altered(clip, {1: alteration})
        after, _ = ray_box(box_after(alteration), pose[0], intrinsics, height, width)
        # The outline is known to half a pixel of the small box
        border = int(np.ceil(factor / 2 + 0.5))
        inner = np.lib.stride_tricks.sliding_window_view(np.pad(after, border), (2 * border + 1,) * 2).all(axis=(2, 3))
        assert inner.sum() > 250
        np.testing.assert_array_equal(made[0][inner], np.broadcast_to([200, 40, 10], (inner.sum(), 3)))
        assert not filled[0][inner].any()


@pytest.mark.parametrize("depth", [True, False])
def test_what_stands_in_front_still_hides_an_altered_object(depth):
    for seed in range(4):
        made, _ = altered(CLIP, {1: Alteration.draw("rigid", CLIP.boxes[1], 0.1, seed)}, depth)
        front = (CLIP.instances == 3) & (CLIP.depth < 2.4)  # well before the box behind, wherever that moves
        assert front.sum() > 1000
        np.testing.assert_array_equal(made[front], CLIP.frames[front])


def test_filled_pixels_are_those_left_and_show_nothing_of_the_object():
    alteration = Alteration("rigid", CLIP.boxes[2], offset_m=(0.9, 0.4, 0.0))
    made, filled = altered(CLIP, {2: alteration})
    other = replace(CLIP, frames=np.where(CLIP.instances[..., None] == 2, 255 - CLIP.frames, CLIP.frames))
    again, same = altered(other, {2: alteration})
    assert filled.sum() > 2000
    np.testing.assert_array_equal(filled, same)
    np.testing.assert_array_equal(made[filled], again[filled])
    # Around is nothing but the background and other objects, which don't count
    np.testing.assert_array_equal(made[filled], np.broadcast_to(BACKGROUND, (filled.sum(), 3)))
    assert not (filled & (CLIP.instances != 2) & (CLIP.instances != 0)).any()


def test_an_object_that_leaves_the_view_leaves_only_its_hole():
    made, filled = altered(CLIP, {2: Alteration("rigid", CLIP.boxes[2], offset_m=(0.0, -9.0, 0.0))})
    np.testing.assert_array_equal(filled[CLIP.instances == 2], True)
    np.testing.assert_array_equal(made[~filled], CLIP.frames[~filled])


@given(st.integers(0, 2**64), st.floats(0.01, 0.5))
def test_what_is_drawn_is_as_large_as_the_strength_says(key, strength):
    box = OrientedBox.upright(np.array([1.0, 2.0, 0.4]), np.array([1.8, 0.9, 0.8]), 0.7)
    rigid, scale, warp = (Alteration.draw(kind, box, strength, key) for kind in KINDS)
    assert np.hypot(*rigid.offset_m[:2]) == pytest.approx(strength * box.diagonal) and rigid.offset_m[2] == 0.0
    assert abs(rigid.turn_rad) == pytest.approx(2.0 * strength * 0.5)  # half as broad as long, half the turn
    assert abs(np.log(scale.factor)) == pytest.approx(2.0 * strength)
    points = (np.random.default_rng(0).uniform(-0.5, 0.5, (4000, 3)) * box.size) @ box.rotation.T
    points = (points + [0.0, 0.0, box.size[2] / 2]).astype(np.float32)
    moved = np.linalg.norm((warp.moved(points) - points)[:, :2], axis=1)
    assert 0.2 * strength < moved.max() / box.diagonal < 1.15 * strength
    # The base stays on the floor, and nothing is turned inside out
    floor = points.copy()
    floor[:, 2] = 0.0
    np.testing.assert_array_equal(warp.moved(floor)[:, 2], 0.0)
    assert (scale.moved(floor)[:, 2] == 0.0).all() and (warp.moved(points)[:, 2] >= 0.0).all()
    # Of one key, strength is how far and nothing else
    half = Alteration.draw("rigid", box, strength / 2, key)
    np.testing.assert_allclose(half.offset_m, np.array(rigid.offset_m) / 2)
    assert Alteration.draw("warp", box, strength / 2, key).seed == warp.seed


def test_a_picture_slides_along_its_wall():
    picture = OrientedBox.upright(np.array([0.0, 3.0, 1.5]), np.array([0.8, 0.02, 0.6]), 0.3)
    drawn = [Alteration.draw("rigid", picture, 0.2, key) for key in range(50)]
    away = [abs(np.dot(item.offset_m, picture.rotation[:, 1])) for item in drawn]
    assert np.median(away) < 0.01 and max(abs(item.turn_rad) for item in drawn) < 0.011


@pytest.mark.parametrize("strength", [0.05, 0.2])
def test_a_warp_bends_as_the_edit_of_that_name(strength):
    from ocr_hf.scenes.edits.surface_edits import warped
    from ocr_hf.scenes.scene import Material, Mesh, SceneObject

    box = OrientedBox.upright(np.array([1.0, 2.0, 0.4]), np.array([1.8, 0.9, 0.8]), 0.7)
    places = (np.random.default_rng(1).uniform(-0.5, 0.5, (3000, 3)) * box.size) @ box.rotation.T + box.center
    mesh = Mesh(places, np.arange(3000, dtype=np.int32).reshape(-1, 3), Material())
    alteration = Alteration.draw("warp", box, strength, 8)
    bent = warped(SceneObject(1, "sofa", box, (mesh,)), strength, alteration.seed).meshes[0].vertices
    ours = alteration.moved((places - alteration.base).astype(np.float32)) + alteration.base
    # The edit takes the largest displacement of the mesh, this one that of the box
    assert np.linalg.norm(ours - bent, axis=1).max() < 0.1 * strength * box.diagonal


def test_geometry_takes_every_kind_and_an_object_s_own_whoever_else_is_perturbed():
    mode = NOISE_MODES["geometry"]
    kinds = [mode.alteration(CLIP.boxes[1], 0.2, key, 1).kind for key in range(60)]
    assert min(map(kinds.count, KINDS)) > 8
    inputs = {"boxes": CLIP.boxes, "camera_to_world": CLIP.poses, "intrinsics": CLIP.intrinsics, "depth": CLIP.depth}
    one, two, both = (
        OCRMap(mode="geometry").perturb(CLIP.frames, FOOTPRINTS, ids, row_id=1, **inputs)
        for ids in ((2,), (3,), (2, 3))
    )
    ours, theirs = ((made != CLIP.frames).any(axis=-1) for made in (one, two))
    near = np.lib.stride_tricks.sliding_window_view(np.pad(theirs, ((0, 0), (9, 9), (9, 9))), (19, 19), (1, 2))
    apart = ours & ~near.any(axis=(3, 4))
    assert apart.sum() > 1000
    assert (both == one).all(axis=-1)[apart].mean() > 0.9, "but for fills, which take their colours from around both"


def test_strength_is_annealed_with_the_number_of_objects_and_ends_at_vanilla():
    ocr_map = OCRMap(mode="warp", strength=0.4, max_objects=4, total_steps=8)
    plans = [ocr_map.plan_for(ocr_map.choose("row", step, FOOTPRINTS), "row", step) for step in range(9)]
    assert [plan.strength for plan in plans] == pytest.approx([0.4 * (1 - step / 8) for step in range(9)])
    assert [len(plan.object_ids) for plan in plans] == [3, 3, 3, 3, 2, 2, 1, 1, 0] and plans[-1].is_identity
    assert OCRMap(mode="warp", strength=0.4, schedule="constant", total_steps=8).strength_at(7) == 0.4
    assert OCRMap(strength=0.4, total_steps=8).strength_at(4) == OCRMap(mode="warp", strength=0.4).strength_at(4) == 0.4


def test_bad_input_is_refused():
    with pytest.raises(KeyError, match="object 2 has no box"):
        OCRMap(mode="warp").perturb(
            CLIP.frames, FOOTPRINTS, [2], row_id=1, boxes={}, camera_to_world=CLIP.poses, intrinsics=CLIP.intrinsics
        )
    with pytest.raises(ValueError, match="camera_to_world has 2 entries for 3 frames"):
        altered(replace(CLIP, poses=CLIP.poses[:2]), {})
    with pytest.raises(ValueError, match="kind is 'melt'; choose one of rigid, scale, warp"):
        Alteration.draw("melt", CLIP.boxes[1], 0.2, 1)
    with pytest.raises(ValueError, match="mode rigid takes 0 to 0.5, in box diagonals"):
        OCRMap(mode="rigid", strength=0.6)
