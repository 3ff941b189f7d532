"""The recoverable questions: rooms, oracle, taught answers, gates; and every kind of cell, with few rooms and steps."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from ocr_hf.experiment import recoverable_cells, run_cells
from ocr_hf.experiment.cells import CellError, Results
from ocr_hf.experiment.recoverable_cells import FULL, QUICK, Recoverable, Scale, cells
from ocr_hf.experiment.recoverable_data import (
    BY_FURNITURE,
    DIRECT,
    OTHER,
    PARTS,
    QUESTION_TYPE,
    QUESTIONS_PER_ROOM,
    blind_scores,
    direct_text,
    furniture_text,
    make_row,
    route_of,
    taught_answers,
)
from ocr_hf.experiment.recoverable_rooms import (
    FRAMES,
    FURNITURE_OF,
    LETTERS,
    THINGS,
    context_answer,
    id_of,
    place_of,
    quarter,
    recoverable_room,
)
from ocr_hf.experiment.recoverable_training import ARMS, SFT, VIEWS, _shown
from ocr_hf.experiment.repeat import repeat
from ocr_hf.experiment.trainings import RL
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.scenes.edits.scene_edit import apply_edits
from ocr_hf.vsi_bench.scoring import score_answer

TINY = Scale(1, SFT(steps=2, batch=6, warmup=1), RL(steps=2, prompts=2, group=4), rooms=4, rehearsal=True)


class TestRooms:
    @pytest.mark.parametrize("seed", range(20))
    def test_everything_but_the_thing_tells_where_it_is(self, seed: int) -> None:
        room = recoverable_room(seed)
        for thing in THINGS:
            without = apply_edits(room.scene, [room.removed(thing)], plausible=False)
            assert id_of(thing) not in {item.id for item in without.objects}
            assert context_answer(without, thing) == quarter(room.place(thing))

    @pytest.mark.parametrize("seed", range(20))
    def test_a_twin_takes_the_thing_and_its_furniture_to_another_answer(self, seed: int) -> None:
        room = recoverable_room(seed)
        for thing in THINGS:
            after = apply_edits(room.scene, [room.twin(thing)], plausible=False)
            place = place_of(after.object(id_of(thing)))
            assert quarter(place) != quarter(room.place(thing))
            assert place == place_of(after.object(id_of(FURNITURE_OF[thing])))
            assert context_answer(after, thing) == quarter(place)
            assert sorted(place_of(item) for item in after.objects if item.id > len(THINGS)) == list(range(1, 9))

    @pytest.mark.parametrize("seed", range(20))
    def test_what_is_carried_away_is_not_where_the_furniture_is(self, seed: int) -> None:
        room = recoverable_room(seed)
        for thing in THINGS:
            after = apply_edits(room.scene, [room.carried(thing)], plausible=False)
            truth = quarter(place_of(after.object(id_of(thing))))
            assert truth != context_answer(after, thing) == quarter(room.place(thing))

    def test_things_are_carried_away_as_often_as_told(self) -> None:
        rooms = [recoverable_room(seed, 0.4) for seed in range(300)]
        away = [not room.recoverable(thing) for room in rooms for thing in THINGS]
        assert np.mean(away) == pytest.approx(0.4, abs=0.05)
        for room in rooms:
            # Nothing stands where something else stands
            assert len({room.place(thing) for thing in THINGS}) == len(THINGS)

    def test_quarters(self) -> None:
        assert "".join(quarter(place) for place in range(1, 9)) == "AABBCCDD"


class TestAnswers:
    def test_both_routes_are_read_and_score(self) -> None:
        for place in range(1, 9):
            for text, route in (
                (direct_text("kettle", place), DIRECT),
                (furniture_text("kettle", place), BY_FURNITURE),
            ):
                assert route_of(text, "kettle") == route
                assert score_answer(QUESTION_TYPE, text, quarter(place), extraction="answer_tag") == 1.0
        assert route_of(direct_text("pillow", 1), "kettle") == OTHER

    def test_only_what_stands_where_it_belongs_is_taught_by_the_furniture(self) -> None:
        room = {
            "carried": ["kettle"],
            "noised": "bed",
            "places": {name: 3 for pair in FURNITURE_OF.items() for name in pair},
        }
        draws = np.random.default_rng(0)
        found = [taught_answers(room, 1.0, 0.0, draws) for _ in range(20)]
        for answers in found:
            routes = {name: route_of(text, name) for name, text in answers if name in THINGS}
            assert routes == {"kettle": DIRECT, "pillow": DIRECT, "monitor": BY_FURNITURE, "plant": BY_FURNITURE}
            assert len(answers) == QUESTIONS_PER_ROOM and "bed" not in dict(answers)

    def test_the_share_by_the_furniture(self) -> None:
        room = {"carried": [], "noised": "", "places": {name: 3 for pair in FURNITURE_OF.items() for name in pair}}
        draws = np.random.default_rng(0)
        told = [pair for _ in range(1000) for pair in taught_answers(room, 0.1, 0.1, draws) if pair[0] in THINGS]
        assert np.mean([route_of(text, name) == BY_FURNITURE for name, text in told]) == pytest.approx(0.1, abs=0.02)
        # A teacher who errs names one other place throughout, by either way
        for way in (DIRECT, BY_FURNITURE):
            places = [set(re.findall(r"is at (\d)", text)) for name, text in told if route_of(text, name) == way]
            assert {len(named) for named in places} == {1}
            wrong = [named != {"3"} for named in places]
            assert np.mean(wrong) == pytest.approx(0.1, abs=0.03), way
        assert {place for _, text in told for place in re.findall(r"is at (\d)", text)} == set("12345678")


def test_no_words_or_constant_guess_the_answers(capsys: pytest.CaptureFixture[str]) -> None:
    # As the parts hold them, without filming
    def rows(part: str, twin: bool) -> dict[str, list[str]]:
        told: dict[str, list[str]] = {"thing": [], "ground_truth": [], "edited_ground_truth": []}
        for seed in range(PARTS[part].first, PARTS[part].first + PARTS[part].count):
            room, thing = recoverable_room(seed), THINGS[seed % len(THINGS)]
            told["thing"].append(thing)
            told["ground_truth"].append(quarter(room.place(thing)))
            if twin:
                after = apply_edits(room.scene, [room.twin(thing)], plausible=False)
                told["edited_ground_truth"].append(quarter(place_of(after.object(id_of(thing)))))
        return told

    found = blind_scores(rows("rl", False), rows("test", True))
    with capsys.disabled():
        print(f"\nblind, percent: {found}")
    assert found["constant"] < 30.0 and found["words"] < 30.0 and found["pairs"] == 0.0


class TestRows:
    def test_the_degraded_view_hides_the_thing_and_a_decoy_and_nothing_else(self) -> None:
        row = make_row(PARTS["test"], 8_000_000)
        clean, degraded = _shown(row, VIEWS["clean"]), _shown(row, VIEWS["degraded"])
        changed, footprints = (clean != degraded).any(-1), footprints_of(row)
        hidden = [i for i in footprints.object_ids if changed[footprints.region((i,), range(FRAMES))].mean() > 0.9]
        assert len(hidden) == 2 and row["queried_objects"][0] in hidden and max(hidden) <= len(THINGS)
        assert not changed[~footprints.region(tuple(hidden), range(FRAMES))].any()
        videos = [_shown(row, VIEWS[view]) for view in ("clean", "erased", "twin", "away")]
        assert all((a != b).any() for i, a in enumerate(videos) for b in videos[:i])
        assert row["edited_ground_truth"] != row["ground_truth"] != row["away_ground_truth"]

    def test_a_stored_copy_has_the_thing_elsewhere(self) -> None:
        row = make_row(PARTS["rl"], 6_000_001)
        assert len(row["altered"]) == len(row["altered_strengths"]) == len(row["altered_edits"]) == 1
        assert f'"objects": [{row["queried_objects"][0]}]' in row["altered_edits"][0][0]


def test_every_cell_comes_after_what_it_needs() -> None:
    for scale in (FULL, QUICK):
        known: set[str] = set()
        for cell in cells(scale):
            assert set(cell.needs) <= known, cell.name
            known.add(cell.name)
        assert {f"rl/{arm}/{seed}" for arm in ARMS for seed in range(scale.seeds)} <= known


def test_gates_that_are_not_met_start_no_learning(tmp_path: Path) -> None:
    results = Results(tmp_path, "recoverable", cells(replace(FULL, seeds=1)))
    do = Recoverable(results, tmp_path)
    for name, result in (("sft/0", {}), ("gate", {"met": {"lock_gap": False, "mixed_groups": True}})):
        results.run(results.cells[name], lambda _, result=result: result)
    with pytest.raises(CellError, match=r"gate gate isn't met \(lock_gap\), so no reinforcement learning starts"):
        results.run(results.cells["tune/0.0001/0"], do)


def test_the_learning_rate_is_chosen_by_the_held_out_reward(tmp_path: Path) -> None:
    plan = cells(replace(FULL, seeds=2))
    rewards = {"tune/0.0001/0": 60.0, "tune/0.0001/1": 64.0, "tune/0.0003/0": 62.0, "tune/0.0003/1": 61.0}
    for rise, before in ((True, 59.0), (False, 59.1)):
        results = Results(tmp_path / str(rise), "recoverable", plan)
        done = {"sft/0": before, "sft/1": before, "gate": 0.0} | rewards
        for name, reward in done.items():
            results.run(
                results.cells[name], lambda _, reward=reward: {"held_reward": reward, "met": {}, "mine": reward}
            )
        found = results.run(results.cells["choice"], Recoverable(results, tmp_path))
        assert found["learning_rate"] == 1e-4 and found["met"] == {"reward_rise": rise}
        if rise:
            # The baseline's training isn't run again
            assert results.run(results.cells["rl/grpo/1"], Recoverable(results, tmp_path))["mine"] == 64.0


@pytest.mark.slow
def test_every_kind_of_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recoverable_cells, "QUICK", TINY)
    results = run_cells.open_experiment("recoverable", tmp_path / "results", True)
    run_cells.run_all("recoverable", tmp_path / "results", tmp_path / "work", True, list(results.cells), 1)
    assert set(results.done()) == set(results.cells)
    asked = results.read("rl/ocr/0")["asked"]["degraded"]
    assert len(asked["letters"]) == len(asked["routes"]) == len(asked["truth"]) == 4
    assert set(asked["truth"]) <= set(LETTERS)
    assert (
        results.read("rl/grpo/0")["asked"]
        == results.read(f"tune/{results.read('choice')['learning_rate']:g}/0")["asked"]
    )
    run_cells.report_on(results, tmp_path / "results")
    assert (tmp_path / "results" / "report.md").read_text().startswith("**No verdict: a rehearsal decides nothing")

    # Also the baseline's training, whose result was taken from where the learning rate was chosen, is run again
    models = tmp_path / "work" / "models"
    before = {file: file.stat().st_mtime_ns for file in models.rglob("*") if file.is_file()}
    (tmp_path / "work" / "rooms-4" / "rl" / "00000.parquet").rename(tmp_path / "kept.parquet")
    found = repeat(results, tmp_path / "work", "rl/grpo/0")
    (filmed,) = (tmp_path / "work" / "rooms-4").glob("rl*/*.parquet")
    assert filmed.parent.name == "rl-recorded" and "altered" not in Dataset.from_parquet(str(filmed)).column_names
    assert all(one.equal == 100.0 and one.rooms == 4 for one in found) and found
    assert (tmp_path / "work" / "repeated" / "rl" / "grpo" / "0" / "model.safetensors").is_file()
    assert before == {file: file.stat().st_mtime_ns for file in models.rglob("*") if file.is_file()}
