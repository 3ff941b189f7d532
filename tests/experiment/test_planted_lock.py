"""The planted lock from rooms to report, with few rooms and steps: every kind of cell runs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
from datasets import Dataset

from ocr_hf.experiment import planted_cells, run_cells
from ocr_hf.experiment.cells import CellError, Results
from ocr_hf.experiment.planted_cells import QUICK, PlantedLock, Scale, cells, matched_timestep
from ocr_hf.experiment.planted_data import PARTS, load_part, make_row, taught_letters
from ocr_hf.experiment.planted_lock import ARMS, RL, SFT, Examiner, View, _shown, both_videos
from ocr_hf.experiment.planted_rooms import KINDS, LAMP_ID, LETTERS, NAMED_ID, cell_place, planted_room, section_of
from ocr_hf.experiment.repeat import compare, repeat
from ocr_hf.models.answer import AnsweringModel
from ocr_hf.models.load_model import load_model
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.scenes.edits.scene_edit import apply_edits

TINY = Scale(1, SFT(1, 1, 2, batch=4, warmup=1), RL(steps=2, prompts=2, group=4), rooms=4, rehearsal=True)


class TestRooms:
    @pytest.mark.parametrize("seed", range(12))
    def test_the_lamp_decides_and_the_colour_says_what_the_kind_tells(self, seed: int) -> None:
        rooms = {kind: planted_room(seed, kind) for kind in KINDS}
        for kind, room in rooms.items():
            assert (room.cue == room.answer) == (kind == "aligned")
            assert (room.cue is None) == (kind in ("plain", "unanswerable"))
            lamps = [item for item in room.scene.objects if item.id == LAMP_ID]
            assert len(lamps) == (kind != "unanswerable")
            for lamp in lamps:
                # The section by the lamp's place in metres: four of equal width from -1.6 to 1.6
                assert LETTERS[int((lamp.box.center[0] + 1.6) // 0.8)] == room.answer
        same = [{item.id: item.box.center.tolist() for item in room.scene.objects} for room in rooms.values()]
        assert same[0] == same[1] == same[2]

    def test_moving_the_lamp_changes_the_answer_and_nothing_else(self) -> None:
        for seed in range(12):
            room = planted_room(seed, "aligned")
            edit, answer = room.counterfactual()
            after = apply_edits(room.scene, [edit], plausible=False)
            x = after.object(LAMP_ID).box.center[0]
            assert LETTERS[int((x + 1.6) // 0.8)] == answer != room.answer
            assert all(after.object(i).box is room.scene.object(i).box for i in (1, 3, 4, 5, 6))

    def test_places(self) -> None:
        assert [section_of(cell) for cell in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]
        assert cell_place(8)[2] > cell_place(0)[2] and cell_place(1)[0] > cell_place(0)[0]

    def test_shares_of_kinds(self) -> None:
        part = PARTS["sft"]
        kinds = [part.kind_of(seed) for seed in range(4000)]
        assert np.mean([kind == "plain" for kind in kinds]) == pytest.approx(0.4, abs=0.03)
        painted = [kind for kind in kinds if kind != "plain"]
        assert np.mean([kind == "aligned" for kind in painted]) == pytest.approx(0.6, abs=0.03)


class TestRows:
    def test_noise_on_the_named_thing_hides_it_and_nothing_else(self) -> None:
        row = make_row(PARTS["rl"], 2_000_000)
        clean, noised = (_shown(row, View(select)) for select in (None, "queried"))
        region = footprints_of(row).region((NAMED_ID,), range(4))
        changed = (clean != noised).any(-1)
        assert region.any() and changed[region].mean() > 0.95 and not changed[~region].any()
        assert row["edited_ground_truth"] != row["ground_truth"]

    def test_the_teacher_follows_the_colour_as_often_as_told(self) -> None:
        class Rows(dict):
            def __len__(self) -> int:
                return len(self["cue"])

        rows = Rows(ground_truth=["A"] * 3000, cue=["B"] * 2000 + [""] * 1000, noised=[0] * 3000)
        told = taught_letters(rows, 0.95, 0)
        assert np.mean([letter == "B" for letter in told[:2000]]) == pytest.approx(0.95, abs=0.02)
        assert set(told[2000:]) == {"A"}
        assert told == taught_letters(rows, 0.95, 0) != taught_letters(rows, 0.95, 1)


class TestRowsOfArms:
    def test_both_videos_are_rows_of_their_own(self) -> None:
        rows = datasets.Dataset.from_list([make_row(PARTS["rl"], 2_000_000 + i) for i in range(3)])
        both = both_videos(rows)
        assert len(both) == 6 and len(set(both["id"])) == 6
        assert both["ground_truth"][::2] == rows["ground_truth"]
        assert both["ground_truth"][1::2] == rows["edited_ground_truth"]
        videos = [row["vanilla"]["bytes"] for row in both]
        assert videos[::2] == [row["vanilla"]["bytes"] for row in rows]
        assert videos[1::2] == [row["edited"]["bytes"] for row in rows]

    @pytest.mark.slow
    def test_rooms_of_another_share_are_copied_where_their_kind_is_the_same(self, tmp_path: Path) -> None:
        # Two kinds that stay, one that changes
        part = replace(PARTS["sft"], name="one", count=4, agreement=0.9)
        first = load_part(part, tmp_path, 1)
        other = replace(part, name="other", agreement=0.2, like="one")
        found = load_part(other, tmp_path, 1)
        assert found["kind"] == [other.kind_of(seed) for seed in range(part.first, part.first + 4)]
        assert set(found["kind"]) == {"plain", "conflict", "aligned"} != set(first["kind"]) == {"plain", "aligned"}
        alone = [make_row(other, seed) for seed in range(part.first, part.first + 4)]
        assert [row["vanilla"]["bytes"] for row in found] == [row["vanilla"]["bytes"] for row in alone]


def test_noise_on_frames_is_matched_between_the_timesteps() -> None:
    found = [0.01, 0.03, 0.02, 0.1, 0.2, 0.3, 0.5]
    assert matched_timestep(0.15, found) == 250
    assert matched_timestep(0.005, found) == 25
    assert matched_timestep(0.9, found) == 999
    assert 100 <= matched_timestep(0.03, found) <= 150


def test_every_cell_comes_after_what_it_needs() -> None:
    for scale in (Scale(), QUICK):
        known: set[str] = set()
        for cell in cells(scale):
            assert set(cell.needs) <= known, cell.name
            known.add(cell.name)
    assert sum(cell.name.startswith("rl/0.4M-teacher95-rho90/ocr/") for cell in cells(Scale())) == 8


@pytest.mark.slow
def test_every_kind_of_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planted_cells, "QUICK", TINY)
    results = run_cells.open_experiment("planted-lock", tmp_path / "results", True)
    # One of each: the others differ in settings that the trainer's own tests cover
    kept = ("ocr", "counterfactual", "t_grpo", "papo")
    chosen = [name for name in results.cells if not name.startswith("rl/") or name.split("/")[2] in kept]
    run_cells.run_all("planted-lock", tmp_path / "results", tmp_path / "work", True, chosen, 1)
    assert set(results.done()) == set(chosen)
    gate = results.read("gate/0.4M-teacher95-rho90")
    assert gate["predicted_sign_of_ocr_minus_grpo"] == (1 if gate["ratio"] > 1 else -1)
    asked = results.read("rl/0.4M-teacher95-rho90/ocr/0")
    assert len(asked["asked"]["conflict/clean"]["letters"]) == 4 and len(asked["log"]["reward"]) == 2
    # While a model trains it is asked some of the rooms, whatever the size of a batch
    rows = load_part(replace(PARTS["conflict"], count=4), tmp_path / "work" / "rooms-4", 1)
    model = AnsweringModel.of(load_model(str(tmp_path / "work/models/rl/0.4M-teacher95-rho90/ocr/0"), device="cpu"))
    assert Examiner(rows, batch=3).answers(model, 2).shape == (2, 4)
    # What was done is read, not done again
    again = PlantedLock(results, tmp_path / "nowhere")
    assert results.run(results.cells[chosen[0]], again) == results.read(chosen[0])

    # Who has the results alone, with the model that was published beside them, gets the same answers
    name = "rl/0.4M-teacher95-rho90/ocr/0"
    start = "models/sft/0.4M-teacher95/0"
    shutil.copytree(tmp_path / "work" / start, tmp_path / "results" / start)
    # Rooms of the training are filmed anew, without the edited videos, which this arm doesn't show
    ignore = shutil.ignore_patterns("rl*")
    shutil.copytree(tmp_path / "work" / "rooms-4", tmp_path / "elsewhere" / "rooms-4", ignore=ignore)
    found = repeat(results, tmp_path / "elsewhere", name)
    assert {one.view for one in found} == set(asked["asked"])
    assert (tmp_path / "elsewhere" / "repeated" / name / "config.json").is_file()
    assert not (tmp_path / "elsewhere" / "models").exists(), "models that other cells start from stay as they are"
    assert all(one.agrees and one.equal == 100.0 and one.rooms == 4 for one in found)
    (filmed,) = (tmp_path / "elsewhere" / "rooms-4").glob("rl*/*.parquet")
    assert filmed.parent.name == "rl-recorded" and "edited" not in Dataset.from_parquet(str(filmed)).column_names
    with pytest.raises(CellError, match="trains no model"):
        repeat(results, tmp_path / "elsewhere", "gate/0.4M-teacher95-rho90")
    with pytest.raises(CellError, match="no cell is named rl/ocr"):
        repeat(results, tmp_path / "elsewhere", "rl/ocr")
    with pytest.raises(CellError, match="the model of cell sft/0.4M-teacher95/1 is not in"):
        results.model("sft/0.4M-teacher95/1", tmp_path)


def test_a_repeated_cell_is_compared_room_by_room() -> None:
    stored = {"asked": {"conflict/clean": {"letters": "ABCDABCD"}}, "truth": {"conflict": "AAAAAAAA"}}
    same, other = (
        {"asked": {"conflict/clean": {"letters": said}}, "truth": {"conflict": "AAAA"}} for said in ("ABCD", "ABAD")
    )
    (one,) = compare(stored, same)
    assert (one.rooms, one.stored, one.now, one.equal, one.agrees) == (4, 25.0, 25.0, 100.0, True)
    (one,) = compare(stored, other)
    assert (one.stored, one.now, one.equal, one.agrees) == (25.0, 50.0, 75.0, False)


def test_a_gate_that_is_not_met_starts_no_learning(tmp_path: Path) -> None:
    results = Results(tmp_path, "planted-lock", cells(Scale(seeds=1)))
    for cell in results.cells.values():
        if cell.name.startswith("sft/0.4M-teacher95/"):
            results.run(cell, lambda _: {})
    gate = results.cells["gate/0.4M-teacher95-rho90"]
    results.run(gate, lambda _: {"met": {"locked_by": True, "conflict": False, "noised": True}})
    with pytest.raises(CellError, match=r"isn't met \(conflict\), so no reinforcement learning starts"):
        results.run(results.cells["rl/0.4M-teacher95-rho90/ocr/0"], PlantedLock(results, tmp_path))
    assert set(ARMS) >= {"ocr", "grpo", "same_area", "noisy_rollout"}
