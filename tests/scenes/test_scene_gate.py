"""The gate before a scene is used: files of the kinds that once came through, and the refusals that name the cause."""

from __future__ import annotations

import json

import numpy as np
import pytest
import trimesh

from ocr_hf.scenes.readers.mesh_file import check_mesh_scene, load_mesh_scene
from tests.scenes.mesh_rooms import KITCHEN, ROOMS, edit, shell, write


@pytest.fixture
def cases(shared):
    """Files of the kinds that once came through."""
    folder = shared / "cases" / "scenes"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/cases (inputs that failed) is not on this machine")
    return folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cm_yup.glb", "floor 200,000 m2, sofa 160 m; in centimetres: 20.0 m2, 1.6 m; give --units cm"),
        ("merged_scan.glb", "it is one mesh, 'mesh', and nothing says .* name each node .* or give --instances JSON"),
        (
            "x_draco.glb",
            "it needs the extension KHR_draco_mesh_compression, which can't be read here; write it without",
        ),
    ],
)
def test_files_that_once_came_through_are_refused(cases, name, message):
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        load_mesh_scene(cases / name)


def test_files_that_were_once_misread(cases):
    turned = load_mesh_scene(cases / "obj_yup.obj")
    assert {item.label: round(item.box.size[2], 2) for item in turned.objects}["sofa"] == 0.8
    metric = load_mesh_scene(cases / "cm_yup.glb", units="cm")
    for scene in (turned, metric):
        assert scene.floor_area_m2 == pytest.approx(20.0, rel=0.05) and len(scene.objects) == 8
    kept = {item.label for item in load_mesh_scene(cases / "nonascii.glb").objects}
    assert kept == {"bett größe", "canapé", "lámpara", "tv é", "стол", "椅子"}
    table = {"Bett_größe": "bed", "Canapé": "sofa", "lámpara": "lamp", "Tv é": "tv", "Стол": "table", "椅子": "chair"}
    checked = check_mesh_scene(cases / "nonascii.glb", labels=table)
    assert {part.label for part in checked.parts if part.is_object} == set(table.values()) and not checked.findings


NAMES = ["mesh", "Object_2", "geometry_0", "scan", "textured_mesh", "Node.001", "model", "0", "export_mesh", "Polycam"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_one_mesh_is_no_scene(tmp_path, name, suffix):
    boxes = [trimesh.creation.box(bounds=np.array(box, dtype=float)) for box in ROOMS["bedroom"].values()]
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.util.concatenate(boxes), node_name=name, geom_name=name)
    path = tmp_path / f"scan{suffix}"
    scene.export(path)
    with pytest.raises(ValueError, match="it is one mesh, .* separate the objects .* or give --instances JSON"):
        load_mesh_scene(path)


@pytest.mark.parametrize("name", ["mesh_{}", "Object_{}", "geometry_{}", "{}", "chunk-{}-lod0", "texgroup{}"])
def test_names_that_say_nothing_are_refused(tmp_path, name):
    tiles = {name.format(i): box for i, box in enumerate(ROOMS["kitchen"].values())}
    path = write(tmp_path / "tiles.glb", tiles)
    with pytest.raises(
        ValueError, match=r"the names of its 11 meshes \('.* and 8 more\) don't say which objects they are; name"
    ):
        load_mesh_scene(path)
    # The user's words settle it
    sidecar = tmp_path / "instances.json"
    classes = [{"id": i, "name": n, "cls": c} for i, (n, c) in enumerate(zip(tiles, ROOMS["kitchen"], strict=True), 1)]
    sidecar.write_text(json.dumps(classes), encoding="utf-8")
    assert len(load_mesh_scene(path, sidecar).objects) == len(KITCHEN)


def test_a_scan_beside_a_floor_is_refused(tmp_path):
    cloud = trimesh.util.concatenate(
        [trimesh.creation.box(bounds=np.array(b, float)) for b in ROOMS["living"].values()]
    )
    cloud.vertices = cloud.vertices @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]).T
    scene = trimesh.load_scene(write(tmp_path / "floor.glb", {"Floor": shell()["Floor"]}))
    scene.add_geometry(cloud, node_name="mesh", geom_name="mesh")
    scene.export(tmp_path / "scan.glb")
    with pytest.raises(ValueError, match="the mesh 'mesh' spans the whole scene"):
        load_mesh_scene(tmp_path / "scan.glb")


@pytest.mark.parametrize("scale", [1e7, 1e12, 1e30, 1e150, 1e300])
@pytest.mark.parametrize("node", ["Floor", "Bed"])
def test_scales_out_of_all_proportion_are_named(tmp_path, node, scale):
    def scaled(header):
        next(item for item in header["nodes"] if item["name"] == node)["scale"] = [scale] * 3

    with pytest.raises(ValueError, match=f"node '{node}'.* (no length in any unit; reset its scale|repair the mesh)"):
        load_mesh_scene(edit(write(tmp_path / "room.glb", ROOMS["bedroom"]), scaled))


def test_an_empty_room_is_warned_of(tmp_path):
    (finding,) = check_mesh_scene(write(tmp_path / "room.glb", shell())).findings
    assert finding.level == "warning" and "it has no object to ask about: 'Floor', 'Wall_1', 'Wall_2'" in finding.seen


def test_several_refusals_are_counted(tmp_path):
    path = edit(
        write(tmp_path / "room.glb", ROOMS["bedroom"]),
        lambda header: header.update(extensionsRequired=["KHR_draco_mesh_compression", "KHR_texture_basisu"]),
    )
    with pytest.raises(ValueError, match=r"KHR_draco_mesh_compression.* \(`ocr-hf check-scene` lists 1 more\)$"):
        load_mesh_scene(path)


@pytest.mark.parametrize("seed", range(3))
def test_procedural_homes_written_as_glb_raise_no_alarm(tmp_path, seed):
    from ocr_hf.scenes.homes.procedural import procedural_scene

    home = procedural_scene(seed, rooms=1 + seed)
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0])
    pieces = {f"Wall_{i}": mesh for i, mesh in enumerate(home.structure)}
    pieces |= {f"{item.label}_{item.id}#{i}": mesh for item in home.objects for i, mesh in enumerate(item.meshes)}
    for name, mesh in pieces.items():
        shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        scene.add_geometry(shape, node_name=name, geom_name=name, transform=turn)
    scene.export(tmp_path / "home.glb")
    checked = check_mesh_scene(tmp_path / "home.glb")
    assert not checked.findings and len(checked.scene.objects) == len(home.objects)
    assert checked.scene.floor_area_m2 == pytest.approx(home.floor_area_m2, rel=0.1)


def test_the_small_house_raises_no_alarm(shared):
    folder = shared / "scenes" / "small_house"
    for sidecar in (None, folder / "instances.json"):
        checked = check_mesh_scene(folder / "house.glb", sidecar)
        assert not checked.findings and checked.up.axis == "z"
