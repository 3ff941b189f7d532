"""Debiased builds of toy rooms: in every other one words tell the sizes, in the rest nothing does."""

from __future__ import annotations

import json
import re
import shutil
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
from ocr_hf.data.debias_rows import TargetNotMet
from ocr_hf.data.load import load
from ocr_hf.data.schema import MANIFEST
from ocr_hf.data.staging import FolderExistsError
from ocr_hf.questions.question import Generated, Question
from ocr_hf.questions.templates import render
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.scenes.scene import Scene
from ocr_hf.text_only.constants import floor_score
from ocr_hf.text_only.text_statistic import text_scores
from tests.data.conftest import digests, small_config
from tests.data.test_commands import run
from tests.data.toy import open_toy

SCENES = 20


class Killed(BaseException):
    """Stands for the process's end."""


def excess(rows: list[dict]) -> float:
    return text_scores(rows).score.mean() - floor_score(rows)


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


HALF = small_config(scenes=SCENES, frames=2, width=48, height=32, debias=0.1, select="queried", seed=0)
_renderers: list[Renderer] = []


def same_renderer(scene: Scene) -> Renderer:
    """All rooms are the same: light is baked once."""
    if not _renderers:
        _renderers.append(Renderer(scene))
    return _renderers[0]


def use_toys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(clips_module, "open_scene", open_same)
    patch.setattr(clips_module, "Renderer", same_renderer)
    patch.setattr(clips_module, "generate_questions", half_told)


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> BuildConfig:
    """A build of rooms in half of which words tell the answers."""
    use_toys(monkeypatch)
    return HALF


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its finished clips, before anything is chosen of them."""
    out = tmp_path_factory.mktemp("made") / "out"
    with pytest.MonkeyPatch.context() as patch:
        use_toys(patch)
        patch.setattr(assemble_module, "debias", die)
        with pytest.raises(Killed):
            build_folder(HALF, out)
    return out.with_name("out.incomplete")


def die(*_: object, **__: object) -> None:
    raise Killed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It, built in one go."""
    folder = tmp_path_factory.mktemp("debiased") / "out"
    with pytest.MonkeyPatch.context() as patch:
        use_toys(patch)
        build_folder(HALF, folder)
    return folder


def test_a_debiased_build_holds_what_is_left_and_nothing_else(
    made: Path, whole: Path, half: BuildConfig, tmp_path: Path
) -> None:
    """Finished clips can be put together without `debias` as well."""
    shutil.copytree(made, tmp_path / "all.incomplete")
    build_folder(replace(half, debias=None), tmp_path / "all", resume=True)
    shutil.copytree(whole, tmp_path / "out")
    manifest = json.loads((whole / MANIFEST).read_text())
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
        use_toys(patch)
        patch.setattr(clips_module, "generate_questions", told_questions)
        build_folder(enough, tmp_path / "fresh")
    assert digests(out) == digests(tmp_path / "fresh")
    assert json.loads((out / MANIFEST).read_text())["config"]["debias"] == enough.debias


@pytest.mark.parametrize("place", ["debias", "text_only_audit", "render_card", "rmtree", "_remove_strays", "unlink"])
def test_a_debiased_build_that_dies_anywhere_resumes_to_the_same_bytes(
    made: Path, whole: Path, half: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    out, real, calls = tmp_path / "out", Path.unlink, []
    shutil.copytree(made, tmp_path / "out.incomplete")

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
            build_folder(half, out, resume=True)
        assert not out.exists()
    if place in ("rmtree", "_remove_strays", "unlink"):  # assembled: the rows are chosen, and videos may be gone
        with pytest.raises(FolderExistsError, match=r"debias 0.1 \(now None\)"):
            build_folder(replace(half, debias=None), out, resume=True)
    build_folder(half, out, resume=True)
    assert digests(out) == digests(whole)


def test_a_finished_folder_is_not_taken_for_one_with_another_target(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "out")
    assert build_folder(HALF, tmp_path / "out", resume=True)["config"]["debias"] == 0.1
    for other in (None, 0.2):
        with pytest.raises(FolderExistsError, match="debias 0.1 .now"):
            build_folder(replace(HALF, debias=other), tmp_path / "out", resume=True)


def test_the_flag_and_the_yaml_key_are_the_field(
    made: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that says anything else doesn't continue these clips."""
    names = ("scenes", "rooms", "frames", "seconds", "width", "height", "select", "seed", "debias")
    given = {name: getattr(HALF, name) for name in names}
    (tmp_path / "build.yaml").write_text("\n".join(f"{name}: {value}" for name, value in given.items()))
    flags = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    for name, options in (("flags", flags), ("yaml", ["--config", str(tmp_path / "build.yaml")])):
        shutil.copytree(made, tmp_path / f"{name}.incomplete")
        assert run("build", *options, "--resume", "--out", str(tmp_path / name)) == 0
        told = capsys.readouterr().out
        assert "of object_size_estimation" in told and "words alone" in told
        assert digests(tmp_path / name) == digests(whole)


def test_a_refusal_is_one_sentence_on_the_command_line(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise TargetNotMet("debias is 0.1, which can't be met; use --debias 0.2")

    shutil.copytree(made, tmp_path / "out.incomplete")
    monkeypatch.setattr(assemble_module, "debias", refuse)
    names = ("scenes", "rooms", "frames", "seconds", "width", "height", "select", "seed", "debias")
    flags = [word for name in names for word in (f"--{name}", str(getattr(HALF, name)))]
    assert run("build", *flags, "--resume", "--out", str(tmp_path / "out")) == 1
    assert "use --debias 0.2" in " ".join(capsys.readouterr().err.split())
    assert digests(tmp_path / "out.incomplete") == digests(made)
