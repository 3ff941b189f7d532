"""Recipes of scans: whoever has the scans makes the builder's clips of them, byte for byte, and nothing else."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import namedtuple
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ocr_hf.cards.check import check_dataset_card
from ocr_hf.cli import main
from ocr_hf.data import build_folder as build_module
from ocr_hf.data import build_lock as lock_module
from ocr_hf.data import join_scans as join_module
from ocr_hf.data import video as video_module
from ocr_hf.data.assemble import NothingBuilt
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_lock import build_lock
from ocr_hf.data.convert_scan import convert_scan
from ocr_hf.data.join_scans import SCANS as VARIABLE
from ocr_hf.data.join_scans import join_config, join_scans
from ocr_hf.data.load import load
from ocr_hf.data.scan_recipes import questions_digest, read_recipes
from ocr_hf.data.scans_source import copy_state
from ocr_hf.data.schema import RECIPES, FormatError
from ocr_hf.data.write_recipes import write_recipes
from ocr_hf.scenes.recorded.intake_format import CONVERTED
from tests.scan_exports import SCENE_ID, VIDEO
from tests.scannet_files import SCAN
from tests.scans_copy import SCANS, rows_and_videos, write_built, write_copy


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of three scans (`scans`), what a builder made of them, and its recipes (`recipes`)."""
    root = tmp_path_factory.mktemp("builder")
    built = write_built(root, write_copy(root / "scans"))
    write_recipes(built, root / "recipes")
    return root


@pytest.fixture
def copied(place: Path, tmp_path: Path) -> Path:
    """Another copy of the recipes, to be changed."""
    return Path(shutil.copytree(place / "recipes", tmp_path / "recipes"))


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]


def write_lines(folder: Path, lines: list[dict[str, Any]]) -> None:
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def skipped(manifest: dict[str, Any]) -> str:
    return "\n".join(manifest["statistics"]["skipped_clips"])


@pytest.mark.parametrize("root", ["scans", "recordings"])
def test_another_copy_gives_the_builders_bytes(root: str, place: Path, tmp_path: Path) -> None:
    """Videos, questions, card and all: of scans as they are downloaded, and of converted ones."""
    manifest = join_scans(place / "recipes", place / root, tmp_path / "joined")
    assert rows_and_videos(tmp_path / "joined") == rows_and_videos(place / "ocr-vsi-scans")
    videos = list((tmp_path / "joined/train/noisy").glob("*.mp4"))
    assert len(videos) > 6 and not manifest["statistics"]["skipped_clips"]
    assert manifest["config"]["source"] == "scans" and str(place) not in json.dumps(manifest)


def test_recipes_hold_nothing_of_the_scans(place: Path) -> None:
    assert sorted(path.name for path in (place / "recipes").iterdir()) == ["README.md", RECIPES, "train.jsonl"]
    text = "".join(path.read_text() for path in sorted((place / "recipes").iterdir()))
    for split in (place / "ocr-vsi-scans").glob("train"):
        for row in pq.read_table(split / "metadata.parquet").to_pylist():
            assert row["question"] not in text and row["reasoning"] not in text
            for value in (*row["objects"][0]["center"], *np.ravel(row["camera_to_world"][0])[:4]):
                assert len(repr(value)) < 6 or repr(value) not in text
    converted = {line["scene_name"]: line["converted"] for line in lines_of(place / "recipes")}
    assert converted[SCAN] == {
        "from": "scannet", "every": 1, "camera": None, "dataset": None, "labels": {"table": "desk"}
    }  # fmt: skip
    assert (converted[SCENE_ID]["camera"], converted[VIDEO]["camera"]) == ("iphone", "lowres_wide")
    assert json.loads((place / f"recordings/{SCAN}/{CONVERTED}").read_text()) == converted[SCAN]


