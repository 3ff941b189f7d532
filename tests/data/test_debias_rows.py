"""`debias`: the target is met or the build refused, at least half stays, and nothing is left over."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ocr_hf.data import assemble as assemble_module
from ocr_hf.data import make_clips as clips_module
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.build_plan import ScenePlan
from ocr_hf.data.debias_rows import TargetNotMet, debias
from ocr_hf.data.load import load
from ocr_hf.data.schema import MANIFEST
from ocr_hf.data.staging import FolderExistsError
from ocr_hf.questions.question import Generated, Question
from ocr_hf.questions.templates import render
from ocr_hf.scenes.scene import Scene
from ocr_hf.text_only.constants import floor_score
from ocr_hf.text_only.text_statistic import text_scores
from tests.data.conftest import digests, small_config
from tests.data.test_commands import run
from tests.data.toy import open_toy
from tests.text_only.rows import closest, row, sizes

SCENES = 20


class Killed(BaseException):
    """Stands for the process's end."""


def mixed() -> list[dict]:
    """Sizes that follow from the category, and as many of crates, which have any."""
    untold = [item | {"id": item["id"] + 1000, "question": CRATE} for item in sizes(False, 240)]
    return sizes(True, 160) + untold


CRATE = render("object_size_estimation", ["crate"])


def excess(rows: list[dict]) -> float:
    return text_scores(rows).score.mean() - floor_score(rows)


@pytest.mark.parametrize("target", [0.1, 0.05])
def test_the_target_is_met_by_dropping_what_words_tell(target: float) -> None:
    rows = mixed() + [item | {"id": item["id"] + 5000} for item in closest(False)]
    found = debias(rows, target)
    left = [item for item in rows if item["id"] not in found.dropped]
    for kind in ("object_size_estimation", "object_rel_distance"):
        before, after = ([item for item in part if item["question_type"] == kind] for part in (rows, left))
        assert excess(after) <= target + 1e-9 and len(after) >= len(before) / 2
        assert found.by_type.get(kind, 0) == len(before) - len(after)
    assert found.by_type["object_size_estimation"] > 40
    told = sum(row_id < 1000 for row_id in found.dropped if row_id < 5000)
    assert told > 0.7 * found.by_type["object_size_estimation"]
    assert debias(rows[::-1], target) == found


def test_questions_that_tell_nothing_stay() -> None:
    assert debias(sizes(False), 0.1).dropped == frozenset() == debias(closest(False), 0.1).dropped


def test_a_target_out_of_reach_is_refused_with_one_that_is_met() -> None:
    rows = sizes(True)
    with pytest.raises(TargetNotMet, match=r"object_size_estimation \(still 0\.\d+ above its floor\)") as refused:
        debias(rows, 0.05)
    assert "\n" not in str(refused.value) and "--resume" in str(refused.value)
    enough = float(re.search(r"use --debias ([\d.]+)", str(refused.value))[1])
    found = debias(rows, enough)
    assert len(found.dropped) <= len(rows) / 2
    with pytest.raises(TargetNotMet):
        debias(rows, enough - 0.01)


def test_types_that_cannot_be_judged_stay_and_alone_are_refused() -> None:
    few = [item | {"scene_name": "room_0", "id": item["id"] + 5000} for item in closest(True, 40)]
    odd = row(9000, "room_size_estimation", [], "0")
    found = debias([*mixed(), *few, odd], 0.1)
    assert found.by_type.keys() == {"object_size_estimation"}
    with pytest.raises(TargetNotMet, match="no question type is asked in 5 scenes"):
        debias(few, 0.1)


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_a_target_is_a_share_of_the_score(value: float) -> None:
    with pytest.raises(ValueError, match="debias is .*such as 0.05"):
        BuildConfig(scenes=9, debias=value)


