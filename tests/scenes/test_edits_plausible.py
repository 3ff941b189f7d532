"""Plausible edits: nothing gets into anything else, all is supported and inside; each refusal says why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.cameras.camera_path import walk_through
from ocr_hf.scenes.edits.carriers import base_center, chain, find_carriers, low_high
from ocr_hf.scenes.edits.changed_objects import changed_objects
from ocr_hf.scenes.edits.sample_edit import SAMPLED, sample_edit
from ocr_hf.scenes.edits.scene_edit import SceneEdit, apply_edits
from ocr_hf.scenes.scene import Scene
from tests.scenes.edit_scenes import HOMES, block, contents, home, sampled, small_room

kinds = st.sampled_from(SAMPLED)
homes = st.sampled_from(HOMES)
few = st.integers(0, 3)


def common_volume(a: OrientedBox, b: OrientedBox) -> float:
    """Volume (m3) that two upright boxes share, by clipping polygons: another way than the code's."""
    (a_low, a_high), (b_low, b_high) = low_high(a), low_high(b)
    outlines = [shapely.Polygon(box.floor_polygon()) for box in (a, b)]
    return max(0.0, min(a_high, b_high) - max(a_low, b_low)) * outlines[0].intersection(outlines[1]).area


def overlapping(scene: Scene) -> set[tuple[int, int]]:
    """Return the pairs of objects that share space and don't carry each other."""
    carriers = find_carriers(scene)
    items = scene.objects
    return {
        (a.id, b.id)
        for i, a in enumerate(items)
        for b in items[i + 1 :]
        if np.linalg.norm(a.box.center - b.box.center) < (a.box.diagonal + b.box.diagonal) / 2.0
        and a.id not in chain(b.id, carriers)
        and b.id not in chain(a.id, carriers)
        and common_volume(a.box, b.box) > 1e-6
    }


@settings(max_examples=60, deadline=None)
@given(kinds, homes, few)
def test_sampled_edits_leave_a_scene_that_could_stand_so(kind: str, home_seed: int, seed: int) -> None:
    scene, edit, after = sampled(kind, home_seed, seed)
    assert overlapping(after) <= overlapping(scene)
    carriers, floors = find_carriers(after), [shapely.Polygon(room.polygon).buffer(1e-6) for room in scene.rooms]
    for object_id in set(changed_objects(scene, after)) & {item.id for item in after.objects}:
        new = after.object(object_id)
        old = new if kind == "add" else scene.object(object_id)
        # What is built into a wall moves with it.
        if kind not in ("recolor", "extend"):
            assert any(floor.covers(shapely.Polygon(new.box.floor_polygon())) for floor in floors)
        # On the floor, on something, or hanging as it did before
        hung = base_center(old.box)[2] > 0.02 and object_id not in find_carriers(scene)
        assert base_center(new.box)[2] <= 0.02 or object_id in carriers or hung


@settings(max_examples=12, deadline=None)
@given(kinds, few)
def test_a_chain_of_sampled_edits_stays_plausible(kind: str, seed: int) -> None:
    scene, second = home(0), SAMPLED[(SAMPLED.index(kind) + 3) % len(SAMPLED)]
    first = sample_edit(scene, kind, seed)
    between = first.apply(scene)
    edits = [first, sample_edit(between, second, seed)]
    after = apply_edits(scene, edits)
    assert overlapping(after) <= overlapping(scene)
    assert contents(after) == contents(apply_edits(scene, edits))


def test_sampled_edits_are_a_function_of_the_seed() -> None:
    for kind in SAMPLED:
        first = [sample_edit(home(2), kind, seed) for seed in (0, 1, 2)]
        assert first == [sample_edit(home(2), kind, seed) for seed in (2, 1, 0)][::-1]
        assert len({edit.to_json() for edit in first}) > 1
    (found,) = sample_edit(home(2), "warp", 0).objects
    assert sample_edit(home(2), "warp", 5, object_id=found).objects == (found,)


def test_the_camera_keeps_its_distance() -> None:
    scene = home(0)
    path = walk_through(scene, seconds=12.0, fps=2.0, seed=1)
    for seed in range(6):
        edit = sample_edit(scene, "move", seed, camera_path=path)
        (item, *_) = edit.objects
        box = edit.apply(scene, camera_path=path).object(item).box
        eyes = box.to_local(path[:, :3, 3])
        assert np.linalg.norm(np.maximum(np.abs(eyes) - box.size / 2.0, 0.0), axis=1).min() >= 0.25 - 1e-6


def at(x: float, y: float, z: float = 1.5) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose[None]