def test_scans_that_a_copy_lacks_are_named_and_the_rest_is_made(place: Path, tmp_path: Path) -> None:
    """Row ids, and with them the noise, stay those of the builder."""
    root = tmp_path / "scans"
    shutil.copytree(place / "scans/arkitscenes", root / "arkitscenes")
    manifest = join_scans(place / "recipes", root, tmp_path / "joined")
    assert manifest["statistics"]["skipped_clips"] == {
        f"the scene can't be made: your copy has no folder {name}": 1 for name in (SCAN, SCENE_ID)
    }
    theirs, ours = (
        pq.read_table(folder / "train/metadata.parquet").to_pylist()
        for folder in (place / "ocr-vsi-scans", tmp_path / "joined")
    )
    assert ours and ours == [row for row in theirs if row["scene_name"] == VIDEO]
    videos = rows_and_videos(place / "ocr-vsi-scans")
    found = {name: digest for name, digest in rows_and_videos(tmp_path / "joined").items() if name.endswith(".mp4")}
    assert found == {name: digest for name, digest in videos.items() if name.endswith(".mp4") and VIDEO in name}
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingBuilt, match=f"your copy has no folder {SCAN}"):
        join_scans(place / "recipes", tmp_path / "empty", tmp_path / "nothing")


def change_a_picture(root: Path) -> None:
    for path in (root / SCANS[VIDEO][1] / f"{VIDEO}_frames/lowres_wide").glob("*.png"):
        pixels = np.array(Image.open(path))
        pixels[0, 0] ^= 1
        Image.fromarray(pixels).save(path)


def change_a_label(root: Path) -> None:
    path = root / SCANS[VIDEO][1] / f"{VIDEO}_3dod_annotation.json"
    path.write_text(path.read_text().replace('"sofa"', '"bed"'))


def change_the_depth(root: Path) -> None:
    for path in (root / SCANS[VIDEO][1] / f"{VIDEO}_frames/lowres_depth").glob("*.png"):
        depth = np.array(Image.open(path))
        depth[:, ::3] = 0
        Image.fromarray(depth).save(path)


def test_of_several_folders_it_is_the_one_with_the_recipes_pictures(place: Path, tmp_path: Path) -> None:
    """ARKitScenes has a video in 3dod and in raw; what was converted otherwise lies beside the scans."""
    root = tmp_path / "scans"
    shutil.copytree(place / "scans/arkitscenes", root / "arkitscenes")
    other = Path(shutil.copytree(root / "arkitscenes/3dod", root / "arkitscenes/1dod")) / f"Training/{VIDEO}"
    convert_scan("arkitscenes", other, root)
    for path in (other / f"{VIDEO}_frames/lowres_wide").glob("*.png"):
        Image.fromarray(np.array(Image.open(path)) ^ 1).save(path)
    before = set(Path(tempfile.gettempdir()).glob("ocr-hf-scan-*"))
    join_scans(place / "recipes", root, tmp_path / "joined")
    assert [path.name for path in (tmp_path / "joined/train/vanilla").glob("*.mp4")] == [f"{VIDEO}_00.mp4"]
    shutil.rmtree(root / "arkitscenes/3dod")
    with pytest.raises(NothingBuilt, match=f"none of your 2 folders {VIDEO} has the recipe's pictures"):
        join_scans(place / "recipes", root, tmp_path / "nothing")
    gc.collect()
    assert set(Path(tempfile.gettempdir()).glob("ocr-hf-scan-*")) <= before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_a_picture, f"{VIDEO}_00: its pictures aren't the recipe's; your copy may be of another version"),
        (change_a_label, f"{VIDEO}_00: its questions aren't the recipe's; your annotation may be of another version"),
        (change_the_depth, f"{VIDEO}_00: its (noise|questions) .* of another version"),
    ],
)
def test_a_copy_of_another_version_is_noticed(
    change: Callable[[Path], None], reason: str, place: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(place / "scans", tmp_path / "scans"))
    change(root)
    manifest = join_scans(place / "recipes", root, tmp_path / "joined")
    assert re.search(reason, skipped(manifest)) and len(manifest["statistics"]["skipped_clips"]) == 1
    assert manifest["statistics"]["splits"]["train"]["scenes"] == 2
    assert not list((tmp_path / "joined").rglob(f"{VIDEO}*.mp4"))


def test_other_noise_is_noticed(place: Path, copied: Path, tmp_path: Path) -> None:
    """Where the vanilla video is the recipe's, the encoder can't be the reason."""
    write_lines(copied, [{**line, "noisy_sha256": ["0" * 64]} for line in lines_of(copied) if VIDEO in line["clip_id"]])
    change_told(ocr_hf="0.0.9")(copied)
    told = r"its noise isn't the recipe's; your depth or masks may be of another version, or ocr-hf 0\.0\.9 did it"
    with pytest.raises(NothingBuilt, match=told):
        join_scans(copied, place / "recordings", tmp_path / "joined")


