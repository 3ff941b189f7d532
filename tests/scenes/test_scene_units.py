"""Scenes that aren't in metres are refused with both readings, and the flag that is named settles it."""

from __future__ import annotations

import json
import logging
import re

import numpy as np
import pytest

from ocr_hf.scenes.readers.mesh_file import check_mesh_scene, load_mesh_scene
from tests.scenes.mesh_rooms import BEDROOM, LIVING, METRES, ROOMS, shell, write


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
@pytest.mark.parametrize("room", ROOMS)
def test_rooms_in_metres_raise_no_alarm(tmp_path, caplog, room, suffix):
    with caplog.at_level(logging.WARNING):
        scene = load_mesh_scene(write(tmp_path / f"room{suffix}", ROOMS[room]))
    assert not caplog.records and scene.objects


@pytest.mark.parametrize("unit", ["cm", "mm", "in", "ft"])
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_other_units_are_refused_and_settled_by_the_flag_that_is_named(tmp_path, room, unit, suffix):
    path = write(tmp_path / f"room{suffix}", ROOMS[room], unit)
    with pytest.raises(ValueError, match="--units") as refused:
        load_mesh_scene(path)
    named = re.findall(r"--units (\w+)", str(refused.value))
    assert unit in named and named[-1] == "m" and len(named) <= 3, refused.value
    scene = load_mesh_scene(path, units=unit)
    for name, (low, high) in ROOMS[room].items():
        sizes = [item.box.size for item in scene.objects if item.label == scene_label(name)]
        if sizes:
            wanted = np.subtract(high, low)
            assert min(np.abs(np.sort(size[:2]) - np.sort(wanted[:2])).max() for size in sizes) < 0.003


def scene_label(name: str) -> str:
    other = {"armchair": "chair", "coffeetable": "table", "chair_01": "chair", "chair_02": "chair"}
    return other.get(name.lower(), name.lower())


def test_the_sentence_has_both_readings(tmp_path):
    path = write(tmp_path / "room.glb", shell() | {"Sofa": ((0.1, 0.1, 0), (1.7, 0.9, 0.8))}, "cm")
    sentence = "floor 200,000 m2, sofa 160 m; in centimetres: 20.0 m2, 1.6 m; give --units cm, or --units m if it is in"
    with pytest.raises(ValueError, match=re.escape(f"{path}: {sentence}")):
        load_mesh_scene(path)


@pytest.mark.parametrize("scale", [1e-3, 1e-2, 1 / 39.37])
def test_what_is_too_small_is_refused_too(tmp_path, scale):
    path = write(tmp_path / "room.glb", shell() | BEDROOM, scale=scale)
    with pytest.raises(ValueError, match=r"bed .* m, which no room is; scale it to metres, or give --units m if"):
        load_mesh_scene(path)
    assert load_mesh_scene(path, units="m").objects[0].label == "bed"


@pytest.mark.parametrize(
    ("unit", "readings"),
    [("cm", "centimetres"), ("mm", "millimetres"), ("in", "inches")],
)
def test_unknown_things_are_told_by_floor_and_walls(tmp_path, unit, readings):
    boxes = shell() | {"Gizmo": BEDROOM["Bed"], "Gadget": BEDROOM["Chair"]}
    checked = check_mesh_scene(write(tmp_path / "room.glb", boxes, unit))
    (finding,) = checked.refusals
    assert finding.kind == "units" and f"in {readings}: " in finding.seen and f"--units {unit}" in finding.way_out


@pytest.mark.parametrize("scale", [0.8, 0.9, 1.1, 1.25])
@pytest.mark.parametrize("room", ["bedroom", "living", "kitchen"])
def test_sizes_vary(tmp_path, room, scale):
    assert not check_mesh_scene(write(tmp_path / "room.glb", ROOMS[room], scale=scale)).findings
    assert check_mesh_scene(write(tmp_path / "feet.glb", ROOMS[room], "cm", scale=scale)).refusals


def test_boxes_of_the_sidecar_are_in_metres_or_in_the_files_units(tmp_path):
    path = write(tmp_path / "room.glb", shell() | LIVING, "cm")
    for factor in (1.0, 100.0):
        entries = [
            {
                "id": number,
                "name": name,
                "cls": name,
                "min": [factor * x for x in low],
                "max": [factor * x for x in high],
            }
            for number, (name, (low, high)) in enumerate((shell() | LIVING).items(), 1)
        ]
        sidecar = tmp_path / "instances.json"
        sidecar.write_text(json.dumps(entries), encoding="utf-8")
        sofa = next(item for item in load_mesh_scene(path, sidecar, units="cm").objects if item.label == "sofa")
        np.testing.assert_allclose(sofa.box.size, [2.0, 0.9, 0.8], atol=1e-3)


def test_units_are_those_that_are_documented():
    from ocr_hf.scenes.readers.mesh_options import UNITS

    assert UNITS == METRES
