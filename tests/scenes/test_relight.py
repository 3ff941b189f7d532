"""Light of edited scenes: as in a bake of the whole edited scene where the edit reaches, untouched elsewhere."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import minimum_filter

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import intrinsics_from_fov, look_at
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.render.edit_reach import REACH_M
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.scenes.scene import Light, Material, Scene
from tests.scenes.boxes import box_mesh, box_object, room

SIZE = 128, 96
INTRINSICS = intrinsics_from_fov(*SIZE, 80.0)
EYES = ((-2.0, 0.0, 1.5), (0.5, 2.5, 1.2), (-0.5, -2.5, 1.8))
POSES = np.stack([look_at(np.array(eye), np.array([1.0, 0.0, 0.3])) for eye in EYES])
MOVE = SceneEdit("move", (7,), {"offset": (-1.0, 0.9, 0.0)})
EDITS = {
    "move": MOVE,
    "remove": SceneEdit("remove", (8,)),
    "recolor": SceneEdit("recolor", (8,), {"color": (0.9, 0.1, 0.1)}),
    "scale": SceneEdit("scale", (9,), {"factors": (1.0, 1.0, 2.0)}),
    "swap": SceneEdit("swap", (7, 9)),
}


@cache
def lit_room() -> tuple[Scene, Renderer]:
    scene = room()
    return scene, Renderer(scene)


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(int) - b.astype(int))


@pytest.mark.parametrize("kind", EDITS)
def test_edited_scenes_look_as_if_lit_from_scratch(kind):
    scene, base = lit_room()
    after = EDITS[kind].apply(scene, plausible=False)
    edited = base.edited(after)
    assert not edited.lit_anew and edited.base is base
    # A lamp without power changes nothing but that all is lit anew, with the exposure of the scene before.
    anew = base.edited(replace(after, lights=(*after.lights, Light(np.zeros(3), np.zeros(3)))))
    assert anew.lit_anew
    before, ours, whole = (r.render(POSES, INTRINSICS, *SIZE) for r in (base, edited, anew))
    assert np.array_equal(ours.instances, whole.instances)
    np.testing.assert_allclose(ours.depth, whole.depth, rtol=1e-4)
    error, change = difference(ours.frames, whole.frames), difference(before.frames, whole.frames)
    assert error.mean() < 0.6 and np.percentile(error, 99.5) < 20
    assert error.mean() < 0.25 * change.mean()


def test_a_shadow_goes_with_its_object_and_comes_with_it():
    # A lamp high above a floor, a box under it: the floor beside the box is in its shadow.
    floor = OrientedBox.axis_aligned(np.array([-4.0, -4.0, -0.1]), np.array([4.0, 4.0, 0.0]))
    box = OrientedBox.axis_aligned(np.array([-0.3, -0.3, 0.0]), np.array([0.3, 0.3, 1.0]))
    lamp = Light(np.array([-1.5, 0.0, 2.0]), np.full(3, 4.0))
    scene = Scene("shade", "test", (box_object(1, box),), (box_mesh(floor, Material((0.6, 0.6, 0.6))),), lights=(lamp,))
    empty = replace(scene, objects=())
    base = Renderer(scene)

    def floor_at(renderer: Renderer, x: float, y: float) -> int:
        pose = look_at(np.array([x, y, 1.9]), np.array([x, y + 1e-3, 0.0]))[None]
        return int(renderer.render(pose, intrinsics_from_fov(16, 16, 4.0), 16, 16).frames.mean())

    shadow, beside = floor_at(base, 0.9, 0.0), floor_at(base, 0.0, 3.0)
    gone = base.edited(empty)
    assert shadow < 0.9 * floor_at(gone, 0.9, 0.0)
    moved = base.edited(SceneEdit("move", (1,), {"offset": (0.0, 3.0, 0.0)}).apply(scene, plausible=False))
    assert floor_at(moved, 0.9, 0.0) > 1.1 * shadow
    # Away from the lamp the shadow of the moved box falls towards (0.9, 4.8) past it.
    assert floor_at(moved, 0.3, 3.6) < 0.9 * floor_at(gone, 0.3, 3.6)
    assert floor_at(gone, -3.0, -3.0) == floor_at(base, -3.0, -3.0) == floor_at(moved, -3.0, -3.0)
    assert beside > shadow


def test_recoloring_changes_nothing_beyond_its_reach():
    scene, base = lit_room()
    edited = base.edited(EDITS["recolor"].apply(scene))
    before, after = (r.render(POSES, INTRINSICS, *SIZE) for r in (base, edited))
    item = scene.object(8).box
    changed = 0
    for t, pose in enumerate(POSES):
        rows, columns = np.indices(before.depth[t].shape).reshape(2, -1)
        pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], axis=1)
        depth = before.depth[t][rows, columns]
        places = (pixels @ np.linalg.inv(INTRINSICS).T * depth[:, None]) @ pose[:3, :3].T + pose[:3, 3]
        gap = np.linalg.norm(np.maximum(np.abs(item.to_local(places)) - item.size / 2.0, 0.0), axis=1)
        gap[depth == 0.0] = np.inf
        # A pixel on an edge shows its neighbour, too.
        gap = minimum_filter(gap.reshape(before.depth[t].shape), 3)
        differs = difference(before.frames[t], after.frames[t]).any(axis=-1)
        # A triangle is at most 0.35 m long, and one corner of it within reach changes all of it.
        assert (gap[differs] < REACH_M + 0.36).all()
        changed += differs.sum()
    assert changed > 500


def test_its_own_scene_gives_the_renderer_itself():
    scene, base = lit_room()
    assert base.edited(scene) is base
    assert base.edited(replace(scene)) is base
    after = MOVE.apply(scene, plausible=False)
    assert base.edited(after).edited(MOVE.inverse().apply(after)) is base


def test_everything_is_lit_anew_where_a_lamp_or_the_structure_changes():
    scene, base = lit_room()
    lamp = replace(scene, lights=(Light(np.array([0.0, 0.6, 2.3]), np.full(3, 4.0)),))
    wall = replace(scene, structure=scene.structure[:1])
    for after in (lamp, wall):
        edited = base.edited(after)
        assert edited.lit_anew and edited.base is base
        frames = edited.render(POSES, INTRINSICS, *SIZE).frames
        # But for the exposure, which stays that of the scene before.
        assert difference(frames, Renderer(after).render(POSES, INTRINSICS, *SIZE).frames).mean() < 8.0
        assert edited.edited(scene) is base
    assert Renderer(scene, light_rays=0).edited(MOVE.apply(scene, plausible=False)).lit_anew