def test_another_encoder_is_told_and_its_clips_are_kept(
    place: Path, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(video_module._X264, "crf", "15")
    told = json.loads((copied / RECIPES).read_text())
    told["libraries"]["av"] = "1.2.3"
    (copied / RECIPES).write_text(json.dumps(told))
    manifest = join_scans(copied, place / "recordings", tmp_path / "joined")
    notes = manifest["statistics"]["recorded"]["notes"]
    assert len(notes) == 3 and not manifest["statistics"]["skipped_clips"]
    assert all(
        re.search(r"pictures in other bytes \(av [\d.]+, the recipe's 1\.2\.3\)", each[-1]) for each in notes.values()
    )


def test_only_the_kept_questions_are_made(place: Path, copied: Path, tmp_path: Path) -> None:
    """As where the builder dropped some by `debias`."""
    lines = lines_of(copied)
    (line,) = [line for line in lines if line["scene_name"] == VIDEO]
    rows = pq.read_table(place / "ocr-vsi-scans/train/metadata.parquet").to_pylist()
    kept = [row for row in rows if row["scene_name"] == VIDEO][1:3]
    line["question_numbers"] = [row["id"] % 1000 for row in kept]
    line["questions_sha256"] = questions_digest(kept)
    names = [Path(row["noisy_file_name"]).stem for row in kept]
    digests = rows_and_videos(place / "ocr-vsi-scans")
    line["noisy_sha256"] = [digests[f"train/noisy/{name}.mp4"] for name in dict.fromkeys(names)]
    write_lines(copied, [line])
    manifest = join_scans(copied, place / "recordings", tmp_path / "joined")
    assert skipped(manifest) == "the scene can't be made: the recipes leave it out"
    made = pq.read_table(tmp_path / "joined/train/metadata.parquet").to_pylist()
    # Copies are numbered in the order in which they are made, those of dropped questions too
    assert made == kept


def change_line(**values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        lines = lines_of(folder)
        write_lines(folder, [{**lines[0], **values}, *lines[1:]])

    return change


def change_told(**values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        told = json.loads((folder / RECIPES).read_text())
        told["config"] |= values.pop("config", {})
        (folder / RECIPES).write_text(json.dumps({**told, **values}))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_told(version=2), "has version 2, this ocr-hf reads up to 1; upgrade with `pip install -U ocr-hf`"),
        (change_told(frames="x"), "frames"),
        (change_told(config={"models": "/etc"}), "config: .*models"),
        (change_told(config={"scenes": 10**9}), "scenes is 1000000000; give a whole number, 1 to 10000"),
        (change_told(config={"clips_per_scene": True}), "clips_per_scene is true"),
        (change_told(config={"frames": "4"}), 'frames is "4"; give a whole number'),
        (change_told(config={"source_options": "a=1"}), "source_options is .*; give an object or null"),
        (change_told(splits={"../train": {}}), "splits are ../train"),
        (change_told(splits={"test": {}}), "names the split test, and test.jsonl is not there"),
        (change_line(scene_name="../../etc", clip_id="../../etc_00"), r"name is '../../etc'; give a folder's name"),
        (change_line(scene_name="/etc", clip_id="/etc_00"), "name is '/etc'"),
        (change_line(clip_id="../../x_00"), "isn't clip 0 of"),
        (change_line(index=7), "isn't clip 7 of"),
        (change_line(index=1), "isn't clip 1 of|is .* and "),
        (change_line(frames=["iVBORw0KGgo="]), "frames"),
        (change_line(dataset="A" * 5000), "a text of 5,000 letters"),
        (change_line(vanilla_sha256="x"), 'vanilla_sha256 is "x"; give a SHA-256'),
        (change_line(question_numbers=[1000]), "a clip has a question, and at most 1000"),
        (change_line(question_numbers=[]), "a clip has a question"),
        (change_line(converted={"from": "scenezoo", "every": 1, "dataset": "../.."}), "converted is"),
        (lambda folder: (folder / "train.jsonl").write_text("{"), "train.jsonl, line 1 is no JSON"),
        (lambda folder: (folder / RECIPES).write_bytes(b"\xff"), "is no JSON"),
        (lambda folder: (folder / RECIPES).unlink(), f"holds no {RECIPES}; give a folder"),
    ],
)
def test_broken_or_hostile_recipes_are_refused(
    change: Callable[[Path], None], message: str, place: Path, copied: Path, tmp_path: Path
) -> None:
    change(copied)
    with pytest.raises(FormatError, match=message):
        join_scans(copied, place / "scans", tmp_path / "joined")
    assert not list(tmp_path.glob("joined*"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**12) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=JSON)