@pytest.mark.parametrize(
    ("kind", "ids", "parameters", "told"),
    [
        ("move", (7,), {"offset": (-1.2, 1.0)}, r"chair \(object 7\) would run into something: .* by 0.\d\d m"),
        ("move", (7,), {"offset": (0.0, 0.0, 0.5)}, r"chair \(object 7\) would float"),
        ("move", (7,), {"offset": (0.0, 0.0, -0.01)}, r"chair \(object 7\) would sink into the floor"),
        ("move", (7,), {"offset": (4.0, 0.0)}, r"chair \(object 7\) would reach outside its room"),
        ("move", (7,), {"offset": (1.5, -0.3)}, r"chair \(object 7\) would stand in a doorway: that of door"),
        ("move", (8,), {"offset": (0.0, -0.5)}, r"picture \(object 8\) would hang in the air"),
        ("rotate", (8,), {"degrees": 20}, r"picture \(object 8\) would"),
        ("rotate", (8,), {"degrees": 180}, r"picture \(object 8\) would hang with another side to the wall"),
        ("move", (8,), {"offset": (0.0, -3.94)}, r"picture \(object 8\) would hang with another side to the wall"),
        ("move", (8,), {"offset": (-1.47, -1.97), "degrees": -90}, r"would hang with another side to the wall"),
        ("move", (8,), {"offset": (3.3, -3.94), "degrees": 180}, r"picture \(object 8\) would hang before a door"),
        ("move", (8,), {"offset": (0.0, 0.0, -1.4)}, r"picture \(object 8\) would no longer hang"),
        ("move", (9,), {"offset": (0.1, 0.0)}, r"door \(object 9\) is built into a wall or lies outside the rooms"),
        ("move", (4,), {"offset": (0.0, 0.4)}, r"lamp \(object 4\) would reach over the edge of what it stands on"),
        ("move", (4,), {"offset": (0.0, 0.0, 0.1)}, r"lamp \(object 4\) would float"),
        ("scale", (5,), {"factors": (1, 1, 2)}, r"shelf \(object 5\) would reach through the ceiling by 1.00 m"),
        ("swap", (4, 7), {}, r"would"),
        ("warp", (1,), {"amplitude": 0.05, "seed": 1}, r"carries something that would float or sink in: tray"),
        ("replace", (3,), {"label": "bed", "seed": 1}, r"leaves too small a place for the new model: a bed at 0.0"),
        ("replace", (8,), {"label": "stool", "seed": 1}, r"would stand where the new model hangs, or hang"),
    ],
)
def test_what_could_not_stand_so_is_refused_unless_allowed(kind: str, ids: tuple, parameters: dict, told: str) -> None:
    edit, scene = SceneEdit(kind, ids, parameters), small_room()
    with pytest.raises(ValueError, match=told) as error:
        edit.apply(scene)
    assert str(error.value).endswith("; choose another place or object, or allow it with plausible=False")
    after = edit.apply(scene, plausible=False)
    assert changed_objects(scene, after)
    # Taking it back leads to the scene as it was, which is nothing to refuse.
    assert edit.inverse().apply(after) is scene


@pytest.mark.parametrize(("offset", "degrees"), [((0.0, -3.94), 180), ((-1.47, -1.97), 90), ((4.47, -1.97), -90)])
def test_a_picture_may_hang_on_another_wall_with_its_back_to_it(offset: tuple, degrees: float) -> None:
    edit = SceneEdit("move", (8,), {"offset": offset, "degrees": degrees})
    # The back is at +y of the picture's own axes: on its first wall, y = 4, it isn't turned.
    box = edit.apply(small_room()).object(8).box
    behind = box.center[:2] + 0.1 * box.rotation[:2, 1]
    assert not shapely.Polygon(small_room().rooms[0].polygon).covers(shapely.Point(behind))


def test_a_thing_in_the_cameras_way_is_refused() -> None:
    edit = SceneEdit("move", (7,), {"offset": (0.4, 0.0)})
    edit.apply(small_room(), camera_path=at(4.6, 1.0, 0.5))
    with pytest.raises(ValueError, match="would stand in the camera's way: 0.15 m from it, and 0.25 m are kept"):
        edit.apply(small_room(), camera_path=at(4.3, 1.0, 0.5))
    # Where the camera was as near before, an edit that comes no nearer is no worse.
    SceneEdit("move", (7,), {"offset": (-0.1, 0.0)}).apply(small_room(), camera_path=at(3.85, 1.0, 0.5))


def test_what_shared_space_before_may_go_on_sharing_it() -> None:
    stool = block(10, "stool", (3.8, 1.0, 0.0), (0.4, 0.4, 0.4))
    crowded = replace(small_room(), objects=(*small_room().objects, stool))
    SceneEdit("move", (10,), {"offset": (0.1, 0.0)}).apply(crowded)
    with pytest.raises(ValueError, match="stool .* would run into something: chair"):
        SceneEdit("move", (10,), {"offset": (-0.1, 0.0)}).apply(crowded)
    apart = SceneEdit("move", (10,), {"offset": (0.5, 0.0)})
    assert apart.inverse().apply(apart.apply(crowded)) is crowded


def test_a_thing_may_be_set_on_another() -> None:
    scene = small_room()
    after = SceneEdit("move", (3,), {"offset": (3.5 - 2.05, -1.0, 0.9 - 0.72)}).apply(scene)
    taken = SceneEdit("move", (7,), {"offset": (0.2, 0.0)}).apply(after)
    assert changed_objects(after, taken) == (3, 7)


def test_sampling_says_how_often_it_tried_and_why_it_failed() -> None:
    with pytest.raises(ValueError, match=r"in 30 tries; most often \(30 times\) the object is built into a wall"):
        sample_edit(small_room(), "rotate", 0, object_id=9, tries=30)
    with pytest.raises(ValueError, match="'restore', which can't be sampled; choose one of move"):
        sample_edit(small_room(), "restore", 0)
    with pytest.raises(ValueError, match="has no object 99 to edit"):
        sample_edit(small_room(), "move", 0, object_id=99)
    with pytest.raises(ValueError, match="tries is 0; give at least 1"):
        sample_edit(small_room(), "move", 0, tries=0)
    alone = replace(small_room(), objects=(replace(small_room().objects[0], meshes=()),))
    with pytest.raises(ValueError, match="can't be edited by swap, which needs two objects"):
        sample_edit(alone, "swap", 0)
    with pytest.raises(ValueError, match="can't be edited by warp, which needs an object with meshes"):
        sample_edit(alone, "warp", 0)
