"""The builder: what lies in the folder, and that nothing but the options decides it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ocr_hf.data import make_clips as clips_module
from ocr_hf.data.assemble import NothingBuilt
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.clip_cameras import camera_path
from ocr_hf.data.load import StoredClip, clips, load, scenes
from ocr_hf.data.noisy_copies import noise_row_id
from ocr_hf.data.recording import record
from ocr_hf.data.schema import MANIFEST, MAX_QUESTIONS
from ocr_hf.data.staging import FolderExistsError
from ocr_hf.data.video import stored_psnr
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.questions.generate import generate_questions
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.text_only.audit_table import TOO_FEW, text_only_audit
from tests.data.conftest import digests, small_config
from tests.data.toy import open_toy

LUMA = np.array([0.299, 0.587, 0.114])
"""Brightness: what yuv420p stores at full resolution."""


def stored_clips(folder: Path) -> list[StoredClip]:
    loaded = load(folder, streaming=True)
    return [clip for split in loaded for clip in clips(loaded[split])]


def test_the_folder_holds_what_its_manifest_says(built: Path) -> None:
    manifest = json.loads((built / MANIFEST).read_text())
    table = pq.read_table(built / "train/metadata.parquet")
    counts = manifest["statistics"]["splits"]["train"]
    assert counts["rows"] == len(table) == sum(manifest["statistics"]["question_types"].values())
    assert counts["clips"] == len(set(table["clip_id"].to_pylist())) == len(list(built.rglob("vanilla/*.mp4")))
    assert counts["scenes"] == len(scenes(built)) == len(set(table["scene_name"].to_pylist()))
    named = {*table["vanilla_file_name"].to_pylist(), *table["noisy_file_name"].to_pylist()}
    assert {f"train/{name}" for name in named} == {str(p.relative_to(built)) for p in built.rglob("*.mp4")}
    assert not [name for name in digests(built) if name.startswith(".") or "/." in name]


def test_row_ids_are_clip_times_a_thousand_plus_question(built: Path) -> None:
    table = pq.read_table(built / "train/metadata.parquet", columns=["id", "clip_id"]).to_pydict()
    number = {clip.id: clip.index for scene in plan_scenes(small_config()) for clip in scene.clips}
    for clip_id, rows in itertools.groupby(zip(table["clip_id"], table["id"], strict=True), key=lambda row: row[0]):
        ids = [row_id for _, row_id in rows]
        assert ids == [number[clip_id] * MAX_QUESTIONS + k for k in range(len(ids))]


def test_recipes_are_the_same_rows_without_noise(built: Path) -> None:
    pairs = pq.read_table(built / "train/metadata.parquet")
    recipes = pq.read_table(built / "train/vanilla/metadata.parquet")
    assert not {"noisy_file_name", "noisy_objects", "mode", "strength", "seed"} & set(recipes.column_names)
    for name in recipes.column_names:
        if name == "vanilla_file_name":
            files = [built / "train/vanilla" / file for file in recipes[name].to_pylist()]
            assert [f"vanilla/{file.name}" for file in files] == pairs[name].to_pylist()
            assert all(file.is_file() for file in files)
        else:
            assert recipes[name] == pairs[name]


def test_stored_videos_are_the_render_and_its_perturbation(built: Path) -> None:
    """Render a clip again: truth in the row is the renderer's, the noisy file is OCRMap's result for the row's id."""
    config, clip = small_config(), stored_clips(built)[0]
    plan = next(scene for scene in plan_scenes(config) if scene.name == clip.scene_name)
    scene = open_toy(config, plan)
    path = camera_path(config, plan.clips[0], scene)
    camera = (path.camera_to_world, clip.intrinsics, config.width, config.height)
    rendered = Renderer(scene).render(*camera, path.exposure)
    np.testing.assert_array_equal(clip.camera_to_world, path.camera_to_world)
    truth = footprints_from_instances(rendered.instances)
    assert clip.footprints.codes == truth.codes
    assert stored_psnr(clip.vanilla["path"], rendered.frames) > 35.0
    ocr_map = OCRMap(select="visible", seed=config.seed)
    noise_id = noise_row_id(clip.rows[-1]["id"])
    assert ocr_map.choose(noise_id, 0, truth) == clip.noisy_objects != ()
    noisy = ocr_map.perturb(rendered.frames, truth, clip.noisy_objects, row_id=noise_id)
    region = truth.region(clip.noisy_objects)
    np.testing.assert_array_equal(noisy[~region], rendered.frames[~region])
    assert stored_psnr(clip.noisy["path"], noisy, lambda numbers: truth.region(clip.noisy_objects, numbers)) > 30.0
    stored = clip.frames(noisy=True)[region] @ LUMA
    assert (stored - noisy[region] @ LUMA).std() < 6.0
    assert (stored - rendered.frames[region] @ LUMA).std() > 15.0