def test_whatever_recipes_hold_is_read_or_refused(data: st.DataObject, value: Any, place: Path, copied: Path) -> None:
    """In one sentence, and the check before a push says so, too."""
    shutil.copytree(place / "recipes", copied, dirs_exist_ok=True)
    told, lines = json.loads((copied / RECIPES).read_text()), lines_of(copied)
    part = data.draw(st.sampled_from([told, told["config"], told["splits"], lines[0], lines[0]["converted"]]))
    part[data.draw(st.sampled_from([*part, "x"]))] = value
    (copied / RECIPES).write_text(json.dumps(told))
    write_lines(copied, lines)
    with suppress(ValueError):
        join_config(copied, place / "scans")
    list(check_dataset_card(copied))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"frames": 10**9}, "frames of 96x72 take"),
        ({"mode": "theirs"}, "mode"),
        ({"source_options": {"margin_m": 7.0}}, "margin_m is 7.0"),
    ],
)
def test_options_that_cannot_be_are_refused(config: dict[str, Any], message: str, place: Path, copied: Path) -> None:
    change_told(config=config)(copied)
    with pytest.raises(ValueError, match=message):
        join_config(copied, place / "scans")


def test_options_are_those_of_the_recipes(place: Path) -> None:
    known = join_config(place / "recipes", place / "scans")
    with pytest.raises(ValueError, match="width is 64, the recipes have 96; use `ocr-hf join`"):
        BuildConfig(**read_recipes(place / "recipes").config | {"width": 64}, source="scans", root=known.root,
                    recipes=known.recipes)  # fmt: skip
    with pytest.raises(ValueError, match="source scans needs recipes and the scans"):
        BuildConfig(source="scans")
    with pytest.raises(ValueError, match="nowhere, which is no folder; give the one with your copy"):
        join_config(place / "recipes", "nowhere")


def test_rooms_of_vsi_bench_are_refused(place: Path, copied: Path, tmp_path: Path) -> None:
    """A recipe that names one, and a scan that is one under another name."""
    lines = lines_of(copied)
    for line in lines:
        if line["scene_name"] == SCAN:
            line |= {"scene_name": "scene0251_01", "clip_id": "scene0251_01_00"}
    write_lines(copied, lines)
    root = Path(shutil.copytree(place / "recordings", tmp_path / "recordings"))
    (root / SCAN).rename(root / "scene0251_01")
    told = json.loads((root / SCENE_ID / "cameras.json").read_text()) | {"scan": "scene0251_00"}
    (root / SCENE_ID / "cameras.json").write_text(json.dumps(told))
    manifest = join_scans(copied, root, tmp_path / "joined")
    assert "not for training: scene0251_01 shows the same room as a scene of VSI-Bench's test set" in skipped(manifest)
    assert "not for training: scene0251_00 is a scene of VSI-Bench's test set" in skipped(manifest)
    assert [path.name for path in (tmp_path / "joined/train/vanilla").glob("*.mp4")] == [f"{VIDEO}_00.mp4"]


