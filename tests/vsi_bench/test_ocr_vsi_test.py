"""ocr-vsi-test: unseen, frozen, and the same to every reader."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_hf.cli import main
from ocr_hf.data.build_folder import build_folder
from ocr_hf.vsi_bench import frozen, ocr_vsi_test
from ocr_hf.vsi_bench.frozen import SPLIT, FrozenBenchmark, check_unseen
from ocr_hf.vsi_bench.ocr_vsi_test import FURNISHED_HOMES, HOUSE_CLIPS, OCR_VSI_TEST, ROOMS, parts
from ocr_hf.vsi_bench.open_benchmark import open_benchmark
from ocr_hf.vsi_bench.tasks import TASKS
from tests.vsi_bench.toy_benchmark import TOY

METADATA = Path("rooms") / SPLIT / "vanilla" / "metadata.parquet"


def test_the_record_is_of_these_settings() -> None:
    record = OCR_VSI_TEST.read_record()
    assert record["rooms"]["scenes"] == record["rooms"]["clips"] == ROOMS.scenes >= 200
    assert record["house"]["clips"] == HOUSE_CLIPS and record["house"]["pruned"] == []
    assert record["furnished"]["scenes"] == record["furnished"]["clips"] == FURNISHED_HOMES
    rooms = record["rooms"]
    assert rooms["questions"] - len(rooms["pruned"]) >= 2000
    assert len(set(rooms["pruned"])) == len(rooms["pruned"]) and rooms["pruned"] == sorted(rooms["pruned"])


def test_the_furnished_part_needs_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "INSTALLED_MODELS", tmp_path / "none")
    assert set(parts()) == {"rooms"}
    furnished = parts(models=tmp_path)["furnished"].public()
    different = {name for name, value in ROOMS.public().items() if furnished[name] != value}
    assert different == {"source", "scenes", "rooms", "models"} and furnished["models"] == tmp_path.name


def test_the_house_is_another_source_with_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "INSTALLED_MODELS", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no house.glb; --house takes a folder with house.glb and inst"):
        parts(tmp_path)
    for name in ("house.glb", "instances.json"):
        (tmp_path / name).touch()
    house = parts(tmp_path)["house"].public()
    different = {name for name, value in ROOMS.public().items() if house[name] != value}
    allowed = {"source", "scenes", "rooms", "clips_per_scene", "path", "instances", "licence", "attribution"}
    assert different == allowed


def test_questions_are_spread_over_clips_and_tasks(toy_benchmark: Path) -> None:
    rows = open_benchmark(str(toy_benchmark / "rooms")).select(SPLIT)
    task_of = {level: task.name for task in TASKS for level in task.levels}
    counts = Counter((row["clip_id"], task_of[row["question_type"]]) for row in rows)
    assert len({clip for clip, _ in counts}) == 4 and len({task for _, task in counts}) >= 6
    assert max(counts.values()) == 3


class TestFrozen:
    @pytest.fixture
    def copy(self, toy_benchmark: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(toy_benchmark, tmp_path / "copy"))

    def test_another_seed_is_not(self, toy_benchmark: Path, toy_scenes, tmp_path: Path) -> None:
        record = json.loads((toy_benchmark / "record.json").read_text())
        with pytest.raises(
            ValueError, match=r"is not the frozen part 'rooms' of ocr-vsi-test, version 2 \(sha256 .*constraints"
        ):
            OCR_VSI_TEST.build(tmp_path, {"rooms": replace(TOY, scenes=1, seed=10)}, record)
        assert not (tmp_path / "rooms" / "pruned.json").exists()

    @pytest.mark.parametrize("column", ["question", "ground_truth", "options", "queried_objects", "camera_to_world"])
    def test_every_change_of_what_is_asked_is_noticed(self, copy: Path, column: str) -> None:
        before = OCR_VSI_TEST.content_hash(copy / "rooms")
        table = pq.read_table(copy / METADATA)
        values = table[column].to_pylist()
        row = next(i for i, value in enumerate(values) if value)
        changed = {
            "question": lambda value: value + " ",
            "ground_truth": lambda value: "1" + value,
            "options": lambda value: value[::-1],
            "queried_objects": lambda value: [*value, 1],
            "camera_to_world": lambda value: [[[value[0][0][0] + 0.002, *value[0][0][1:]], *value[0][1:]], *value[1:]],
        }[column]
        clips = table["clip_id"].to_pylist()
        same = range(row, row + clips.count(clips[row])) if column == "camera_to_world" else [row]
        for i in same:
            values[i] = changed(values[i])
        place = table.schema.get_field_index(column)
        field = table.schema.field(column)
        pq.write_table(table.set_column(place, field, pa.array(values, field.type)), copy / METADATA)
        assert OCR_VSI_TEST.content_hash(copy / "rooms") != before
        with pytest.raises(ValueError, match="frozen"):
            OCR_VSI_TEST.check("rooms", copy / "rooms", json.loads((copy / "record.json").read_text()))

    def test_rounding_of_the_last_digits_is_not(self, copy: Path) -> None:
        """Poses come out of linear algebra, whose last bits differ between processors."""
        before = OCR_VSI_TEST.content_hash(copy / "rooms")
        table = pq.read_table(copy / METADATA)
        place, field = table.schema.get_field_index("camera_to_world"), table.schema.field("camera_to_world")
        nudged = [
            [[[x + 1e-12 for x in line] for line in pose] for pose in poses]
            for poses in table["camera_to_world"].to_pylist()
        ]
        pq.write_table(table.set_column(place, field, pa.array(nudged, field.type)), copy / METADATA)
        assert OCR_VSI_TEST.content_hash(copy / "rooms") == before


def test_a_trained_room_is_noticed(toy_benchmark: Path, toy_scenes, tmp_path: Path) -> None:
    rooms = toy_benchmark / "rooms"
    build_folder(replace(TOY, scenes=1, seed=8), tmp_path / "other")
    check_unseen(rooms, tmp_path / "other")
    build_folder(replace(TOY, scenes=1, split="train"), tmp_path / "same")
    with pytest.raises(ValueError, match=r"1 scenes of .*rooms are in .*same too, as procedural_090000"):
        check_unseen(rooms, tmp_path / "same")


class TestDebiasedSplit:
    def test_rows_say_whether_they_are_pruned(self, toy_benchmark: Path) -> None:
        pruned = set(json.loads((toy_benchmark / "record.json").read_text())["rooms"]["pruned"])
        benchmark = open_benchmark(str(toy_benchmark / "rooms"))
        assert pruned and {row["id"] for row in benchmark.rows if row["pruned"]} == pruned
        kept = {row["id"] for row in benchmark.select("debiased")}
        assert kept == {row["id"] for row in benchmark.select(SPLIT)} - pruned

    def test_a_folder_without_the_file_has_none(self, toy_benchmark: Path, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(toy_benchmark / "rooms", tmp_path / "rooms"))
        (folder / "pruned.json").unlink()
        benchmark = open_benchmark(str(folder))
        assert all("pruned" not in row for row in benchmark.rows)
        with pytest.raises(ValueError, match="has no split 'debiased'; it has full, test"):
            benchmark.select("debiased")
        (folder / "pruned.json").write_text('{"pruned": [999999]}')
        with pytest.raises(ValueError, match="pruned.json names question 999999, which .* doesn't have"):
            open_benchmark(str(folder))


def test_the_command_builds_freezes_and_checks(
    toy_benchmark: Path, toy_scenes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(frozen, "INSTALLED_MODELS", tmp_path / "none")

    def command(*flags: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(["benchmark", "--out", str(tmp_path / "test"), *flags])
        told = capsys.readouterr()
        return f"{end.value.code} {told.out}{told.err}"

    monkeypatch.setattr(ocr_vsi_test, "ROOMS", TOY)
    record = json.loads((toy_benchmark / "record.json").read_text())
    monkeypatch.setattr(FrozenBenchmark, "read_record", lambda self: record)
    told = command()
    assert told.startswith("0 Part furnished is left out: install the Debian package")
    assert "Part house is left out: give --house FOLDER" in told and "as frozen (SHA-256" in told
    assert json.loads((tmp_path / "test" / "rooms" / "pruned.json").read_text())["pruned"]
    told = command("--training", str(toy_benchmark / "rooms"))
    assert told.startswith("1 ") and "train on other seeds" in told
    command("--freeze", str(tmp_path / "record.json"))
    assert (tmp_path / "record.json").read_text() == (toy_benchmark / "record.json").read_text()