def test_too_few_scenes_are_refused_before_any_work() -> None:
    with pytest.raises(ValueError, match="build at least 5"):
        BuildConfig(scenes=4, debias=0.1)
    assert "debias" not in BuildConfig().public() and BuildConfig(scenes=5, debias=0.1).public()["debias"] == 0.1


# Builds of toy rooms: in every other one words tell the sizes, in the rest nothing does.


def open_same(config: BuildConfig, plan: ScenePlan) -> Scene:
    """The same toy room every time, so that clips differ in nothing but their questions."""
    return open_toy(config, ScenePlan(plan.index, plan.name, 3, plan.split, plan.clips))


def told_questions(scene: Scene, *_: object) -> Generated:
    """Four sizes that their categories tell."""
    return sizes_of([("sofa", "200"), ("cup", "10"), ("tv", "60"), ("lamp", "110")])


def half_told(scene: Scene, *rest: object) -> Generated:
    """Of every other room what `told_questions` asks, of the rest four tables of any size."""
    number = int(scene.name[-3:])
    if number % 2 == 0:
        return told_questions(scene, *rest)
    random = np.random.default_rng(number)
    return sizes_of([("table", f"{10 * 1.4 ** random.uniform(0, 9):.0f}") for _ in range(4)])


def sizes_of(things: list[tuple[str, str]]) -> Generated:
    rows = []
    for place, (thing, truth) in enumerate(things, start=1):
        question = render("object_size_estimation", [thing])
        rows.append(Question("object_size_estimation", question, None, truth, "<think>.</think>", (place,), ()))
    return Generated(tuple(rows), Counter())


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> BuildConfig:
    """A build of rooms in half of which words tell the answer."""
    monkeypatch.setattr(clips_module, "open_scene", open_same)
    monkeypatch.setattr(clips_module, "generate_questions", half_told)
    return small_config(scenes=SCENES, frames=2, debias=0.1, select="queried", seed=0)


def test_a_debiased_build_holds_what_is_left_and_nothing_else(half: BuildConfig, tmp_path: Path) -> None:
    build_folder(replace(half, debias=None), tmp_path / "all")
    manifest = build_folder(half, tmp_path / "out")
    every, rows = (pq.read_table(tmp_path / name / "train/metadata.parquet").to_pylist() for name in ("all", "out"))
    assert excess(rows) <= 0.1 + 1e-9 < excess(every) and len(rows) >= len(every) / 2
    kept = {item["id"] for item in rows}
    assert rows == [item for item in every if item["id"] in kept]
    statistics = manifest["statistics"]
    gone = {item["clip_id"] for item in every} - {item["clip_id"] for item in rows}
    assert gone, "clips whose rows all go"
    assert statistics["debias"] == {
        "dropped_questions": {"object_size_estimation": len(every) - len(rows)},
        "dropped_clips": len(gone),
    }
    assert manifest["config"]["debias"] == 0.1
    counts = statistics["splits"]["train"]
    assert (counts["rows"], counts["clips"]) == (len(rows), SCENES - len(gone))
    named = {item[f"{name}_file_name"] for item in rows for name in ("vanilla", "noisy")}
    assert {str(file.relative_to(tmp_path / "out/train")) for file in tmp_path.rglob("out/**/*.mp4")} == named
    assert counts["noisy_videos"] == len(named) - counts["clips"]
    scenes = [json.loads(line) for line in (tmp_path / "out/scenes.jsonl").read_text().splitlines()]
    assert {clip for scene in scenes for clip in scene["clips"]} == {item["clip_id"] for item in rows}
    card = (tmp_path / "out/README.md").read_text()
    assert f"{len(every) - len(rows)} of object_size_estimation" in card and f"all of theirs: {len(gone)}." in card
    assert len(load(tmp_path / "out", split="train")) == len(rows)