def test_recipes_are_of_recorded_scenes_that_this_version_built(place: Path, built: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was built from source procedural, not of recorded scenes; publish a"):
        write_recipes(built, tmp_path / "out")
    join_scans(place / "recipes", place / "recordings", tmp_path / "joined")
    with pytest.raises(FormatError, match="recipes holds recipes of scans and no videos; make them with `ocr-hf join"):
        write_recipes(place / "recipes", tmp_path / "out")
    with pytest.raises(ValueError, match="was joined from recipes; publish those"):
        write_recipes(tmp_path / "joined", tmp_path / "out")
    old = Path(shutil.copytree(place / "ocr-vsi-scans", tmp_path / "old"))
    text = (old / "scenes.jsonl").read_text()
    (old / "scenes.jsonl").write_text(re.sub(r', "pictures_sha256": "\w+"', "", text))
    with pytest.raises(ValueError, match="no digest of the pictures of .*; build it again with this one"):
        write_recipes(old, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache/ocr_vsi_joined"


def test_load_joins_once(
    place: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    with pytest.raises(ValueError, match=f"holds recipes of scans and no videos; name .* variable {VARIABLE}"):
        load(place / "recipes")
    rows = load(place / "recipes", "pairs", split="train", scans=place / "scans")
    (folder,) = [path for path in cache.iterdir() if not path.name.startswith(".")]
    assert rows_and_videos(folder) == rows_and_videos(place / "ocr-vsi-scans")
    assert rows[0]["vanilla"]["path"].startswith(str(folder)) and "noisy" in rows.column_names
    monkeypatch.setattr(build_module, "make_clips", None)
    monkeypatch.setenv(VARIABLE, str(place / "scans"))
    again = load(place / "recipes", "recipes", split="train")
    assert again[0]["vanilla"] == rows[0]["vanilla"] and "noisy" not in again.column_names
    streamed = next(iter(load(place / "recipes", "pairs", split="train", streaming=True)))
    assert streamed["id"] == rows[0]["id"]
    assert not [warning for warning in recwarn if "left out" in str(warning.message)]


def test_scans_that_were_added_make_another_folder(place: Path, cache: Path, tmp_path: Path) -> None:
    root = tmp_path / "scans"
    for name, scans in ((VIDEO, 1), (SCAN, 2)):
        shutil.copytree(place / "recordings" / name, root / name)
        with pytest.warns(UserWarning, match=f"clips left out: .*your copy has no folder {SCENE_ID} .1."):
            rows = load(place / "recipes", split="train", scans=root)
        assert len(set(rows["scene_name"])) == scans


def test_a_scan_that_was_half_there_is_made_once_it_is_whole(
    place: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download that was going on is told of, with the folder that keeps this; what is whole is never made again."""
    root = tmp_path / "scans"
    shutil.copytree(place / "recordings" / VIDEO, root / VIDEO)
    pictures = sorted((root / VIDEO / "frames").iterdir())
    whole = {path: path.read_bytes() for path in pictures}
    # All of the frames are named, and the last of them have no bytes yet
    for path in pictures[1:]:
        path.write_bytes(b"")
    with pytest.raises(NothingBuilt, match="complete your copy of the scans in .*scans; .* remove .*incomplete, which"):
        load(place / "recipes", split="train", scans=root)
    for path, content in whole.items():
        path.write_bytes(content)
    with pytest.warns(UserWarning, match=f"clips left out: .*{SCENE_ID} .*once {cache}/.* is removed"):
        rows = load(place / "recipes", split="train", scans=root)
    assert set(rows["scene_name"]) == {VIDEO}
    for name in (SCAN, SCENE_ID):
        shutil.copytree(place / "recordings" / name, root / name)
    rows = load(place / "recipes", split="train", scans=root)
    assert len(set(rows["scene_name"])) == 3
    monkeypatch.setattr(build_module, "make_clips", None)
    shutil.rmtree(root / SCAN)
    assert load(place / "recipes", split="train", scans=root)[0]["vanilla"] == rows[0]["vanilla"]


def test_what_a_copy_has_is_told_by_names_and_lengths(place: Path, tmp_path: Path) -> None:
    """Above the scan's folder, too; links back up, hidden files and what is no scan of the recipes don't matter."""
    root = Path(shutil.copytree(place / "scans", tmp_path / "scans"))
    recipes = read_recipes(place / "recipes")
    video = root / SCANS[VIDEO][1]
    (video / "up").symlink_to(video)
    states = [copy_state(root, recipes)]
    (video / ".part").write_bytes(b"1")
    (root / "arkitscenes/another").mkdir()
    (root / "arkitscenes/another/file").write_bytes(b"1")
    assert copy_state(root, recipes) == states[0]
    for path in (next(video.rglob("*.png")), video / "new/file", next(root.rglob("metadata.csv"))):
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            file.write(b"1")
        states.append(copy_state(root, recipes))
    assert len(set(states)) == 4


def test_whoever_waits_is_told_for_what(place: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that another machine left behind is never released: once, and with the file to remove."""
    locks = []

    def build(config: BuildConfig, folder: Path, resume: bool) -> dict[str, Any]:
        if not locks:
            locks.append(folder.with_name(f".{folder.name}.lock"))
            locks[0].parent.mkdir(parents=True)
            locks[0].write_text(json.dumps({"host": "old-container", "pid": 7}))
        return build_module.build_folder(config, folder, resume=resume)

    looks = []

    def look(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            locks[0].unlink()

    monkeypatch.setattr(join_module, "build_folder", build)
    monkeypatch.setattr(join_module.time, "sleep", look)
    with pytest.warns(UserWarning) as told:
        load(place / "recipes", split="train", scans=place / "recordings")
    (waiting,) = [str(each.message) for each in told if "waiting" in str(each.message)]
    assert "process 7 on old-container" in waiting and f"{locks[0]} says; if that process is gone, remove" in waiting


def test_a_second_process_waits_and_a_full_disk_leaves_nothing_half(
    place: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is the build's, which holds between processes and machines (test_build_lock.py)."""
    usage = namedtuple("Usage", "total used free")(1, 1, 0)
    with monkeypatch.context() as full:
        full.setattr(lock_module.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(OSError, match="MB free and the build writes at least"):
            load(place / "recipes", split="train", scans=place / "recordings")
    (left,) = [path for path in cache.iterdir() if not path.name.startswith(".")]
    assert left.suffix == ".incomplete"
    monkeypatch.setattr(join_module, "WAIT_S", 0.05)
    held = threading.Event()

    def hold() -> None:
        with build_lock(left.with_suffix("")):
            held.set()
            time.sleep(0.4)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(5)
    begun = time.monotonic()
    rows = load(place / "recipes", split="train", scans=place / "recordings")
    assert time.monotonic() - begun > 0.3 and len(rows) > 10
    other.join()
    assert rows_and_videos(left.with_suffix("")) == rows_and_videos(place / "ocr-vsi-scans")


def test_the_command(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["join", str(place / "recipes"), "--root", str(place / "recordings"), "--out", str(tmp_path / "joined")]
    for wrong, told in (
        (["--executor", "cloud"], "executor is 'cloud'"),
        (["--sbatch", "partition=cpu"], "which goes with --executor slurm"),
        (["--num-proc", "0"], "give at least 1 worker"),
    ):
        with pytest.raises(SystemExit):
            main([*words, *wrong])
        assert told in capsys.readouterr().err and not (tmp_path / "joined").exists()
    for more, code in (([], 0), (["--json", "--resume"], 0), ([], 1)):
        with pytest.raises(SystemExit) as ended:
            main([*words, *more])
        assert (ended.value.code or 0) == code
        told = capsys.readouterr()
        if more:
            assert json.loads(told.out)["splits"]["train"]["clips"] == 3
        elif code:
            assert "exists; add --resume" in told.err
        else:
            assert "Load it:" in told.out and "Publish it" not in told.out


LOAD = """
import sys
from pathlib import Path
from ocr_hf.data.load import load
rows = load(sys.argv[1], split="train", scans=sys.argv[2])
print(Path(rows[0]["vanilla"]["path"]).parents[2])
"""


@pytest.mark.slow
def test_killed_and_taken_up_by_two_at_once(place: Path, root: Path, tmp_path: Path) -> None:
    known = {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}

    def start() -> subprocess.Popen:
        command = [sys.executable, "-c", LOAD, str(place / "recipes"), str(place / "scans")]
        return subprocess.Popen(command, env={**os.environ, **known}, stdout=subprocess.PIPE, text=True)

    killed = start()
    while not list((tmp_path / "cache").glob("ocr_vsi_joined/*.incomplete/.parts/*_00.json")):
        assert killed.poll() is None
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert not list((tmp_path / "cache").glob("ocr_vsi_joined/*/ocr_vsi.json"))
    both = [start(), start()]
    (folder,) = {each.communicate(timeout=250)[0].strip() for each in both}
    assert rows_and_videos(Path(folder)) == rows_and_videos(place / "ocr-vsi-scans")


@pytest.mark.slow
def test_workers_make_the_same(place: Path, tmp_path: Path) -> None:
    join_scans(place / "recipes", place / "scans", tmp_path / "joined", num_proc=2)
    words = ["join", str(place / "recipes"), "--root", str(place / "scans"), "--out", str(tmp_path / "local")]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--executor", "local", "--num-proc", "2"])
    assert not ended.value.code
    for name in ("joined", "local"):
        assert rows_and_videos(tmp_path / name) == rows_and_videos(place / "ocr-vsi-scans")