def test_streamed_recording_equals_the_rendered_clip() -> None:
    config = small_config(scenes=1, mode="geometry")
    plan = plan_scenes(config)[0]
    scene = open_toy(config, plan)
    renderer, path = Renderer(scene), camera_path(config, plan.clips[0], scene)
    recording = record(renderer, path, config)
    camera = (path.camera_to_world, recording.intrinsics, config.width, config.height)
    rendered = renderer.render(*camera, path.exposure)
    np.testing.assert_array_equal(recording.frames, rendered.frames)
    np.testing.assert_array_equal(recording.depth, rendered.depth)
    assert recording.footprints.codes == footprints_from_instances(rendered.instances).codes


def test_objects_selected_by_question_give_noisy_videos_by_question(tmp_path: Path) -> None:
    build_folder(small_config(scenes=1, select="queried", max_objects=1), tmp_path / "queried")
    rows = pq.read_table(tmp_path / "queried/train/metadata.parquet").to_pylist()
    assert len({row["noisy_file_name"] for row in rows}) > 1
    # A file for each choice of objects, not for each row: a push takes so many files
    files = {tuple(row["noisy_objects"]): row["noisy_file_name"] for row in rows}
    assert all(row["noisy_file_name"] == files[tuple(row["noisy_objects"])] for row in rows)
    assert len(list((tmp_path / "queried/train/noisy").glob("*.mp4"))) == len(files.keys() - {()}) < len(rows)
    for row in rows:
        assert set(row["noisy_objects"]) <= set(row["queried_objects"])
        assert (row["noisy_file_name"] == row["vanilla_file_name"]) == (not row["noisy_objects"])


def test_strength_zero_names_the_vanilla_video(tmp_path: Path) -> None:
    build_folder(small_config(scenes=1, strength=0.0), tmp_path / "clean")
    rows = pq.read_table(tmp_path / "clean/train/metadata.parquet").to_pylist()
    assert all(row["noisy_file_name"] == row["vanilla_file_name"] and not row["noisy_objects"] for row in rows)
    assert len(load(tmp_path / "clean", split="train")) == len(rows)


def test_geometry_noise_moves_the_chosen_objects(tmp_path: Path) -> None:
    build_folder(small_config(scenes=1, mode="geometry", strength=0.2), tmp_path / "moved")
    clip = stored_clips(tmp_path / "moved")[0]
    region = clip.footprints.region(clip.noisy_objects)
    difference = np.abs(clip.frames().astype(int) - clip.frames(noisy=True)).mean(axis=-1)
    assert clip.rows[0]["mode"] == "geometry" and region.any()
    assert difference[region].mean() > 8.0 and (difference[~region] > 30.0).any(), "outlines may change"
    measured = json.loads((tmp_path / "moved" / MANIFEST).read_text())["statistics"]["measured"]
    assert (difference > 20.0).mean() < measured["noise_share"]["mean"] < (difference > 4.0).mean() + 0.1
    assert measured["filled_share"] == {"mean": 0.0, "min": 0.0}, "the scene is rendered again, nothing is made up"
    assert measured["noisy_outside_psnr_db"]["min"] > 30.0, "where nothing was altered the file shows the vanilla clip"
    assert "Mode `geometry`: the chosen objects are moved and turned" in (tmp_path / "moved" / "README.md").read_text()


