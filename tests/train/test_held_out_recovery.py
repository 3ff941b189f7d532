"""R on held-out clips while training: the measure's own views and quotient, on few clips."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest
from datasets import Dataset

from ocr_hf.train import held_out_recovery
from ocr_hf.train.held_out_recovery import HeldOutRecovery, chosen
from tests.train.clips import make_rows
from tests.train.conftest import history, make_config

EVALUATED = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 4}


@pytest.fixture(scope="module")
def held(tmp_path_factory) -> Dataset:
    """Three clips of whose three like rectangles two questions name one, and one names two."""
    rows = make_rows(tmp_path_factory.mktemp("held"), 3)
    asked = [{**row, "id": 10 * row["id"] + item, "queried_objects": [item]} for row in rows for item in (1, 2)]
    return Dataset.from_list(asked + [{**row, "id": 90 + row["id"]} for row in rows])


@pytest.fixture(scope="module")
def processor(tiny_folder):
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(tiny_folder, padding_side="left")


def test_clips_and_their_questions_are_spread_evenly():
    rows = Dataset.from_dict({"clip_id": [f"clip{number // 9}" for number in range(45)], "id": list(range(45))})
    assert chosen(rows, 3) == [clip * 9 + place for clip in (0, 2, 4) for place in (0, 3, 5, 8)]
    assert chosen(rows, 9) == [clip * 9 + place for clip in range(5) for place in (0, 3, 5, 8)]


@pytest.mark.parametrize(("right", "expected"), [("vanilla matched", (0.0, 1.0)), ("vanilla queried", (1.0, 0.0))])
def test_r_is_what_is_left_on_each_side(held, processor, tmp_path, monkeypatch, right, expected):
    recovery = HeldOutRecovery(held, make_config(tmp_path, recovery_clips=3, **EVALUATED), processor)
    # Two of three rectangles have no like ones beside them
    assert sorted(row["id"] for row in recovery.rows) == [1, 2, 11, 12, 21, 22]
    videos = []

    class Answers:
        """Right on some of the views, which come one after the other."""

        def answer_all(self, prompts, *_):
            view = list(held_out_recovery.VIEWS)[len(videos) // 6]
            videos.extend(prompt.video.pixel_values_videos for prompt in prompts)
            return ["3" if view in right.split() else "9"] * len(prompts)

    monkeypatch.setattr(held_out_recovery, "AnsweringModel", lambda *_: Answers())
    monkeypatch.setattr(held_out_recovery, "without_training", lambda _: nullcontext())
    figures = recovery.measure(None)
    assert (figures["recovery/R_queried"], figures["recovery/R_matched"]) == expected
    assert (figures["recovery/vanilla"], figures["recovery/black"]) == (100.0, 0.0)
    vanilla, black, queried, matched = (videos[start : start + 6] for start in range(0, 24, 6))
    for number in range(6):
        assert float(black[number].std()) < 0.5 * float(vanilla[number].std())
        changed = [(noisy[number] != vanilla[number]).any(-1) for noisy in (queried, matched)]
        assert all(0.0 < float(patches.float().mean()) < 0.9 for patches in changed)
        assert bool((changed[0] != changed[1]).any()), "noise lies on other objects"


@pytest.mark.slow
def test_it_is_logged_at_evaluations_and_changes_no_training(make_trainer, held):
    logs = []
    for clips in (0, 2):
        trainer = make_trainer(max_steps=2, recovery_clips=clips, held=held.select([0, 2, 4]), **EVALUATED)
        trainer.train()
        logs.append([history(trainer, name) for name in ("loss", "grad_norm", "eval_reward")])
        names = {name for entry in trainer.state.log_history for name in entry if name.startswith("recovery/")}
        if clips:
            assert {"recovery/vanilla", "recovery/black", "recovery/queried", "recovery/matched"} <= names
            assert len(history(trainer, "recovery/vanilla")) == 2
        else:
            assert not names
    assert logs[0] == logs[1]


@pytest.mark.parametrize(
    ("settings", "which", "message"),
    [
        ({"recovery_clips": -1}, None, "recovery_clips is -1; give 0 or more"),
        ({"recovery_clips": 2}, None, "there are no evaluations, at which R is asked; set eval_strategy"),
        ({"recovery_clips": 2, **EVALUATED}, "text", "lack footprints, camera_to_world, queried_objects"),
        ({"recovery_clips": 2, **EVALUATED}, "nothing", "names objects that are seen and have like ones beside them"),
    ],
)
def test_what_it_cannot_be_asked_of_is_refused(make_trainer, held, settings, which, message):
    if which == "text":
        held = held.select_columns(["id", "prompt", "vanilla", "question_type", "ground_truth"])
    elif which == "nothing":
        held = held.select(range(6, 9))
    with pytest.raises(ValueError, match=re.escape(message)):
        make_trainer(held=held, **settings)
