"""Config twins: built, loaded, streamed, perturbed, asked; the same bytes however it was built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from ocr_hf.data import make_clips as clips
from ocr_hf.data import staging as staging_module
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.load import load
from ocr_hf.data.schema import configs_of, features, read_manifest
from ocr_hf.data.sources import open_scene
from ocr_hf.data.video import read_frames
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.questions.generate import generate_questions
from ocr_hf.scenes.edits.scene_edit import apply_edits
from ocr_hf.scenes.scene import Scene
from ocr_hf.twins.find_twins import edits_from_json
from ocr_hf.vsi_bench.scoring import mean_relative_accuracy
from ocr_hf.vsi_bench.tasks import is_numeric
from ocr_hf.vsi_bench.twins_layout import OcrVsiTwins
from tests.data.conftest import digests

CONFIG = BuildConfig(
    scenes=2, rooms=1, frames=8, seconds=8.0, width=112, height=84, seed=7, question_frames=8, twins=2, fov=75.0
)


@pytest.fixture(autouse=True)
def real_scenes(toy_scenes: None) -> Iterator[None]:
    """Rooms of boxes have little to edit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "open_scene", open_scene)
        yield


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twins") / "ocr-vsi"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "open_scene", open_scene)
        build_folder(CONFIG, folder)
    return folder


@pytest.fixture(scope="module")
def rows(twins: Path) -> list[dict]:
    return pq.read_table(twins / "train" / "twins.parquet").to_pylist()


def test_each_question_has_one_edit_that_changes_it_and_one_that_keeps_it(rows: list[dict]) -> None:
    assert len(rows) >= 4 and len(rows) % 2 == 0
    changes = {row["id"]: row for row in rows if row["relation"] == "changes"}
    controls = [row for row in rows if row["relation"] == "keeps"]
    assert sorted(row["control_of"] for row in controls) == sorted(changes)
    assert all(row["control_of"] is None for row in changes.values())
    for control in controls:
        changed = changes[control["control_of"]]
        assert all(control[name] == changed[name] for name in ("question", "options", "ground_truth", "clip_id"))
        assert control["edited_file_name"] != changed["edited_file_name"]
        assert control["edited_ground_truth"] == control["ground_truth"]
    for row in changes.values():
        before, after = row["ground_truth"], row["edited_ground_truth"]
        if is_numeric(row["question_type"]):
            assert mean_relative_accuracy(float(before), float(after)) == 0.0
            assert mean_relative_accuracy(float(after), float(before)) == 0.0
        else:
            assert before != after


def test_edited_answers_and_boxes_are_those_of_the_edited_scene(rows: list[dict]) -> None:
    scenes: dict[str, Scene] = {plan.name: open_scene(CONFIG, plan) for plan in plan_scenes(CONFIG)}
    for row in rows:
        edited = apply_edits(scenes[row["scene_name"]], edits_from_json(row["edit"]), plausible=False)
        stored = {item["id"]: item for item in row["edited_objects"]}
        assert set(stored) == {item.id for item in edited.objects}
        for item in edited.objects:
            np.testing.assert_allclose(stored[item.id]["center"], item.box.center, atol=1e-9)
        shown = footprints_of({**row, "footprints": row["edited_footprints"]})
        # A fresh derivation asks the same of the edited clip wherever it happens to choose the same words
        fresh = generate_questions(edited, shown, row["fps"], 0, CONFIG.question_config).questions
        same = [question for question in fresh if question.question == row["question"] and question.options is None]
        assert all(question.ground_truth == row["edited_ground_truth"] for question in same)


def test_loads_and_streams_with_undecoded_videos(twins: Path, rows: list[dict]) -> None:
    assert configs_of(read_manifest(twins)) == ("pairs", "recipes", "twins")
    for streaming in (False, True):
        loaded = load(twins, "twins", split="train", streaming=streaming)
        found = list(loaded)
        assert [row["id"] for row in found] == [row["id"] for row in rows]
        frames = [read_frames(found[0][name])[0] for name in ("vanilla", "edited")]
        assert frames[0].shape == frames[1].shape and (frames[0] != frames[1]).any()
    plain = datasets.load_dataset(str(twins), "twins", split="train")
    assert plain.features == features("twins") and len(plain) == len(rows)
    assert len(datasets.load_dataset(str(twins), split="train")) > len(rows)


def test_ocr_map_works_on_top(twins: Path) -> None:
    row = load(twins, "twins", split="train")[0]
    noisy = OCRMap(max_objects=1)(row)
    assert noisy["noisy_objects"] and (noisy["noisy"] != read_frames(row["vanilla"])[0]).any()


def test_the_manifest_and_the_card_count_them(twins: Path, rows: list[dict]) -> None:
    statistics = read_manifest(twins)["statistics"]
    counted = statistics["splits"]["train"]
    assert counted["twins"] == len(rows)
    assert counted["edited_videos"] == len({row["edited_file_name"] for row in rows})
    assert sum(sum(each.values()) for each in statistics["twins"].values()) == len(rows)
    files = {path.name for path in (twins / "train" / "edited").glob("*.mp4")}
    assert files == {Path(row["edited_file_name"]).name for row in rows}
    card = (twins / "README.md").read_text()
    assert 'load_dataset("ocr-vsi", "twins")' in card and "| `edited_ground_truth` |" in card


@pytest.mark.real_scenes
@pytest.mark.slow
def test_a_killed_build_ends_with_the_same_bytes(twins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """No handler of ours catches it."""

    original, calls = staging_module.Staging.finish, []

    def finish(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(staging_module.Staging, "finish", finish)
        with pytest.raises(Killed):
            build_folder(CONFIG, tmp_path / "ocr-vsi")
    build_folder(CONFIG, tmp_path / "ocr-vsi", resume=True)
    assert digests(tmp_path / "ocr-vsi") == digests(twins)


def test_they_are_asked_of_three_videos_each(twins: Path, rows: list[dict]) -> None:
    benchmark = OcrVsiTwins("twins", twins)
    assert len(benchmark.rows) == len(rows) // 2 * 3
    assert benchmark.missing_videos(benchmark.rows) == []
    limited = benchmark.take("twins", 1)
    assert [row["video"] for row in limited] == ["vanilla", "changes", "keeps"]
    assert len({benchmark.video_key(row) for row in limited}) == 3
    with pytest.raises(ValueError, match="are one split, 'twins', not 'full'"):
        benchmark.select("full")


@pytest.mark.parametrize("number", [-1, 9])
def test_their_number_is_bounded(number: int) -> None:
    with pytest.raises(ValueError, match=f"twins is {number}; give 0 to 8 questions of a clip"):
        BuildConfig(twins=number)


def test_a_folder_without_them_says_how_to_get_them(built: Path) -> None:
    with pytest.raises(ValueError, match="has no config 'twins'.*--twins 2"):
        load(built, "twins")
    with pytest.raises(ValueError, match="has no twins; build it with `ocr-hf build --twins 2`"):
        OcrVsiTwins("built", built)


def test_a_scene_of_boxes_alone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    def boxes(config: BuildConfig, plan: object) -> Scene:
        scene = open_scene(config, plan)
        return replace(scene, objects=tuple(replace(item, meshes=()) for item in scene.objects))

    monkeypatch.setattr(clips, "open_scene", boxes)
    with pytest.raises(ValueError, match="twins is 2, but no object of scene 'procedural_070000' has meshes"):
        build_folder(CONFIG, tmp_path / "boxes")
