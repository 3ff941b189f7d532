"""The gate before a scene is used: files of the kinds that once came through, and the refusals that name the cause."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import trimesh

from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import VSI_BENCH_TYPES, QuestionConfig
from ocr_hf.scenes.readers.header_checks import MAX_FACES
from ocr_hf.scenes.readers.mesh_file import check_mesh_scene, load_mesh_scene
from tests.scenes.mesh_rooms import BEDROOM, KITCHEN, ROOMS, at, edit, shell, write


@pytest.fixture
def cases(shared):
    """Files of the kinds that once came through."""
    folder = shared / "cases" / "scenes"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/cases (inputs that failed) is not on this machine")
    return folder


BED = at(0.2, 0.2, (1.6, 2.0, 0.5))


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

    path = edit(write(tmp_path / "room.glb", {"Table": BED}), huge)
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


@pytest.mark.parametrize("scale", [1e7, 1e12, 1e30, 1e150, 1e300])
@pytest.mark.parametrize("node", ["Floor", "Bed"])
def test_scales_out_of_all_proportion_are_named(tmp_path, node, scale):
    def scaled(header):
        next(item for item in header["nodes"] if item["name"] == node)["scale"] = [scale] * 3

    with pytest.raises(ValueError, match=f"node '{node}'.* (no length in any unit; reset its scale|repair the mesh)"):
        load_mesh_scene(edit(write(tmp_path / "room.glb", ROOMS["bedroom"]), scaled))


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


WORDS = {
    "german": ("Bett groß", "bett groß"),
    "french": ("Canape\u0301_1", "canapé"),
    "spanish": ("SillónGrande", "sillón grande"),
    "polish": ("łóżko_02", "łóżko"),
    "russian": ("Кровать", "кровать"),
    "greek": ("Καρέκλα_1", "καρέκλα"),
    "chinese": ("椅子_3", "椅子"),
    "japanese": ("ソファ.001", "ソファ"),
    "korean": ("의자 2", "의자"),
    "arabic": ("كرسي_٣", "كرسي"),
    "hebrew": ("כיסא", "כיסא"),
    "hindi": ("कुर्सी_1", "कुर्सी"),
    "thai": ("เก้าอี้", "เก้าอี้"),
    "vietnamese": ("BànĂn", "bàn ăn"),
    "turkish": ("İskemle", "iskemle"),
}


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
@pytest.mark.parametrize("script", WORDS)
def test_labels_of_every_script_are_kept_and_asked_about(tmp_path, caplog, script, suffix):
    name, label = WORDS[script]
    path = write(tmp_path / f"room{suffix}", ROOMS["living"] | {name: at(3.0, 0.2, (0.5, 0.5, 0.9))})
    with caplog.at_level(logging.WARNING):
        scene = load_mesh_scene(path)
    assert label in {item.label for item in scene.objects}
    assert "give --labels TABLE to map them" in caplog.text
    made = generate_questions(scene, None, None, 3, QuestionConfig(VSI_BENCH_TYPES, visibility=None))
    asked = [question for question in made.questions if label in question.question]
    assert asked and "category: unknown or unusable name" not in made.skipped
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        mapped = load_mesh_scene(path, labels={name: "stool"})
    assert "stool" in {item.label for item in mapped.objects} and not caplog.records


def test_the_table_is_checked(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("class,category\nSofaa,sofa\nRug,mat\nTV,gizmo\nPlant,\n", encoding="utf-8")
    checked = check_mesh_scene(write(tmp_path / "room.glb", ROOMS["living"]), labels=table)
    names, categories = (finding.text for finding in checked.findings)
    assert (
        names == "the table of labels names 'Sofaa', which the file doesn't have; correct the names, or leave them out"
    )
    assert categories.startswith("the table of labels maps to 'gizmo', which aren't categories of the project; check")
    assert {item.label for item in checked.scene.objects} == {"sofa", "table", "gizmo", "chair", "mat"}


def test_markup_in_a_name_is_no_category():
    from ocr_hf.scenes.class_words import is_name, words_of

    assert not is_name("<img src=x>") and not is_name("a\nb") and not is_name("") and not is_name("Bed")
    assert all(is_name(words_of(name)) and words_of(name) == label for name, label in WORDS.values())


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
