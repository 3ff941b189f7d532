"""Homes with real models: from a tiny hand-made folder, and from Debian's sweethome3d-furniture where it is."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_hf.scenes.homes.furnished import furnished_scene, refurnished
from ocr_hf.scenes.homes.model_library import MAX_FACES, category_of, read_library
from ocr_hf.scenes.homes.placement import overlap
from ocr_hf.scenes.homes.procedural import layout_home, procedural_scene
from ocr_hf.scenes.scene import Scene, SceneObject

CUBE = """\
mtllib look.mtl
v 0 0 0
v {x} 0 0
v {x} {y} 0
v 0 {y} 0
v 0 0 {z}
v {x} 0 {z}
v {x} {y} {z}
v 0 {y} {z}
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl red
f 1/1 4/2 3/3 2/4
f 5/1 6/2 7/3 8/4
f 1/1 2/2 6/3 5/4
f 4/1 8/2 7/3 3/4
usemtl painted
f 1/1 5/2 8/3 4/4
f 2/1 3/2 7/3 6/4
"""
LOOK = "newmtl red\nKd 1 0 0\nnewmtl painted\nKd 1 1 1\nmap_Kd paint.png\n"


def cube(width: float, height: float, depth: float) -> str:
    """An OBJ box, +Y up, standing on y = 0."""
    return CUBE.format(x=width, y=height, z=depth)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    (folder / "stool").mkdir(parents=True)
    (folder / "chair_1.obj").write_text(cube(0.45, 0.9, 0.45))
    (folder / "stool" / "anything.obj").write_text(cube(0.32, 0.5, 0.32))
    (folder / "teapot.txt").write_text("not a model")
    for place in (folder, folder / "stool"):
        (place / "look.mtl").write_text(LOOK)
        Image.new("RGB", (8, 4), (10, 200, 30)).save(place / "paint.png")
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    catalogue = """\
id=Test
license=Creative Commons Attribution 3.0 license
name#1=Oak chair
model#1=/test/chair/chair.obj
width#1=45
depth#1=50
height#1=90
creator#1=Ada
name#2=Wall lamp artwork
model#2=/test/chair/chair.obj
width#2=10
depth#2=10
height#2=10
name#3=Refrigerator
model#3=/test/chair/chair.obj
width#3=60
depth#3=65
height#3=170
creator#3=G\\u00e9rard
name#4=Bed
model#4=/test/missing.obj
width#4=140
depth#4=200
height#4=90
"""
    with zipfile.ZipFile(folder / "Test.sh3f", "w") as file:
        file.writestr("PluginFurnitureCatalog.properties", catalogue)
        file.writestr("test/chair/chair.obj", cube(3.0, 5.0, 4.0))
        file.writestr("test/chair/look.mtl", LOOK)
        Image.new("RGB", (8, 4), (10, 200, 30)).save(folder / "paint.png")
        file.write(folder / "paint.png", "test/chair/paint.png")
    return folder


def check_boxes(scene: Scene) -> None:
    for item in scene.objects:
        local = np.concatenate([item.box.to_local(mesh.vertices) for mesh in item.meshes])
        assert np.allclose(local.max(axis=0), item.box.size / 2, atol=1e-6)
        assert np.allclose(local.min(axis=0), -item.box.size / 2, atol=1e-6)


def replaced(scene: Scene, seed: int) -> list[SceneObject]:
    """Return the objects that are not what the procedural home has."""
    plain = {item.box.center.tobytes() + item.box.size.tobytes() for item in procedural_scene(seed).objects}
    return [item for item in scene.objects if item.box.center.tobytes() + item.box.size.tobytes() not in plain]


def seed_with(label: str) -> int:
    return next(seed for seed in range(200) if any(item.label == label for item in procedural_scene(seed).objects))


def seed_that_takes(label: str, models: Path) -> int:
    """Return a seed whose home has a place of the models' size and proportions for this category."""
    return next(
        seed
        for seed in range(200)
        if any(item.label == label for item in replaced(furnished_scene(seed, models), seed))
    )


def test_models_are_scaled_evenly_into_the_layouts_places(models: Path) -> None:
    seed = seed_that_takes("chair", models)
    scene, plain = furnished_scene(seed, models), procedural_scene(seed)
    assert scene.name == f"furnished_{seed:06d}" and scene.source == "furnished"
    assert [item.label for item in scene.objects] == [item.label for item in plain.objects]
    check_boxes(scene)
    chairs = [item for item in replaced(scene, seed) if item.label == "chair"]
    assert chairs
    for chair in chairs:
        slot = plain.object(chair.id).box
        scale = chair.box.size / (0.45, 0.45, 0.9)
        assert np.allclose(scale, scale[0]) and 0.75 <= scale[0] <= 1.3
        assert (chair.box.size[:2] <= slot.size[:2] + 1e-9).all()
        assert chair.box.corners()[:, 2].min() == pytest.approx(slot.corners()[:, 2].min())
        colors = {mesh.material.color for mesh in chair.meshes}
        assert (1.0, 0.0, 0.0) in colors
        texture = next(mesh.material.texture for mesh in chair.meshes if mesh.material.texture is not None)
        assert texture.shape == (4, 8, 3) and np.abs(texture[0, 0].astype(int) - (10, 200, 30)).max() <= 2