def test_a_refused_target_leaves_finished_clips_only_and_a_reachable_one_goes_on(
    half: BuildConfig, tmp_path: Path
) -> None:
    out, staging = tmp_path / "out", tmp_path / "out.incomplete"
    strict = replace(half, debias=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips_module, "generate_questions", told_questions)
        with pytest.raises(TargetNotMet) as refused:
            build_folder(strict, out)
        assert [item.name for item in tmp_path.iterdir()] == ["out.incomplete"]
        left = {file.name for file in staging.rglob("*") if file.is_file() and file.suffix not in (".mp4", ".parquet")}
        assert left == {"build.json"} | {file.name for file in (staging / ".parts").glob("*.json")}
        assert not list(staging.rglob("metadata.parquet"))
        enough = replace(half, debias=float(re.search(r"use --debias ([\d.]+)", str(refused.value))[1]))
        rendered: list[object] = []
        patch.setattr(clips_module, "write_mp4", lambda *_: rendered.append(_))
        build_folder(enough, out, resume=True)
        assert not rendered, "clips don't depend on the target"
        patch.undo()
        patch.setattr(clips_module, "open_scene", open_same)
        patch.setattr(clips_module, "generate_questions", told_questions)
        build_folder(enough, tmp_path / "fresh")
    assert digests(out) == digests(tmp_path / "fresh")
    assert json.loads((out / MANIFEST).read_text())["config"]["debias"] == enough.debias


@pytest.mark.parametrize("place", ["debias", "text_only_audit", "render_card", "rmtree", "_remove_strays", "unlink"])
def test_a_debiased_build_that_dies_anywhere_resumes_to_the_same_bytes(
    half: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    build_folder(half, tmp_path / "whole")
    out, real, calls = tmp_path / "out", Path.unlink, []

    def die(*_: object, **__: object) -> None:
        raise Killed

    def die_at_the_second_video(path: Path, **options: object) -> None:
        if path.suffix == ".mp4":
            calls.append(path)
            if len(calls) == 2:
                raise Killed
        real(path, **options)

    with monkeypatch.context() as patch:
        if place == "unlink":
            patch.setattr(Path, "unlink", die_at_the_second_video)
        elif place == "rmtree":
            patch.setattr(assemble_module.shutil, "rmtree", die)
        else:
            patch.setattr(assemble_module, place, die)
        with pytest.raises(Killed):
            build_folder(half, out)
        assert not out.exists()
    if place in ("rmtree", "_remove_strays", "unlink"):  # assembled: the rows are chosen, and videos may be gone
        with pytest.raises(FolderExistsError, match=r"debias 0.1 \(now None\)"):
            build_folder(replace(half, debias=None), out, resume=True)
    build_folder(half, out, resume=True)
    assert digests(out) == digests(tmp_path / "whole")


def test_a_finished_folder_is_not_taken_for_one_with_another_target(half: BuildConfig, tmp_path: Path) -> None:
    build_folder(half, tmp_path / "out")
    assert build_folder(half, tmp_path / "out", resume=True)["config"]["debias"] == 0.1
    for other in (None, 0.2):
        with pytest.raises(FolderExistsError, match="debias 0.1 .now"):
            build_folder(replace(half, debias=other), tmp_path / "out", resume=True)


def test_the_flag_and_the_yaml_key_are_the_field(
    half: BuildConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"scenes": SCENES, "rooms": 1, "frames": 2, "seconds": 8.0, "width": 96, "height": 72, "select": "queried"}
    flags = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    assert run("build", *flags, "--debias", "0.1", "--out", str(tmp_path / "flags")) == 0
    told = capsys.readouterr().out
    assert "of object_size_estimation" in told and "words alone" in told
    (tmp_path / "build.yaml").write_text(
        "\n".join(f"{name}: {value}" for name, value in (given | {"debias": 0.1}).items())
    )
    assert run("build", "--config", str(tmp_path / "build.yaml"), "--out", str(tmp_path / "yaml")) == 0
    build_folder(half, tmp_path / "python")
    assert digests(tmp_path / "flags") == digests(tmp_path / "yaml") == digests(tmp_path / "python")
