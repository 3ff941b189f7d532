"""What a header tells before anything is loaded: extensions, number of faces, names that are used twice."""

from __future__ import annotations

import json
import logging

import pytest

from ocr_hf.scenes.readers.header_checks import MAX_FACES
from ocr_hf.scenes.readers.mesh_file import check_mesh_scene, load_mesh_scene
from tests.scenes.mesh_rooms import BEDROOM, KITCHEN, ROOMS, edit, write

REQUIRED = [
    "KHR_draco_mesh_compression",
    "EXT_meshopt_compression",
    "KHR_meshopt_compression",
    "KHR_texture_basisu",
    "MSFT_texture_dds",
    "EXT_texture_avif",
    "EXT_mesh_gpu_instancing",
    "KHR_implicit_shapes",
    "VENDOR_unheard_of",
]


@pytest.mark.parametrize("name", REQUIRED)
def test_extensions_that_cant_be_read_are_named_with_the_way_out(tmp_path, name):
    path = edit(write(tmp_path / "room.glb", ROOMS["bedroom"]), lambda header: header.update(extensionsRequired=[name]))
    with pytest.raises(ValueError, match=f"it needs the extension {name}, which can't be read here; write "):
        load_mesh_scene(path)


@pytest.mark.parametrize(
    "name", ["KHR_materials_unlit", "KHR_texture_transform", "EXT_texture_webp", "KHR_lights_punctual"]
)
def test_extensions_that_leave_shapes_alone_are_no_matter(tmp_path, name):
    path = edit(write(tmp_path / "room.glb", ROOMS["bedroom"]), lambda header: header.update(extensionsRequired=[name]))
    assert not check_mesh_scene(path).findings


def test_quantized_positions_are_refused_only_where_they_are_fractions(tmp_path):
    def quantized(header, normalized):
        header["extensionsRequired"] = ["KHR_mesh_quantization"]
        position = header["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
        header["accessors"][position]["normalized"] = normalized

    path = write(tmp_path / "room.glb", ROOMS["bedroom"])
    assert not check_mesh_scene(edit(path, lambda header: quantized(header, False))).findings
    with pytest.raises(ValueError, match="KHR_mesh_quantization.*gltf-transform dequantize"):
        load_mesh_scene(edit(path, lambda header: quantized(header, True)))


def test_instancing_is_refused_although_the_file_calls_it_optional(tmp_path):
    def instanced(header):
        header["nodes"][-1]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {}}}

    with pytest.raises(ValueError, match="EXT_mesh_gpu_instancing.*every copy as a node of its own"):
        load_mesh_scene(edit(write(tmp_path / "room.glb", ROOMS["bedroom"]), instanced))


@pytest.mark.parametrize("faces", [10_000_000, MAX_FACES + 1, 300_000_000])
def test_too_many_faces_are_refused_by_the_header(tmp_path, faces):
    def huge(header):
        header["accessors"][header["meshes"][0]["primitives"][0]["indices"]]["count"] = 3 * faces

    path = edit(write(tmp_path / "room.glb", {"Table": BEDROOM["Bed"]}), huge)
    with pytest.raises(ValueError, match=f"it has {faces:,} faces, and 4,000,000 are the most .*; decimate"):
        load_mesh_scene(path)


def test_faces_count_once_for_every_node_that_shows_them(tmp_path, monkeypatch):
    monkeypatch.setattr("ocr_hf.scenes.readers.header_checks.MAX_FACES", 131)
    assert not check_mesh_scene(write(tmp_path / "ten.glb", ROOMS["bedroom"])).refusals, "10 boxes of 12 faces"
    with pytest.raises(ValueError, match="it has 132 faces"):
        load_mesh_scene(write(tmp_path / "eleven.obj", ROOMS["kitchen"]))
    again = [{"name": f"Chair_{i}", "mesh": 5} for i in range(3)]
    path = edit(write(tmp_path / "again.glb", ROOMS["bedroom"]), lambda header: header["nodes"].extend(again))
    with pytest.raises(ValueError, match="it has 156 faces"):
        load_mesh_scene(path)


def renamed(header, name, *others):
    for item in header["nodes"]:
        if item.get("name") in others:
            item["name"] = name


@pytest.mark.parametrize("name", ["Chair", "Chair_01", "椅子", "Bett groß", "Lamp.001"])
def test_nodes_of_one_name_are_warned_of(tmp_path, caplog, name):
    path = write(tmp_path / "room.glb", ROOMS["kitchen"])
    edit(path, lambda header: renamed(header, name, "Chair_01", "Chair_02"))
    with caplog.at_level(logging.WARNING):
        assert len(load_mesh_scene(path).objects) == len(KITCHEN)
    assert f"several nodes are called '{name}', and each counts as an object; call parts of one" in caplog.text
    sidecar = tmp_path / "instances.json"
    sidecar.write_text(json.dumps([{"id": 1, "name": name, "cls": "chair"}]), encoding="utf-8")
    with pytest.raises(ValueError, match="which an entry of the instances can't tell apart; give each its own name"):
        load_mesh_scene(path, sidecar)


def test_parts_of_one_name_are_parts_of_one_object(tmp_path):
    path = write(tmp_path / "room.glb", ROOMS["kitchen"])
    edit(path, lambda header: renamed(header, "Chair#0", "Chair_01", "Chair_02"))
    checked = check_mesh_scene(path)
    assert not checked.findings and len(checked.scene.objects) == len(KITCHEN) - 1


def test_groups_of_one_name_in_obj_are_warned_of(tmp_path):
    path = write(tmp_path / "room.obj", ROOMS["kitchen"])
    path.write_text(path.read_text().replace("o Chair_02", "o Chair_01"))
    (finding,) = check_mesh_scene(path).findings
    assert "several groups are called 'Chair_01', and those of one name count as one object" in finding.text


def test_instances_of_one_name_are_refused(tmp_path):
    sidecar = tmp_path / "instances.json"
    sidecar.write_text(json.dumps([{"id": i, "name": "Bed", "cls": "bed"} for i in (1, 2)]), encoding="utf-8")
    with pytest.raises(ValueError, match="name 'Bed' is used more than once"):
        load_mesh_scene(write(tmp_path / "room.glb", ROOMS["bedroom"]), sidecar)


def test_a_mesh_of_two_materials_is_one_object_with_the_nodes_name(tmp_path):
    def doubled(header):
        mesh = next(mesh for mesh in header["meshes"] if mesh["name"] == "Bed")
        mesh["primitives"].append(dict(mesh["primitives"][0]))

    path = edit(write(tmp_path / "room.glb", ROOMS["bedroom"]), doubled)
    found = [load_mesh_scene(path) for _ in range(2)]
    for scene in found:
        (bed,) = [item for item in scene.objects if item.label == "bed"]
        assert len(bed.meshes) == 2 and len(scene.objects) == len(BEDROOM)