def test_up_and_front_become_ours(models: Path) -> None:
    library = read_library(models)
    model = library.load(library.entries["chair"][0])
    assert np.allclose(model.size, [0.45, 0.45, 0.9])
    painted = next(mesh for mesh in model.meshes if mesh.material.texture is not None)
    assert set(np.round(np.abs(painted.vertices[:, 0]), 6)) == {0.225}  # the file's sides stay the sides
    corners = np.concatenate([mesh.vertices[mesh.faces] for mesh in model.meshes])
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume == pytest.approx(0.45 * 0.45 * 0.9)  # not mirrored


@pytest.mark.parametrize("seed", range(6))
def test_real_models_run_into_nothing(seed: int, models: Path) -> None:
    placements, used = refurnished(layout_home(seed).placements, read_library(models), seed)
    blocks = [placement.block for placement in placements]
    for i, a in enumerate(placements):
        for j in range(i):
            b = placements[j]
            if not (a.rests_on(b) or b.rests_on(a)):
                assert not overlap(blocks[i], blocks[j]), (a.model.label, b.model.label)
        if a.on is not None:
            local = a.on.box.to_local(a.box.corners())[:, :2]
            assert (np.abs(local) <= a.on.model.size[:2] / 2 + 1e-9).all()
    # None only where no place has the models' proportions, or the home draws none
    assert used or sum(p.model.label in ("chair", "stool") for p in placements) < 6


def test_libraries_state_size_author_and_licence(archive: Path) -> None:
    library = read_library(archive)
    assert set(library.entries) == {"chair", "refrigerator", "bed"}
    entry = library.entries["refrigerator"][0]
    assert entry.size == (0.6, 0.65, 1.7) and entry.credit == "Refrigerator by Gérard (Test), CC-BY 3.0"
    assert np.allclose(library.load(entry).size, [0.6, 0.65, 1.7])
    assert library.load(library.entries["bed"][0]) is None  # its file is missing: the procedural bed stays
    seed = seed_that_takes("chair", archive)
    scene = furnished_scene(seed, archive)
    assert scene.licence == "cc-by-3.0" and "Oak chair by Ada (Test), CC-BY 3.0" in scene.attribution
    check_boxes(scene)


def test_a_seed_is_one_furnished_home(models: Path) -> None:
    seed = seed_with("stool")
    first, again = furnished_scene(seed, models), furnished_scene(seed, str(models))
    for a, b in zip(first.objects, again.objects, strict=True):
        assert a.box.center.tobytes() == b.box.center.tobytes() and len(a.meshes) == len(b.meshes)


def test_folders_that_hold_no_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="sweethome3d-furniture"):
        furnished_scene(0, tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no model of a known category"):
        read_library(tmp_path)
    (tmp_path / "broken.sh3f").write_bytes(b"PK not a zip")
    with pytest.raises(ValueError, match="not a Sweet Home 3D furniture library"):
        read_library(tmp_path)


def test_models_that_are_too_large_are_left_out(tmp_path: Path) -> None:
    vertices = "".join(f"v {i % 100} {i // 100} {i % 7}\n" for i in range(MAX_FACES + 10))
    (tmp_path / "chair.obj").write_text(vertices + "".join(f"f {i} {i + 1} {i + 2}\n" for i in range(1, MAX_FACES + 5)))
    library = read_library(tmp_path)
    assert library.load(library.entries["chair"][0]) is None


def test_catalogue_names_become_categories() -> None:
    assert category_of("Oak chair") == category_of("chair_02") == category_of("Armchair 3") == "chair"
    assert category_of("TV stand") == "cabinet" and category_of("Bedside table") == "nightstand"
    assert category_of("Christmas tree") is None and category_of("") is None


def test_the_debian_package_furnishes_homes() -> None:
    folder = Path(os.environ.get("OCR_HF_MODELS", "/usr/share/sweethome3d/furniture"))
    if not folder.is_dir():
        pytest.skip("Debian's package sweethome3d-furniture is not installed; or set OCR_HF_MODELS to its folder")
    scene = furnished_scene(3, folder)
    check_boxes(scene)
    labels = {item.label for item in replaced(scene, 3)}
    assert len(labels) >= 5 and scene.licence == "cc-by-3.0" and len(scene.attribution) >= 5
    assert sum(len(mesh.faces) for item in scene.objects for mesh in item.meshes) < 300_000
