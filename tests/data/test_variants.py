"""Altered copies: what is stored is the edited scene filmed again, and folders without them stay as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest

from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.clip_cameras import camera_path
from ocr_hf.data.film import edits_of
from ocr_hf.data.load import _stream_split, load
from ocr_hf.data.recording import record, record_edited
from ocr_hf.data.schema import MANIFEST
from ocr_hf.data.video import stored_psnr
from ocr_hf.hub.check_dataset import check_dataset
from ocr_hf.perturb.alteration import KINDS, Alteration
from ocr_hf.scenes.edits.scene_edit import SceneEdit, apply_edits
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.video.read import read_frames
from tests.data.conftest import digests, small_config
from tests.data.toy import open_toy

COPIES = 3


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ocr_hf.data import make_clips

    folder = tmp_path_factory.mktemp("altered") / "ocr-vsi"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_clips, "open_scene", open_toy)
        build_folder(small_config(variants=COPIES), folder)
    return folder


def test_nothing_else_of_the_folder_changes(altered: Path, built: Path) -> None:
    with_copies, without = digests(altered), digests(built)
    added = set(with_copies) - set(without)
    assert len(added) == 3 * COPIES and all(name.startswith("train/vanilla/altered/") for name in added)
    assert set(without) <= set(with_copies)
    differing = {name for name in without if without[name] != with_copies[name]}
    assert differing == {"README.md", MANIFEST, "train/vanilla/metadata.parquet"}
    config, before = (json.loads((folder / MANIFEST).read_text())["config"] for folder in (altered, built))
    assert config == {**before, "variants": COPIES} and "variants" not in before


def test_a_copy_is_the_edited_scene_on_the_same_path(altered: Path) -> None:
    config = small_config(variants=COPIES)
    rows = load(altered, "recipes", split="train")
    for plan in plan_scenes(config):
        scene, clip = open_toy(config, plan), plan.clips[0]
        renderer, path = Renderer(scene), camera_path(config, clip, scene)
        recording = record(renderer, path, config)
        row = next(row for row in rows if row["clip_id"] == clip.id)
        assert row["altered_strengths"] == pytest.approx([0.2 * k / COPIES for k in range(1, COPIES + 1)])
        changed = []
        for video, texts in zip(row["altered"], row["altered_edits"], strict=True):
            edits = [SceneEdit.from_json(text) for text in texts]
            chosen = {i for edit in edits for i in edit.objects}
            assert chosen and chosen <= set(recording.footprints.object_ids)
            filmed = record_edited(recording, renderer.edited(apply_edits(scene, edits, False)), path, config)
            assert stored_psnr(video["path"], filmed.frames) > 35.0
            changed.append(np.abs(filmed.frames.astype(int) - recording.frames).mean())
        # Each copy goes further than the one before it
        assert 0.0 < changed[0] < changed[1] < changed[2]


def test_edits_do_to_a_scene_what_alterations_do_to_points() -> None:
    scene = open_toy(small_config(), plan_scenes(small_config())[0])
    for kind in KINDS:
        for item in scene.objects:
            alteration = Alteration.draw(kind, item.box, 0.2, item.id)
            after = apply_edits(scene, edits_of(alteration, item.id), plausible=False).object(item.id)
            before = np.concatenate([mesh.vertices for mesh in item.meshes])
            points = np.concatenate([mesh.vertices for mesh in after.meshes])
            ours = alteration.moved((before - alteration.base).astype(np.float32)) + alteration.base
            # A box has no vertices but its corners, among which a warp's longest displacement is shorter
            close = 1e-5 if kind != "warp" else 0.2 * item.box.diagonal
            np.testing.assert_allclose(points, ours, atol=close)


def test_every_reader_gives_the_copies(altered: Path, tmp_path: Path) -> None:
    plain = datasets.load_dataset(str(altered), "recipes", split="train", cache_dir=str(tmp_path))
    assert plain.features["altered"] == datasets.List(datasets.Video())
    ways = {
        "plain": plain.cast_column("altered", datasets.List(datasets.Video(decode=False))),
        "loaded": load(altered, "recipes", split="train"),
        "streamed": datasets.load_dataset(str(altered), "recipes", split="train", streaming=True).decode(False),
        "off the Hub": _stream_split(str(altered / "train"), "train", "recipes", altered=True),
    }
    expected = None
    for name, rows in ways.items():
        row = next(iter(rows))
        found = [str(Path(video["path"]).relative_to(altered)) for video in row["altered"]]
        expected = expected or found
        assert found == expected and len(found) == COPIES, name
        assert read_frames(row["altered"][-1])[0].shape == (4, 72, 96, 3)
    assert "altered" not in load(altered, "pairs", split="train").column_names


def test_the_default_config_does_not_fetch_the_copies(altered: Path) -> None:
    import yaml

    card = yaml.safe_load((altered / "README.md").read_text().split("---")[1])
    for config in card["configs"]:
        patterns = [pattern for part in config["data_files"] for pattern in part["path"]]
        files = {file for pattern in patterns for file in altered.glob(pattern)}
        has = any("altered" in file.parts for file in files)
        assert has == (config["config_name"] == "recipes")
    sizes = {item["config_name"]: item["download_size"] for item in card["dataset_info"]}
    copies = sum(file.stat().st_size for file in altered.glob("train/vanilla/altered/**/*.mp4"))
    vanilla = sum(file.stat().st_size for file in altered.glob("train/vanilla/*"))
    assert sizes["recipes"] == copies + sum(f.stat().st_size for f in altered.glob("train/vanilla/*") if f.is_file())
    assert vanilla and "Written: 9 videos" in (altered / "README.md").read_text()


def test_a_build_that_is_taken_up_again_ends_with_the_same_bytes(altered: Path, tmp_path: Path) -> None:
    def stop(record):
        raise KeyboardInterrupt

    folder = tmp_path / "ocr-vsi"
    with pytest.raises(KeyboardInterrupt):
        build_folder(small_config(variants=COPIES), folder, on_clip=stop)
    stray = folder.with_name("ocr-vsi.incomplete") / "train" / "vanilla" / "altered" / "9" / "half.mp4"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"half")
    build_folder(small_config(variants=COPIES), folder, resume=True)
    assert digests(folder) == digests(altered)


@pytest.mark.real_scenes
@pytest.mark.slow
def test_workers_make_the_same_bytes(tmp_path: Path) -> None:
    few = ("object_counting", "object_size_estimation")  # rows of a clip that choose different objects
    config = small_config(
        scenes=2, variants=2, mode="geometry", select="queried", questions_per_task=1, question_types=few
    )
    for num_proc in (1, 2):
        build_folder(config, tmp_path / str(num_proc) / "ocr-vsi", num_proc=num_proc)
    assert digests(tmp_path / "1" / "ocr-vsi") == digests(tmp_path / "2" / "ocr-vsi")


def test_kind_and_strength_are_those_of_the_mode(tmp_path: Path) -> None:
    config = small_config(scenes=1, variants=1, mode="scale", strength=0.1, select="queried", questions_per_task=1)
    build_folder(config, tmp_path / "scaled")
    for row in load(tmp_path / "scaled", "recipes", split="train"):
        edits = [SceneEdit.from_json(text) for texts in row["altered_edits"] for text in texts]
        assert {edit.kind for edit in edits} <= {"scale"}
        assert all(abs(np.log(edit.parameters["factors"][0])) == pytest.approx(0.2) for edit in edits)
        assert {i for edit in edits for i in edit.objects} <= set(row["queried_objects"])
    assert small_config(variants=1).altered_map.noise.name == "geometry"
    assert small_config(variants=1, strength=0.9).altered_map.noise_strength == 0.2


def test_a_missing_copy_is_found_before_it_is_pushed(altered: Path, tmp_path: Path) -> None:
    import shutil

    from ocr_hf.hub.repo_files import list_files

    copy = shutil.copytree(altered, tmp_path / "ocr-vsi")
    gone = sorted(copy.glob("train/vanilla/altered/2/*.mp4"))[1]
    gone.unlink()
    found = list(check_dataset(copy, list_files(copy)[0], {}))
    assert any("altered_file_names names" in text and f"altered/2/{gone.name}" in text for text in found)


@pytest.mark.parametrize("variants", [-1, 17, 1.5])
def test_a_number_of_copies_that_makes_no_sense_is_refused(variants) -> None:
    with pytest.raises(ValueError, match=f"variants is {variants}; give a whole number of copies, 0 to 16"):
        small_config(variants=variants)


def test_boxes_without_meshes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ocr_hf.data import make_clips

    def boxes_only(config, plan):
        scene = open_toy(config, plan)
        return replace(scene, objects=tuple(replace(item, meshes=()) for item in scene.objects))

    monkeypatch.setattr(make_clips, "open_scene", boxes_only)
    monkeypatch.setattr(type(small_config().scene_source), "skips_failures", False)
    with pytest.raises(ValueError, match="variants is 2, but no object of scene .* has meshes to render again; use a"):
        build_folder(small_config(scenes=1, variants=2), tmp_path / "ocr-vsi")
