"""Which axis of a file is up is found by floor and gravity; else the format decides, and the flag is named."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from ocr_hf.scenes.readers.mesh_file import check_mesh_scene, load_mesh_scene
from tests.scenes.mesh_rooms import BEDROOM, KITCHEN, LIVING, ROOMS, shell, write

FOUND = ["bedroom", "bedroom with ceiling", "living", "kitchen", "no walls", "furniture only", "small objects only"]
NAMELESS = {name.replace("Floor", "Room_5").replace("Wall", "Room"): box for name, box in shell().items()}
"""Structure whose names don't say which piece is the floor."""


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("suffix", [".glb", ".gltf", ".obj"])
@pytest.mark.parametrize("room", FOUND)
def test_up_is_found_in_every_format(tmp_path, caplog, room, suffix, up):
    path = write(tmp_path / f"room{suffix}", ROOMS[room], up=up)
    with caplog.at_level(logging.WARNING):
        scene = load_mesh_scene(path)
    assert not caplog.records and check_mesh_scene(path).up.axis == up
    tall = {"wardrobe": 2.1, "plant": 1.2, "refrigerator": 1.8, "cup": 0.1}
    heights = {item.label: item.box.size[2] for item in scene.objects}
    for label in tall.keys() & heights.keys():
        assert heights[label] == pytest.approx(tall[label], abs=1e-3)


@pytest.mark.parametrize("furniture", [BEDROOM, LIVING, KITCHEN], ids=["bedroom", "living", "kitchen"])
@pytest.mark.parametrize("suffix", [".glb", ".obj"])
@pytest.mark.parametrize("up", ["y", "z"])
def test_furniture_tells_where_no_floor_is_named(tmp_path, furniture, suffix, up):
    checked = check_mesh_scene(write(tmp_path / f"room{suffix}", NAMELESS | furniture, up=up))
    assert checked.up.axis == up and not checked.findings


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("suffix", [".glb", ".obj"])
@pytest.mark.parametrize("room", ROOMS)
def test_where_no_name_is_known_up_is_right_or_doubted(tmp_path, room, suffix, up):
    boxes = {f"{'абвгдежзиклм'[i] * 4}": box for i, box in enumerate(ROOMS[room].values())}
    checked = check_mesh_scene(write(tmp_path / f"room{suffix}", boxes, up=up))
    doubted = "up" in {finding.kind for finding in checked.findings}
    assert checked.up.axis == up or doubted
    assert not doubted or room in ("furniture only", "small objects only") or "ceiling" in room


@pytest.mark.parametrize("unit", ["cm", "in"])
def test_up_doesnt_depend_on_units(tmp_path, unit):
    checked = check_mesh_scene(write(tmp_path / "room.obj", ROOMS["kitchen"], unit, up="y"))
    assert checked.up.axis == "y" and [finding.kind for finding in checked.refusals] == ["units"]


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_what_says_nothing_is_warned_of_with_the_flag(tmp_path, caplog, suffix):
    cubes = {f"Crate_{i}": ((i, 2.0 * i, 0.5 * i), (i + 0.5, 2.0 * i + 0.5, 0.5 * i + 0.5)) for i in range(4)}
    path = write(tmp_path / f"cubes{suffix}", cubes)
    standard, other = ("z", "y") if suffix == ".obj" else ("y", "z")
    with caplog.at_level(logging.WARNING):
        load_mesh_scene(path)
    sentence = f"so +{standard.upper()} is taken as up, as the format has it; give --up {other} if that is wrong"
    assert len(caplog.records) == 1 and sentence in caplog.text
    caplog.clear()
    load_mesh_scene(path, up=standard)
    assert not caplog.records


@pytest.mark.parametrize("up", ["x", "-y", "-z"])
@pytest.mark.parametrize("room", ["bedroom", "living", "kitchen"])
def test_floors_that_are_walls_or_ceilings_are_refused(tmp_path, room, up):
    path = write(tmp_path / "room.glb", ROOMS[room], up=up)
    words = "stands upright like a wall whether y or z is up" if up == "x" else "as if the scene were upside down"
    with pytest.raises(ValueError, match=f"'Floor' .*{words}; turn the scene"):
        load_mesh_scene(path)


def test_a_given_axis_is_taken_and_doubted(tmp_path, caplog):
    path = write(tmp_path / "room.glb", ROOMS["bedroom"])
    with caplog.at_level(logging.WARNING):
        scene = load_mesh_scene(path, up="z", units="m", strays="keep")
    assert "with --up z 'Floor' stands upright like a wall; check that --up y isn't meant" in caplog.text
    bed = next(item for item in scene.objects if item.label == "bed")
    assert np.isclose(bed.box.size[2], 2.0, atol=1e-3)


def test_several_storeys_and_a_cellar(tmp_path):
    above = {f"Up{name}": (np.add(low, (0, 0, 3)), np.add(high, (0, 0, 3))) for name, (low, high) in LIVING.items()}
    house = shell() | BEDROOM | {"FloorB": ((0, 0, 2.9), (5, 4, 3.0)), "FloorC": ((0, 0, -3.1), (5, 4, -3.0))} | above
    assert not check_mesh_scene(write(tmp_path / "house.glb", house)).findings