def test_without_meshes_geometry_is_made_by_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ocr_hf.data.film import Film

    def refuse(film, edits):
        raise ValueError("can't be edited")

    monkeypatch.setattr(Film, "after", refuse)
    build_folder(small_config(scenes=1, mode="rigid", strength=0.2), tmp_path / "moved")
    measured = json.loads((tmp_path / "moved" / MANIFEST).read_text())["statistics"]["measured"]
    assert 0.0 < measured["filled_share"]["mean"] < measured["noise_share"]["mean"]
    assert "filled from around" in (tmp_path / "moved" / "README.md").read_text()


def test_the_noisy_copy_is_the_edited_scene(tmp_path: Path) -> None:
    config = small_config(scenes=1, mode="rigid", strength=0.2)
    build_folder(config, tmp_path / "moved")
    plan = plan_scenes(config)[0]
    scene, clip = open_toy(config, plan), stored_clips(tmp_path / "moved")[0]
    renderer, path = Renderer(scene), camera_path(config, plan.clips[0], scene)
    # What OCRMap draws for the row, made by hand: a slide along the floor and a turn
    chosen = config.ocr_map.plan_for(clip.noisy_objects, clip.rows[0]["id"])
    for i in clip.noisy_objects:
        drawn = config.ocr_map.noise.alteration(clip.boxes[i], 0.2, chosen.key, i)
        for edit in (
            SceneEdit("move", (i,), {"offset": drawn.offset_m}),
            SceneEdit("rotate", (i,), {"degrees": np.degrees(drawn.turn_rad)}),
        ):
            scene = edit.apply(scene, plausible=False)
    camera = (path.camera_to_world, clip.intrinsics, config.width, config.height, path.exposure)
    expected = renderer.edited(scene).render(*camera).frames
    assert stored_psnr(clip.noisy["path"], expected) > 35.0


def test_jitter_stays_within_the_chosen_objects(tmp_path: Path) -> None:
    build_folder(small_config(scenes=1, mode="jitter", strength=0.2), tmp_path / "moved")
    clip = stored_clips(tmp_path / "moved")[0]
    region = clip.footprints.region(clip.noisy_objects)
    difference = np.abs(clip.frames().astype(int) - clip.frames(noisy=True)).mean(axis=-1)
    assert difference[region].mean() > 10.0 > 2.0 > difference[~region].mean()


def test_splits_are_by_scene(tmp_path: Path) -> None:
    config = small_config(scenes=4, test=0.5, seed=2)
    assert {scene.split for scene in plan_scenes(config)} == {"train", "test"}
    build_folder(config, tmp_path / "split")
    loaded = load(tmp_path / "split")
    seen = {split: set(loaded[split]["scene_name"]) for split in loaded}
    assert set(seen) == {"train", "test"} and not seen["train"] & seen["test"]
    assert {name: split for split, names in seen.items() for name in names}.items() <= {
        scene.name: scene.split for scene in plan_scenes(config)
    }.items()


@pytest.mark.real_scenes
@pytest.mark.slow
def test_bytes_do_not_depend_on_the_number_of_workers(built_real: Path, tmp_path: Path) -> None:
    import torch

    torch.ones(600, 600) @ torch.ones(600, 600)  # a fork after this would hang in the workers
    seen: list[str] = []
    build_folder(small_config(), tmp_path / "many", num_proc=2, on_clip=lambda item: seen.append(item["id"]))
    assert digests(tmp_path / "many") == digests(built_real)
    assert len(seen) == small_config().num_scenes


