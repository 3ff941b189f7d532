"""The free floor against hand-made floor plans whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.cameras.free_floor import free_floor
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.scenes.scene import Mesh, Room, Scene, SceneObject

SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])


def scene_of(*boxes: tuple, walls: tuple[Mesh, ...] = (), rooms: tuple[Room, ...] = (Room("room", SQUARE),)) -> Scene:
    objects = tuple(
        SceneObject(i, "box", OrientedBox.axis_aligned(np.array(low), np.array(high)))
        for i, (low, high) in enumerate(boxes, 1)
    )
    return Scene("hand-made", "test", objects, walls, rooms)


def wall(x: float, y0: float, y1: float, z1: float = 2.5) -> Mesh:
    vertices = np.array([[x, y0, 0.0], [x, y1, 0.0], [x, y1, z1], [x, y0, z1]])
    return Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32))


def test_an_empty_room_is_its_outline_less_the_walkers_radius() -> None:
    floor = free_floor(scene_of(), radius_m=0.5)
    assert floor.area_m2 == pytest.approx(3.0**2, abs=4 * 3.0 * 0.05)
    assert floor.contains(np.array([[2.0, 2.0], [0.3, 2.0], [-1.0, 2.0]])).tolist() == [True, False, False]


def test_only_what_stands_in_the_way_counts() -> None:
    rug, lamp, table = ((1, 1, 0), (3, 3, 0.05)), ((1, 1, 2.2), (3, 3, 2.4)), ((1, 1, 0.7), (3, 3, 0.75))
    middle = np.array([[2.0, 2.0]])
    assert free_floor(scene_of(rug, lamp)).contains(middle).all()
    assert not free_floor(scene_of(rug, lamp, table)).contains(middle).any()


def test_a_wall_with_a_gap_is_walked_through_at_the_gap() -> None:
    parted = scene_of(walls=(wall(2.0, 0.0, 2.5), wall(2.0, 3.5, 4.0)))
    floor = free_floor(parted)
    walk = floor.shortest_path(np.array([0.5, 0.5]), np.array([3.5, 0.5]))
    crossing = np.interp(2.0, walk[:, 0], walk[:, 1])
    assert 2.5 + 0.25 <= crossing <= 3.5 - 0.25
    assert floor.sees(np.array([0.5, 3.0]), np.array([[3.5, 3.0], [3.5, 0.5]])).tolist() == [True, False]


def test_a_closed_wall_leaves_no_path() -> None:
    floor = free_floor(scene_of(walls=(wall(2.0, 0.0, 4.0),)))
    assert floor.shortest_path(np.array([0.5, 0.5]), np.array([3.5, 0.5])) is None
    assert floor.largest().area_m2 == pytest.approx(floor.area_m2 / 2, rel=0.05)


def test_meshes_count_where_they_are_and_boxes_where_there_are_none() -> None:
    scenes = (procedural_scene(seed, rooms=1) for seed in range(20))
    scene, table = next((scene, item) for scene in scenes for item in scene.objects if item.label == "table")
    under = table.box.center[None, :2]
    for item in (table, SceneObject(table.id, "table", table.box)):
        floor = free_floor(Scene("one", "test", (item,), (), scene.rooms), radius_m=0.05)
        assert not floor.contains(under)[0]
    legs = tuple(Mesh(m.vertices, m.faces[m.vertices[m.faces][..., 2].max(axis=1) < 0.05]) for m in table.meshes)
    bare = Scene("legs", "test", (SceneObject(1, "table", table.box, legs),), (), scene.rooms)
    assert free_floor(bare, radius_m=0.05).contains(under)[0]


def test_the_hollow_of_a_closet_is_no_floor() -> None:
    sides = tuple(wall(x, 1.0, 2.0) for x in (1.0, 2.0))
    turned = tuple(Mesh(m.vertices[:, [1, 0, 2]], m.faces) for m in sides)
    box = OrientedBox.axis_aligned(np.array([1.0, 1.0, 0.0]), np.array([2.0, 2.0, 2.5]))
    scene = Scene("closet", "test", (SceneObject(1, "closet", box, sides + turned),), (), (Room("room", SQUARE),))
    assert not free_floor(scene, radius_m=0.1).contains(np.array([[1.5, 1.5]])).any()


def test_closed_doors_can_be_ignored() -> None:
    door = ((1.95, 0.0, 0.0), (2.05, 4.0, 2.0))
    scene = scene_of(door)
    ends = np.array([0.5, 0.5]), np.array([3.5, 3.5])
    assert free_floor(scene).shortest_path(*ends) is None
    assert free_floor(scene, ignore_labels=frozenset({"box"})).shortest_path(*ends) is not None


def test_a_walker_who_is_larger_has_less_floor() -> None:
    scene = procedural_scene(3)
    floors = [free_floor(scene, radius) for radius in (0.1, 0.25, 0.4)]
    for wide, narrow in zip(floors[:-1], floors[1:], strict=True):
        assert (narrow.grid <= wide.grid).all() and narrow.area_m2 < wide.area_m2
    shrunk = floors[1].shrunk(0.15)
    assert (shrunk.grid <= floors[1].grid).all()
    assert shrunk.area_m2 == pytest.approx(floors[2].area_m2, rel=0.25)


def test_a_scene_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no rooms, objects or structure"):
        free_floor(Scene("void", "test", ()))


def test_a_scene_in_millimetres_is_refused() -> None:
    with pytest.raises(ValueError, match="in metres"):
        free_floor(scene_of(rooms=(Room("room", SQUARE * 1000),)))


@settings(max_examples=12)
@given(seed=st.integers(0, 500), ends=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_walks_stay_free_and_are_no_shorter_than_the_straight_line(seed: int, ends: tuple[float, float]) -> None:
    floor = free_floor(procedural_scene(seed)).largest()
    cells = np.argwhere(floor.grid)
    start, goal = (floor.centers(cells[[int(end * (len(cells) - 1))]])[0] for end in ends)
    walk = floor.shortest_path(start, goal)
    assert np.allclose(walk[0], start) and np.allclose(walk[-1], goal)
    for a, b in zip(walk[:-1], walk[1:], strict=True):
        # Between the points that the search looked at, a corner may be cut by less than a cell.
        off = np.linspace(a, b, 200)[~floor.contains(np.linspace(a, b, 200))]
        assert all(np.linalg.norm(floor.nearest(point) - point) < floor.cell_m for point in off)
    length = np.linalg.norm(np.diff(walk, axis=0), axis=1).sum()
    assert length >= np.linalg.norm(goal - start) - 1e-9
    back = floor.shortest_path(goal, start)
    assert np.linalg.norm(np.diff(back, axis=0), axis=1).sum() == pytest.approx(length, rel=0.1, abs=0.2)
