"""Longer homes: areas grow by what is put in, walls stay closed, textures go on as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ocr_hf.questions.route_map import walls
from ocr_hf.scenes.edits.changed_objects import changed_objects
from ocr_hf.scenes.edits.extended_plan import free_strips
from ocr_hf.scenes.edits.scene_edit import SceneEdit, apply_edits
from ocr_hf.scenes.scene import Light, Material, Mesh, Scene
from tests.scenes.edit_scenes import HOMES, contents, home, small_room


def extensions(scene: Scene, shares: st.DataObject, empty: bool = False) -> SceneEdit:
    degrees = shares.draw(st.sampled_from([0.0, 90.0, 180.0, 270.0]))
    strips = [strip for strip in free_strips(scene, degrees, empty) if strip[1] - strip[0] > 0.02]
    assume(strips)
    low, high = shares.draw(st.sampled_from(strips))
    if empty:
        return SceneEdit("extend", (), {"degrees": degrees, "at": low, "by": low - high})
    at = low + shares.draw(st.floats(0.05, 0.95)) * (high - low)
    return SceneEdit("extend", (), {"degrees": degrees, "at": at, "by": shares.draw(st.floats(0.1, 4.0))})


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(HOMES), st.data(), st.booleans())
def test_what_is_put_in_is_a_strip_of_each_room(home_seed: int, data: st.DataObject, empty: bool) -> None:
    """The floor grows by length of cut times distance; each thing keeps its size and moves by all or nothing."""
    scene = home(home_seed)
    edit = extensions(scene, data, empty)
    after = edit.apply(scene, plausible=False)
    angle, at, by = np.radians(edit.parameters["degrees"]), edit.parameters["at"], edit.parameters["by"]
    outwards, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    plane = shapely.LineString([at * outwards - 99 * across, at * outwards + 99 * across])
    grown = 0.0
    for old, new in zip(scene.rooms, after.rooms, strict=True):
        one, other = shapely.Polygon(old.polygon), shapely.Polygon(new.polygon)
        assert other.is_valid and other.exterior.is_ccw and new.height_m == old.height_m
        assert other.area - one.area == pytest.approx(by * one.intersection(plane.buffer(1e-9)).area / 2e-9, abs=1e-3)
        grown += other.area - one.area
    assert after.floor_area_m2 - scene.floor_area_m2 == pytest.approx(grown) and abs(grown) > 1e-3
    for old, new in zip(scene.objects, after.objects, strict=True):
        shift = new.box.center - old.box.center
        assert new is old or np.allclose(shift, by * np.append(outwards, 0.0), atol=1e-9)
    assert edit.inverse().apply(after) is scene


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(HOMES), st.data(), st.booleans())
def test_walls_and_slabs_stay_closed_and_keep_their_texture(home_seed: int, data: st.DataObject, empty: bool) -> None:
    """Each surface's area grows as the floor's does, and nowhere is the texture denser or coarser than before."""
    scene = home(home_seed)
    edit = extensions(scene, data, empty)
    after = edit.apply(scene, plausible=False)
    for old, new in zip(scene.structure, after.structure, strict=True):
        # Coordinates in the texture are single floats.
        assert (np.abs(densities(new)[:, None] / np.unique(densities(old)) - 1.0).min(axis=1) < 0.01).all()
        assert new.uv.dtype == old.uv.dtype and new.faces.max() < len(new.vertices)
    # At any height the walls' outlines are as long as before and twice the strip for each room that it crosses.
    before, now = (walls(each, 1.0).length for each in (scene, after))
    crossed = round((now - before) / edit.parameters["by"])
    assert now - before == pytest.approx(crossed * edit.parameters["by"], abs=1e-6) and crossed >= 2


def densities(mesh: Mesh) -> np.ndarray:
    """Area of each triangle in the texture over its area in the world."""
    corners, uv = mesh.vertices[mesh.faces], mesh.uv[mesh.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    one, other = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    inside = np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])
    # Not of slivers: their areas are rounding
    return (inside / np.maximum(area, 1e-12))[area > 1e-3]


def test_a_texture_goes_on_across_the_plane() -> None:
    """A floor whose texture is its place: after the edit each corner's texture is its place still."""
    corners = np.array([[0.0, 0.0, 0.0], [6.0, 0.0, 0.0], [6.0, 4.0, 0.0], [0.0, 4.0, 0.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    floor = Mesh(corners, faces, Material(), corners[:, :2].astype(np.float32), np.full((4, 3), 200, dtype=np.uint8))
    scene = replace(small_room(), structure=(floor,))
    for degrees, at, by in ((0.0, 2.9, 1.5), (90.0, 1.7, 0.7), (180.0, -5.7, 0.3)):
        (new,) = SceneEdit("extend", (), {"degrees": degrees, "at": at, "by": by}).apply(scene, False).structure
        outwards = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        placed = new.vertices[:, :2]
        np.testing.assert_allclose(new.uv, placed, atol=1e-5)
        sides = new.vertices[new.faces]
        normals = np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0])
        assert (normals[:, 2] >= -1e-12).all() and (new.vertex_colors == 200).all()
        wide = 4.0 if degrees % 180.0 == 0.0 else 6.0
        assert normals[:, 2].sum() / 2.0 == pytest.approx(24.0 + by * wide)
        assert np.ptp(placed @ outwards) == pytest.approx((6.0 if wide == 4.0 else 4.0) + by)


def test_lights_without_a_lamp_move_with_their_side_and_rugs_are_not_cut() -> None:
    lights = (Light(np.array([1.0, 2.0, 2.4]), np.ones(3)), Light(np.array([5.0, 2.0, 2.4]), np.ones(3)))
    rug = Mesh(np.array([[2.0, 1.0, 0.01], [4.0, 1.0, 0.01], [4.0, 3.0, 0.01]]), np.array([[0, 1, 2]], dtype=np.int32))
    scene = replace(small_room(), lights=lights)
    edit = SceneEdit("extend", (), {"degrees": 0.0, "at": 3.0, "by": 1.0})
    after = edit.apply(scene)
    assert after.lights[0] is lights[0]
    np.testing.assert_allclose(after.lights[1].position, [6.0, 2.0, 2.4])
    # What stands across the plane goes with its middle, and what stands on it with it.
    assert changed_objects(scene, after) == (5, 6, 7, 9)
    with pytest.raises(ValueError, match="extend would cut a rug or something else that is built in; choose another"):
        edit.apply(replace(scene, structure=(rug,)))
    with pytest.raises(ValueError, match="scene 'small' has neither rooms nor walls to extend"):
        edit.apply(replace(scene, rooms=()))


def test_the_camera_keeps_its_room_and_its_distance() -> None:
    edit = SceneEdit("extend", (), {"degrees": 0.0, "at": 3.0, "by": 1.0})
    pose = np.eye(4)
    pose[:3, 3] = 4.6, 1.0, 0.5
    with pytest.raises(ValueError, match=r"chair \(object 7\) would stand in the camera's way: 0.00 m from it"):
        edit.apply(small_room(), camera_path=pose[None])
    pose[:3, 3] = 2.9, 3.3, 1.5
    edit.apply(small_room(), camera_path=pose[None])
    narrower = SceneEdit("extend", (), {"degrees": 0.0, "at": 2.9, "by": -0.3})
    bare = replace(small_room(), objects=())
    pose[:3, 3] = 5.8, 3.3, 1.5
    with pytest.raises(ValueError, match="the extended home would put a wall in the camera's way"):
        narrower.apply(bare, camera_path=pose[None])


def test_extensions_add_up_and_are_taken_back_in_order() -> None:
    scene = home(2)
    edits = [SceneEdit("extend", (), {"degrees": 0.0, "at": free_strips(scene, 0.0, False)[3][0], "by": 1.0})]
    between = edits[0].apply(scene, plausible=False)
    edits.append(SceneEdit("extend", (), {"degrees": 90.0, "at": free_strips(between, 90.0, False)[-3][1], "by": 0.5}))
    after = apply_edits(scene, edits, plausible=False)
    moved = SceneEdit("recolor", (after.objects[0].id,), {"color": (1, 0, 0)})
    changed = moved.apply(after)
    back = moved.inverse().apply(changed)
    assert back is after
    assert contents(edits[1].inverse().apply(back, plausible=False)) == contents(between)
    assert edits[0].inverse().apply(edits[1].inverse().apply(back, plausible=False)) is scene