def test_an_existing_folder_is_refused_and_untouched(built: Path, tmp_path: Path) -> None:
    before = digests(built)
    with pytest.raises(FolderExistsError, match="--resume"):
        build_folder(small_config(), built)
    with pytest.raises(FolderExistsError, match="seed 7 .now 8."):
        build_folder(small_config(seed=8), built, resume=True)
    assert build_folder(small_config(), built, resume=True)["config"]["seed"] == 7
    assert digests(built) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    for choice in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(FolderExistsError):
            build_folder(small_config(), tmp_path / "mine", **choice)
    assert (tmp_path / "mine/thesis.txt").read_text() == "years of work"


def test_clips_that_show_nothing_are_skipped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera below the floor sees no object; the scene is left out, the others keep their ids."""

    def sinking(config, clip, scene):  # noqa: ANN001, ANN202
        path = camera_path(config, clip, scene)
        path.camera_to_world[:, 2, 3] -= 100.0 if clip.index == 0 else 0.0
        return path

    monkeypatch.setattr(clips_module, "camera_path", sinking)
    manifest = build_folder(small_config(scenes=2), tmp_path / "out")
    assert manifest["statistics"]["skipped_clips"] == {"no object is visible": 1}
    assert "1 (no object is visible)" in (tmp_path / "out/README.md").read_text()
    ids = pq.read_table(tmp_path / "out/train/metadata.parquet", columns=["id"])["id"].to_pylist()
    assert ids and min(ids) == MAX_QUESTIONS


def test_nothing_to_build_is_an_error_with_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_path(*_: object) -> None:
        raise ValueError("the floor is full")

    monkeypatch.setattr(clips_module, "camera_path", no_path)
    with pytest.raises(NothingBuilt, match=r"the floor is full \(1 clips\)"):
        build_folder(small_config(scenes=1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_drawn_scene_or_question_that_fails_is_skipped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing_scene(config, plan):  # noqa: ANN001, ANN202
        if plan.index == 0:
            raise ValueError("two beds in one place")
        return open_toy(config, plan)

    def failing_questions(scene, *rest):  # noqa: ANN001, ANN002, ANN202
        if scene.name.endswith("1"):
            raise ValueError("footprints without clock")
        return generate_questions(scene, *rest)

    monkeypatch.setattr(clips_module, "open_scene", failing_scene)
    monkeypatch.setattr(clips_module, "generate_questions", failing_questions)
    statistics = build_folder(small_config(), tmp_path / "out")["statistics"]
    assert statistics["skipped_clips"] == {
        "no questions: footprints without clock": 1,
        "the scene can't be made: two beds in one place": 1,
    }
    assert statistics["splits"]["train"]["scenes"] == 1


def test_missing_files_are_named_before_any_work(tmp_path: Path) -> None:
    config = small_config(source="mesh", rooms=None, path=(str(tmp_path / "gone.glb"),))
    with pytest.raises(FileNotFoundError, match=r"gone\.glb"):
        build_folder(config, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_trajectory_is_followed_by_the_clock_and_must_be_long_enough(tmp_path: Path) -> None:
    """Poses at 0, 1, 2, 3, 4 and 10 s: five frames over ten seconds are the nearest in time, not every fifth."""
    places, times = np.linspace(-1.0, 1.0, 6), (0.0, 1.0, 2.0, 3.0, 4.0, 10.0)
    lines = [f"{t} {x} 0 1.5 0.5 -0.5 0.5 -0.5" for t, x in zip(times, places, strict=True)]
    file = tmp_path / "path.tum"
    file.write_text("\n".join(lines))
    config = small_config(scenes=1, trajectory=str(file), frames=5, seconds=None)
    plan = plan_scenes(config)[0]
    path = camera_path(config, plan.clips[0], open_toy(config, plan))
    assert path.camera_to_world[:, 0, 3].tolist() == places[[0, 2, 4, 5, 5]].tolist()
    assert path.fps == pytest.approx(0.4)
    with pytest.raises(ValueError, match="6 poses, a clip 7 frames"):
        build_folder(small_config(scenes=1, trajectory=str(file), frames=7), tmp_path / "out")


def test_a_colmap_trajectory_brings_its_own_camera(tmp_path: Path) -> None:
    """A camera of 400x300 pixels, off centre, seen in frames of 96x72."""
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 400 300 200 210 190 160\n")
    (tmp_path / "images.txt").write_text("".join(f"{i} 0.5 0.5 -0.5 0.5 {i} 1.5 0 1 {i}.png\n\n" for i in range(4)))
    config = small_config(scenes=1, trajectory=str(tmp_path / "images.txt"), trajectory_format="colmap")
    build_folder(config, tmp_path / "out")
    clip = stored_clips(tmp_path / "out")[0]
    np.testing.assert_allclose(clip.intrinsics, [[48.0, 0.0, 45.6], [0.0, 50.4, 38.4], [0.0, 0.0, 1.0]])
    scene = open_toy(config, plan_scenes(config)[0])
    seen = Renderer(scene).render(clip.camera_to_world, clip.intrinsics, 96, 72)
    assert clip.footprints.codes == footprints_from_instances(seen.instances).codes
    wide = small_config(scenes=1, trajectory=config.trajectory, trajectory_format="colmap", width=128)
    with pytest.raises(ValueError, match="camera of 400x300 pixels.* 128x72 .*; use --width 128 --height 96"):
        build_folder(wide, tmp_path / "wide")


def test_question_frames_decide_what_is_asked_about(tmp_path: Path) -> None:
    """Two sampled frames, the first and the last, must both show whatever is asked about; four show more."""
    asked = {}
    for count in (2, 4):
        config = small_config(scenes=1, question_frames=count)
        assert config.question_config.visibility.num_frames == count == config.public()["question_frames"]
        build_folder(config, tmp_path / str(count))
        asked[count] = stored_clips(tmp_path / str(count))[0]
    clip = asked[2]
    shown = [{i for i in clip.footprints.codes if clip.footprints.region([i], [t]).mean() >= 0.001} for t in (0, 3)]
    assert all(set(row["queried_objects"]) <= shown[0] & shown[1] for row in clip.rows)
    assert not all(set(row["queried_objects"]) <= shown[0] & shown[1] for row in asked[4].rows)


def test_every_build_audits_the_words_of_all_its_splits(tmp_path: Path) -> None:
    """Toy furniture has always the same sizes: whoever knows the category knows the answer."""
    manifest = build_folder(small_config(scenes=12, test=0.5, seed=2), tmp_path / "out")
    rows = [row for file in (tmp_path / "out").glob("*/metadata.parquet") for row in pq.read_table(file).to_pylist()]
    assert len(manifest["statistics"]["splits"]) == 2
    found = manifest["statistics"]["text_only"]
    assert found == text_only_audit(rows)
    assert {kind: figures["questions"] for kind, figures in found.items()} == manifest["statistics"]["question_types"]
    told = found["object_size_estimation"]
    assert min(told["text_statistic"], told["constant_per_category"]) > max(0.9, told["best_constant"] + 0.1)
    card = (tmp_path / "out/README.md").read_text()
    line = next(line for line in card.splitlines() if line.startswith("| object_size_estimation | ") and "0." in line)
    assert line.split(" | ")[1:4] == [str(told["questions"]), str(told["scenes"]), f"{told['text_statistic']:.3f}"]


def test_a_build_of_few_scenes_says_so_instead_of_a_number(built: Path) -> None:
    figures = json.loads((built / MANIFEST).read_text())["statistics"]["text_only"].values()
    assert all(item["text_statistic"] is None and item["not_audited"] == TOO_FEW for item in figures)
    assert "| too few scenes | " in (built / "README.md").read_text()
