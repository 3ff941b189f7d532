"""The training minute: nothing of a held-out scene is trained on, and what is written can be read."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from datasets import Dataset

from ocr_hf.train.held_out import HeldOut, balanced, split_by_scene
from ocr_hf.train.training_minute import DemoConfig, main, train
from tests.train.clips import make_folder


def test_no_scene_is_in_both_parts(dataset_folder):
    rows, held_out = split_by_scene(dataset_folder, "official")
    assert set(rows["scene_name"]) == {"clip0", "clip1", "clip2"} and set(held_out["scene_name"]) == {"clip3"}
    assert "single word or phrase" in rows[0]["prompt"][0]["content"]


def test_one_scene_is_not_enough(tmp_path):
    with pytest.raises(ValueError, match="has 1 scene; to hold one out, build at least 2"):
        split_by_scene(make_folder(tmp_path / "one", 1), "official")


def test_tasks_are_balanced_and_no_row_is_lost():
    kinds = ["object_counting"] * 5 + ["route_planning"] * 2 + [f"object_rel_direction_{n}" for n in ("easy", "hard")]
    rows = balanced(Dataset.from_dict({"id": list(range(9)), "question_type": kinds}))
    assert Counter(rows["id"]) == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 3, 6: 2, 7: 3, 8: 2}


def test_score_is_vsi_benchs(dataset_folder, tiny_folder, monkeypatch):
    from ocr_hf.models.load_model import load_model

    loaded = load_model(tiny_folder, device="cpu")
    rows, held_out = split_by_scene(dataset_folder, "official")
    asked = HeldOut(held_out, loaded.processor, num_frames=4, max_pixels=56 * 84)
    assert asked.constants(rows) == 100.0  # every clip has 3 rectangles
    assert 0.0 <= asked.score(loaded.model) <= 100.0 and not loaded.model.training
    monkeypatch.setattr(asked, "answers", lambda model: ["2."])
    assert asked.score(loaded.model) == 40.0  # off by a third: 4 of 10 tolerances


@pytest.mark.slow
def test_figures_and_picture(dataset_folder, tmp_path, capsys):
    config = DemoConfig(sft_steps=4, grpo_steps=2, evaluations=2, frames=4, held_out_rows=8)
    figures = train(dataset_folder, tmp_path / "out", config)
    stages = [(point["stage"], point["step"]) for point in figures["points"]]
    assert stages == [("untrained", 0), ("SFT", 2), ("SFT", 4), ("OCR-GRPO", 1), ("OCR-GRPO", 2)]
    assert figures["rise"] == pytest.approx(figures["after_ocr_grpo"] - figures["untrained"], abs=0.01)
    assert [entry["step"] for entry in figures["rewards"]] == [1, 2]
    assert json.loads((tmp_path / "out" / "curve.json").read_text()) == figures
    assert (tmp_path / "out" / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    main([str(dataset_folder), "--out", str(tmp_path / "again"), "--sft-steps", "1", "--grpo-steps", "1"])
    assert "score on 1 questions of unseen scenes: untrained" in capsys.readouterr().out
