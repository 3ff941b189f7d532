"""Rooms found from walls: two rooms with a door, an open plan, and any turn of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from shapely.geometry import Point, Polygon

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.readers.find_rooms import with_rooms
from ocr_hf.scenes.scene import Scene
from tests.scenes.boxes import box_mesh, moved


def wall(x0: float, y0: float, x1: float, y1: float):
    return box_mesh(OrientedBox.axis_aligned(np.array([x0, y0, 0.0]), np.array([x1, y1, 2.5])))


def plan(*inner: tuple[float, float, float, float], outer: bool = True) -> Scene:
    """Return a floor of 8 x 4 m, walls of 10 cm around it and the `inner` ones."""
    ring = [(-0.1, -0.1, 8.1, 0.0), (-0.1, 4.0, 8.1, 4.1), (-0.1, 0.0, 0.0, 4.0), (8.0, 0.0, 8.1, 4.0)]
    floor = box_mesh(OrientedBox.axis_aligned(np.array([-0.1, -0.1, -0.1]), np.array([8.1, 4.1, 0.0])))
    return Scene("plan", "test", (), (floor, *(wall(*w) for w in (*(ring if outer else ()), *inner))))


DOOR = ((4.95, 0.0, 5.05, 1.5), (4.95, 2.4, 5.05, 4.0))
STUBS = ((4.95, 0.0, 5.05, 0.6), (4.95, 3.4, 5.05, 4.0))


@pytest.mark.parametrize("turn_deg", [0.0, 20.0, -33.0])
@pytest.mark.parametrize("inner", [DOOR, STUBS], ids=["door", "stubs"])
def test_a_wall_with_an_opening_parts_two_rooms(inner, turn_deg):
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("z", turn_deg, degrees=True).as_matrix()
    motion[:3, 3] = [30.0, -4.0, 0.0]
    scene = with_rooms(moved(plan(*inner), motion))
    assert len(scene.rooms) == 2
    for middle, area in (((2.5, 2.0), 20.0), ((6.5, 2.0), 12.0)):
        place = Point((motion @ [*middle, 0.0, 1.0])[:2])
        (room,) = [room for room in scene.rooms if Polygon(room.polygon).contains(place)]
        outline = Polygon(room.polygon)
        assert outline.exterior.is_ccw and outline.is_valid
        assert outline.area == pytest.approx(area, rel=0.06)
        assert room.floor_z == pytest.approx(0.0, abs=1e-6) and room.height_m == pytest.approx(2.5)
    assert scene.floor_area_m2 == pytest.approx(32.0, rel=0.05)


def test_one_room_stays_one_room():
    # A chimney breast in a corner parts nothing.
    scene = with_rooms(plan((3.0, 3.6, 3.8, 4.0)))
    assert len(scene.rooms) == 1
    assert Polygon(scene.rooms[0].polygon).area == pytest.approx(32.0, rel=0.05)


def test_a_floor_without_walls_is_one_room():
    scene = with_rooms(plan(outer=False))
    assert len(scene.rooms) == 1 and scene.floor_area_m2 == pytest.approx(8.2 * 4.2, rel=0.05)


def test_known_rooms_are_kept_and_nothing_is_made_up():
    scene = with_rooms(plan(*DOOR))
    assert with_rooms(scene) is scene
    assert with_rooms(Scene("none", "test", ())).rooms == ()
    only_wall = with_rooms(Scene("wall", "test", (), (wall(0.0, 0.0, 4.0, 0.1),)))
    assert only_wall.rooms == () and only_wall.floor_area_m2 is None


def test_the_small_house_has_its_rooms(shared):
    from ocr_hf.scenes.readers.mesh_file import load_mesh_scene

    folder = shared / "scenes" / "small_house"
    scene = load_mesh_scene(folder / "house.glb", folder / "instances.json")
    places = {"bed": 3, "sofa": 67, "refrigerator": 64, "exercise bench": 31}
    home = {}
    for label, object_id in places.items():
        item = scene.object(object_id)
        assert item.label == label
        home[label] = [r.name for r in scene.rooms if Polygon(r.polygon).contains(Point(item.box.center[:2]))]
        assert len(home[label]) == 1
    assert len({home[label][0] for label in ("bed", "sofa", "refrigerator")}) == 3
    assert 160.0 < scene.floor_area_m2 < 190.0
