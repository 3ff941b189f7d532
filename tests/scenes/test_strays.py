"""Parts that lie far away or outside the building: refused or warned of, kept or dropped as the user says."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from ocr_hf.scenes.readers.mesh_file import check_mesh_scene, load_mesh_scene
from tests.scenes.mesh_rooms import BEDROOM, KITCHEN, LIVING, ROOMS, at, shell, write

CUP = (0.09, 0.09, 0.1)
FAR = [
    {"Cup_9": at(2500.0, 1.0, CUP)},
    {"Cup_9": at(-120.0, 1.0, CUP)},
    {"Cup_9": at(1.0, 1.0, CUP, 4000.0)},
    {"Cup_9": at(1.0, 1.0, CUP, -250.0)},
    {"Cup_8": at(900.0, 0.0, CUP), "Cup_9": at(0.0, 900.0, CUP)},
    {"Wall_9": ((0, 5000, 0), (5, 5000.1, 2.6))},
    {"Skybox": ((-1000, -1000, -1000), (1000, 1000, 1000))},
    {"Ground": ((-800, -800, -0.2), (800, 800, -0.1))},
]


def moved(boxes, x, y=0.0):
    return {f"Other{name}": (np.add(low, (x, y, 0)), np.add(high, (x, y, 0))) for name, (low, high) in boxes.items()}


@pytest.mark.parametrize("far", FAR, ids=lambda far: "-".join(far))
def test_strays_that_stretch_the_scene_are_refused_and_can_be_dropped(tmp_path, far):
    path = write(tmp_path / "room.glb", ROOMS["bedroom"] | far)
    checked = check_mesh_scene(path, labels={"Skybox": "sky"})
    (finding,) = checked.refusals
    assert finding.kind == "strays" and "--strays drop" in finding.way_out
    assert ("--strays keep" in finding.way_out) == ("-120" in str(far) or "-250" in str(far)), "else it's too long"
    assert all(f"'{name}'" in finding.seen for name in far)
    scene = load_mesh_scene(path, strays="drop")
    assert len(scene.objects) == len(BEDROOM) and len(scene.rooms) == 1
    assert scene.floor_area_m2 == pytest.approx(20.0, rel=0.05)
    corners = np.concatenate([item.box.corners() for item in scene.objects])
    assert np.abs(corners).max() < 10.0


@pytest.mark.parametrize("distance", [18.0, 30.0, 60.0])
def test_nearer_strays_are_warned_of_until_the_user_says(tmp_path, caplog, distance):
    path = write(tmp_path / "room.glb", ROOMS["kitchen"] | {"Cup_9": at(5.0 + distance, 1.0, CUP)})
    with caplog.at_level(logging.WARNING):
        assert len(load_mesh_scene(path).objects) == len(KITCHEN) + 1
    assert f"'Cup_9' is up to {distance - 0.1:.1f} m away from the others" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert len(load_mesh_scene(path, strays="keep").objects) == len(KITCHEN) + 1
        assert len(load_mesh_scene(path, strays="drop").objects) == len(KITCHEN)
    assert not caplog.records


@pytest.mark.parametrize("where", [(8.0, 1.0, 0.0), (1.0, -3.0, 0.0), (1.0, 1.0, -2.0), (1.0, 1.0, 7.0)])
def test_objects_outside_the_building_are_warned_of(tmp_path, caplog, where):
    x, y, z = where
    path = write(tmp_path / "room.glb", ROOMS["living"] | {"Cup_9": at(x, y, CUP, z)})
    with caplog.at_level(logging.WARNING):
        load_mesh_scene(path)
    assert "'Cup_9' lies outside the walls and floor of the building; give --strays drop" in caplog.text
    caplog.clear()
    assert "cup" not in {item.label for item in load_mesh_scene(path, strays="drop").objects}
    assert "cup" in {item.label for item in load_mesh_scene(path, strays="keep").objects}
    assert not caplog.records


@pytest.mark.parametrize("distance", [100.0, 150.0, 250.0])
def test_two_rooms_far_apart_are_two_scenes(tmp_path, distance):
    boxes = shell() | BEDROOM | moved(shell() | LIVING, 5.0 + distance)
    path = write(tmp_path / "rooms.glb", boxes)
    (finding,) = check_mesh_scene(path).refusals
    assert f"it has two places {distance - 0.2:.0f} m apart" in finding.seen or "two places 99.8 m" in finding.seen
    assert "write each to a file of its own" in finding.way_out
    assert load_mesh_scene(path, strays="keep").floor_area_m2 == pytest.approx(40.0, rel=0.05)
    dropped = load_mesh_scene(path, strays="drop")
    assert {item.label for item in dropped.objects} in ({"bed", "chair", "lamp", "nightstand", "wardrobe"}, {
        "sofa", "table", "tv", "chair", "plant", "rug"
    })  # fmt: skip


def test_what_cant_be_drawn_is_refused_whatever_the_user_says(tmp_path):
    path = write(tmp_path / "room.glb", ROOMS["bedroom"] | {"Cup_9": at(2500.0, 1.0, CUP)})
    with pytest.raises(ValueError, match=r"it is 2,500 m long, and 300 m are the most that a floor plan is drawn for"):
        load_mesh_scene(path, strays="keep")


@pytest.mark.parametrize(
    "boxes",
    [
        shell() | BEDROOM | moved(shell() | LIVING, 5.2),
        shell() | BEDROOM | moved(shell() | LIVING, 12.0),
        shell(60.0, 40.0, 5.0) | moved(LIVING, 2.0) | moved({f"B{n}": box for n, box in KITCHEN.items()}, 50.0, 30.0),
        shell() | {"Air_conditioner": at(5.05, 1.0, (0.8, 0.3, 0.6), 1.0)} | LIVING,
        shell() | {"Plant_2": at(-0.9, 1.0, (0.4, 0.4, 0.8))} | LIVING,
        {"Wall_1": shell()["Wall_1"]} | LIVING,
    ],
    ids=["flat", "two houses", "hall", "air conditioner outdoors", "by the door", "one wall only"],
)
def test_good_scenes_raise_no_alarm(tmp_path, boxes):
    assert not check_mesh_scene(write(tmp_path / "scene.glb", boxes)).findings
