"""Mesh files: what is read, and every way in which a file can be wrong."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from ocr_hf.geometry.camera import intrinsics_from_fov, look_at
from ocr_hf.scenes.readers.mesh_file import load_mesh_scene
from ocr_hf.scenes.render.renderer import Renderer

CHAIR = (np.array([1.0, 2.0, 0.0]), np.array([1.5, 2.4, 0.9]))
SEAT = (np.array([1.0, 2.0, 0.4]), np.array([1.5, 2.4, 0.5]))
TABLE = (np.array([3.0, 1.0, 0.0]), np.array([4.5, 1.8, 0.75]))
FLOOR = (np.array([0.0, 0.0, -0.1]), np.array([6.0, 5.0, 0.0]))
NODES = {"ChairA_01#0": CHAIR, "ChairA_01#1": SEAT, "KitchenTable_01": TABLE, "FloorB_01": FLOOR}
INSTANCES = [
    {"id": 7, "name": "ChairA_01", "cls": "ChairA", "min": [1.0, 2.0, 0.0], "max": [1.5, 2.4, 0.9]},
    {"id": 12, "name": "KitchenTable_01", "cls": "KitchenTable", "min": [3.0, 1.0, 0.0], "max": [4.5, 1.8, 0.75]},
    {"id": 3, "name": "FloorB_01", "class": "FloorB"},
]


def box(low: np.ndarray, high: np.ndarray) -> trimesh.Trimesh:
    return trimesh.creation.box(bounds=[low, high])


def export(folder: Path, name: str = "scene.glb", nodes: dict | None = None, turn: bool = False) -> Path:
    """Write boxes as nodes of a mesh file; `turn` writes them with +Y up."""
    scene = trimesh.Scene()
    for node, (low, high) in (nodes or NODES).items():
        mesh = box(low, high)
        if turn:
            mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
        scene.add_geometry(mesh, node_name=node, geom_name=node)
    path = folder / name
    scene.export(path)
    return path


def sidecar(folder: Path, entries: object = None) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps(INSTANCES if entries is None else entries), encoding="utf-8")
    return path


def check_boxes(scene) -> None:
    for object_id, (low, high) in ((7, CHAIR), (12, TABLE)):
        found = scene.object(object_id).box
        np.testing.assert_allclose(found.center, (low + high) / 2.0, atol=1e-5)
        np.testing.assert_allclose(found.size, high - low, atol=1e-5)


@pytest.mark.parametrize("turn", [False, True], ids=["z up", "y up"])
def test_the_sidecar_names_objects_and_tells_which_way_is_up(tmp_path, turn):
    scene = load_mesh_scene(export(tmp_path, turn=turn), sidecar(tmp_path), name="flat", licence="cc0-1.0")
    assert (scene.name, scene.source, scene.licence) == ("flat", "mesh", "cc0-1.0")
    assert {o.id: (o.label, len(o.meshes)) for o in scene.objects} == {7: ("chair", 2), 12: ("table", 1)}
    assert len(scene.structure) == 1
    check_boxes(scene)
    assert len(scene.rooms) == 1 and scene.floor_area_m2 == pytest.approx(30.0, rel=0.05)


@pytest.mark.parametrize(("name", "turn"), [("scene.glb", True), ("scene.gltf", True), ("scene.obj", False)])
def test_without_sidecar_the_node_names_and_the_format_tell(tmp_path, name, turn):
    scene = load_mesh_scene(export(tmp_path, name, turn=turn))
    objects = {o.label: o for o in scene.objects}
    assert sorted(objects) == ["chair", "table"] and len(objects["chair"].meshes) == 2
    np.testing.assert_allclose(objects["table"].box.size, TABLE[1] - TABLE[0], atol=1e-5)


def test_up_can_be_said(tmp_path):
    scene = load_mesh_scene(export(tmp_path), up="z")
    np.testing.assert_allclose({o.label: o for o in scene.objects}["table"].box.size[2], 0.75, atol=1e-6)
    with pytest.raises(ValueError, match="up is 'x'"):
        load_mesh_scene(export(tmp_path), up="x")


def test_categories_can_be_laid_over_ours(tmp_path, caplog):
    path, table = export(tmp_path), sidecar(tmp_path)
    overlay = tmp_path / "categories.yaml"
    overlay.write_text("ChairA: armchair\nKitchenTable: null\n", encoding="utf-8")
    scene = load_mesh_scene(path, table, overlay)
    assert [o.label for o in scene.objects] == ["armchair"] and len(scene.structure) == 2
    odd = [{**INSTANCES[0], "cls": "GizmoQX"}, *INSTANCES[1:]]
    with caplog.at_level(logging.WARNING):
        scene = load_mesh_scene(path, sidecar(tmp_path, odd))
    assert scene.object(7).label == "gizmo qx"
    assert len(caplog.records) == 1 and "GizmoQX" in caplog.text and "ChairA" not in caplog.text


def test_scaled_and_mirrored_nodes_face_outwards(tmp_path):
    scene = trimesh.Scene()
    mirror = np.diag([-2.0, 1.0, 1.0, 1.0])
    scene.add_geometry(box(*TABLE), node_name="Table_01", geom_name="t", transform=mirror)
    path = tmp_path / "mirror.glb"
    scene.export(path)
    (found,) = load_mesh_scene(path, up="z").objects
    np.testing.assert_allclose(found.box.size, [3.0, 0.8, 0.75], atol=1e-5)
    mesh = found.meshes[0]
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).volume == pytest.approx(3.0 * 0.8 * 0.75)


def textured_obj(folder: Path, image: str = "colours.png") -> Path:
    """Write an OBJ wall whose image is red left, green right, and blue along the top."""
    pixels = np.zeros((32, 32, 3), dtype=np.uint8)
    pixels[:, :16], pixels[:, 16:], pixels[:8] = (220, 20, 20), (20, 200, 20), (20, 20, 220)
    Image.fromarray(pixels).save(folder / "colours.png")
    (folder / "wall.mtl").write_text(f"newmtl paint\nKd 1 1 1\nmap_Kd {image}\n", encoding="utf-8")
    path = folder / "wall.obj"
    path.write_text(
        "mtllib wall.mtl\no Picture_01\nv 2 1 -1\nv 2 -1 -1\nv 2 -1 1\nv 2 1 1\n"
        "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl paint\nf 1/1 3/3 2/2\nf 1/1 4/4 3/3\n",
        encoding="utf-8",
    )
    return path


def test_textures_come_the_right_way_round(tmp_path):
    scene = load_mesh_scene(textured_obj(tmp_path))
    assert [o.label for o in scene.objects] == ["picture"]
    pose = look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))[None]
    frame = Renderer(scene).render(pose, intrinsics_from_fov(40, 40, 60.0), 40, 40).frames[0]
    assert frame[28, 10].argmax() == 0 and frame[28, 30].argmax() == 1 and frame[8, 20].argmax() == 2


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ("../secret.png", ValueError, "outside its folder"),
        ("https://example.com/a.png", ValueError, "put the file beside the mesh"),
        ("missing.png", FileNotFoundError, "missing.png', which is not there"),
    ],
)
def test_references_leave_the_folder_never(tmp_path, image, error, message):
    folder = tmp_path / "scene"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    with pytest.raises(error, match=message):
        load_mesh_scene(textured_obj(folder, image))


@pytest.mark.parametrize("uri", ["../scene.bin", "/etc/hostname", "file:///etc/hostname", "http://example.com/x.bin"])
def test_gltf_buffers_stay_in_the_folder(tmp_path, uri):
    path = export(tmp_path, "scene.gltf")
    header = json.loads(path.read_text(encoding="utf-8"))
    header["buffers"][0]["uri"] = uri
    path.write_text(json.dumps(header), encoding="utf-8")
    with pytest.raises(ValueError, match="scene.gltf refers to"):
        load_mesh_scene(path)


def test_unusable_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.glb does not exist"):
        load_mesh_scene(tmp_path / "none.glb")
    empty = tmp_path / "empty.glb"
    empty.touch()
    with pytest.raises(ValueError, match="empty.glb is empty"):
        load_mesh_scene(empty)
    other = tmp_path / "scene.fbx"
    other.write_bytes(b"x")
    with pytest.raises(ValueError, match="give one of .glb"):
        load_mesh_scene(other)
    whole = export(tmp_path)
    for keep in (10, 400, whole.stat().st_size - 100):
        cut = tmp_path / "cut.glb"
        cut.write_bytes(whole.read_bytes()[:keep])
        with pytest.raises(ValueError, match="cut.glb is cut off"):
            load_mesh_scene(cut)
    noise = tmp_path / "noise.glb"
    noise.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(ValueError, match="noise.glb is no glTF file"):
        load_mesh_scene(noise)
    hollow = tmp_path / "hollow.obj"
    hollow.write_text("o Chair_01\nv 0 0 0\nv 1 0 0\nv 0 1 0\n", encoding="utf-8")
    with pytest.raises(ValueError, match="hollow.obj"):
        load_mesh_scene(hollow)


def test_broken_geometry_names_the_node(tmp_path):
    path = tmp_path / "nan.obj"
    path.write_text("o Chair_01\nv 0 0 0\nv 1 nan 0\nv 0 1 0\nf 1 2 3\n", encoding="utf-8")
    with pytest.raises(ValueError, match="nan.obj: node 'Chair_01', vertex 1 is"):
        load_mesh_scene(path)
    path = tmp_path / "line.obj"
    path.write_text("o Chair_01\nv 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line.obj: instance 'Chair_01' has no usable box"):
        load_mesh_scene(path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (INSTANCES[1:], "node 'ChairA_01#0' belongs to no instance"),
        ([*INSTANCES, {"id": 9, "name": "Sofa_01", "cls": "Sofa"}], "no node for instance 'Sofa_01'"),
        ([*INSTANCES, INSTANCES[0]], "id 7 is used more than once"),
        ([{**INSTANCES[0], "id": 0}, *INSTANCES[1:]], "entry 0: id is 0; ids run from 1"),
        ([{**INSTANCES[0], "cls": None}, *INSTANCES[1:]], "entry 0: cls is None"),
        ([{**INSTANCES[0], "min": [float("nan")] * 3}, *INSTANCES[1:]], r"entry 0 \('ChairA_01'\): min is"),
        ([{**INSTANCES[0], "min": [1.0, 2.0]}, *INSTANCES[1:]], "entry 0 .*min is"),
        ([{**INSTANCES[0], "min": [-5.0, 2.0, 0.0]}, *INSTANCES[1:]], "'ChairA_01' lies elsewhere"),
        ([], "no list of instances"),
        ({"id": 1}, "no list of instances"),
    ],
)
def test_sidecar_mistakes_are_named(tmp_path, entries, message):
    with pytest.raises(ValueError, match=message):
        load_mesh_scene(export(tmp_path), sidecar(tmp_path, entries))


def test_a_sidecar_that_is_no_json_names_the_line(tmp_path):
    path = tmp_path / "instances.json"
    path.write_text('[\n{"id": 1,\n]', encoding="utf-8")
    with pytest.raises(ValueError, match="instances.json, line 3"):
        load_mesh_scene(export(tmp_path), path)
    with pytest.raises(FileNotFoundError, match="gone.json is not there"):
        load_mesh_scene(export(tmp_path), tmp_path / "gone.json")


def test_the_small_house_has_its_85_instances(shared, caplog):
    folder = shared / "scenes" / "small_house"
    with caplog.at_level(logging.WARNING):
        scene = load_mesh_scene(folder / "house.glb", folder / "instances.json")
    assert not caplog.records
    entries = {e["id"]: e for e in json.loads((folder / "instances.json").read_text())}
    structure = {i for i, e in entries.items() if e["cls"] in ("HouseWallB", "FloorB", "RoomWall")}
    assert len(entries) == 85 and {o.id for o in scene.objects} == set(entries) - structure
    for item in scene.objects:
        low, high = np.array(entries[item.id]["min"]), np.array(entries[item.id]["max"])
        corners = item.box.corners()
        # A turned box's corners may stick out of the axis-aligned one, never stay within it by more than a hair.
        assert (corners.min(axis=0) < low + 2e-3).all() and (corners.max(axis=0) > high - 2e-3).all()
        assert item.box.size.prod() <= np.maximum(high - low, 2e-3).prod() * 1.01
    television = scene.object(71)
    assert television.label == "tv"
    np.testing.assert_allclose(television.box.center, [0.7979, -5.4216, 1.0763], atol=2e-3)
    np.testing.assert_allclose(television.box.size, [1.2978, 0.055, 0.7954], atol=2e-3)
