"""Grounding questions of SFT: a hand-made clip whose answers are known, and rows, settings and trainings with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset, Value

from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.train.grounding import (
    AnnotatedClip,
    camera,
    edges,
    facing,
    first_view,
    grounding_questions,
    in_words,
    offset,
    view,
    where,
    with_grounding,
)
from ocr_hf.train.sft_trainer import OCRSFTTrainer
from ocr_hf.train.training_rows import answer
from tests.train.clips import FPS, make_rows
from tests.train.test_sft import config

TURN = 40.0
"""Degrees by which the camera of the hand-made clip has turned to the left in the last of its four frames."""


def looking(x: float, y: float, degrees: float) -> np.ndarray:
    """Return the pose (4, 4), OpenCV axes, of a level camera 1.5 m up; degrees to the left of the world's x axis."""
    angle = np.radians(degrees)
    ahead, right = np.array([np.cos(angle), np.sin(angle), 0.0]), np.array([np.sin(angle), -np.cos(angle), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, [0.0, 0.0, -1.0], ahead], axis=1)
    pose[:3, 3] = (x, y, 1.5)
    return pose


def box(object_id: int, label: str, center: tuple, size: tuple = (0.5, 1.2, 0.8)) -> dict[str, Any]:
    return {"id": object_id, "label": label, "center": center, "size": size, "rotation": np.eye(3).tolist()}


def hand_made() -> dict[str, Any]:
    """Return a row: the camera stands at (1, 1) and looks along y; a sofa, a lamp, a clock, two chairs, a ghost."""
    instances = np.zeros((4, 20, 30), dtype=np.uint16)
    instances[:, 10:14, 20:26] = 1  # the sofa, on the right
    instances[2:, 2:6, 2:6] = 2  # the lamp, from the third frame on, on the left
    instances[1:, 8:10, 10:14] = 3
    instances[:, 15:18, 0:4] = 4
    instances[:, 15:18, 8:12] = 5
    poses = [looking(1.0, 1.0, 90.0)] * 3 + [looking(1.0, 1.8, 90.0 + TURN)]
    return {
        "clip_id": "hand_made",
        "fps": 2.0,
        "objects": [
            box(1, "sofa", (3.0, 4.0, 0.4)),
            box(2, "lamp", (0.0, 2.0, 2.0)),
            box(3, "clock", (1.0, 5.0, 1.5)),
            box(4, "chair", (0.0, 0.0, 0.5)),
            box(5, "chair", (0.0, 1.0, 0.5)),
            box(6, "ghost", (2.0, 2.0, 0.5)),
        ],
        "camera_to_world": np.stack(poses).tolist(),
        "intrinsics": [[30.0, 0.0, 15.0], [0.0, 30.0, 10.0], [0.0, 0.0, 1.0]],
        "footprints": footprints_from_instances(instances).to_rows(),
    }


def all_asked(kind: Any, frames: int = 4) -> dict[str, str]:
    """Return every question that a kind asks of the hand-made clip, with its answer."""
    clip, found = AnnotatedClip(hand_made(), frames), {}
    for seed in range(200):
        asked = kind(clip, np.random.default_rng(seed))
        if asked is not None:
            assert found.setdefault(*asked) == asked[1]
    return found


def test_only_what_is_seen_and_has_no_double_is_named() -> None:
    clip = AnnotatedClip(hand_made(), 4)
    assert clip.named == {1: "sofa", 2: "lamp", 3: "clock"}
    assert set(clip.seen.values()) == {"sofa", "lamp", "clock", "chair"}
    assert 2 not in AnnotatedClip(hand_made(), 1).seen  # the first frame alone doesn't show the lamp


def test_places_are_told_from_where_the_camera_starts() -> None:
    assert all_asked(where) == {
        "Where is the sofa, seen from where the camera starts?": "2.0 m right, 3.0 m ahead, 1.1 m down",
        "Where is the lamp, seen from where the camera starts?": "1.0 m left, 1.0 m ahead, 0.5 m up",
        "Where is the clock, seen from where the camera starts?": "0.0 m right, 4.0 m ahead, 0.0 m up",
    }


def test_first_view_is_of_the_frames_that_the_model_sees() -> None:
    assert all_asked(first_view)["When does the lamp first come into view?"] == "1.0 s"
    assert all_asked(first_view)["When does the sofa first come into view?"] == "0.0 s"
    assert all_asked(first_view, frames=2)["When does the lamp first come into view?"] == "1.5 s"


def test_views_list_objects_from_left_to_right_with_doubles() -> None:
    asked = all_asked(view)
    assert asked["Which objects does the view at 0.0 s show, from left to right?"] == "chair, chair, sofa"
    assert asked["Which objects does the view at 1.5 s show, from left to right?"] == "chair, lamp, chair, clock, sofa"


def test_camera_ways_and_faced_objects() -> None:
    assert all_asked(camera)["Where is the camera at 1.5 s?"] == "0.0 m right, 0.8 m ahead, turned 40 degrees left"
    assert all_asked(camera)["Where is the camera at 0.5 s?"] == "0.0 m right, 0.0 m ahead, turned 0 degrees right"
    ways = all_asked(offset)
    assert ways["How does one get from the lamp to the sofa?"] == "3.0 m right, 2.0 m ahead, 1.6 m down"
    faced = all_asked(facing)
    assert len(faced) == 6
    # From (0, 2) towards (1, 5): the sofa, 3 and 2 m away along x and y, lies (3 * 3 - 2 * 1) / sqrt(10) to the right
    assert faced["Standing by the lamp and facing the clock, where is the sofa?"] == "2.2 m right, 2.8 m ahead"
    assert faced["Standing by the clock and facing the lamp, where is the sofa?"] == "2.2 m left, 0.3 m ahead"
    assert all_asked(edges)["How large is the sofa?"] == "120 x 80 x 50 cm"


def test_offsets_in_words_have_no_negative_zero() -> None:
    assert in_words(np.array([-0.04, 0.05, -0.06])) == "0.0 m right, 0.1 m ahead, 0.1 m down"


def test_a_clip_gets_different_questions_and_always_the_same() -> None:
    row = hand_made()
    asked = grounding_questions(row, 12, 4)
    assert len({question for question, _ in asked}) == 12
    assert asked == grounding_questions(row, 12, 4) != grounding_questions(row, 12, 4, seed=1)
    # It shows nothing that can be named, so nothing but the camera's places is left to ask
    assert all("camera at" in question for question, _ in grounding_questions({**row, "footprints": []}, 12, 4))


def test_rows_stay_as_they_are_and_questions_follow(tmp_path) -> None:
    rows = Dataset.from_list(make_rows(tmp_path, 3))
    more = with_grounding(rows, 4, 8)
    assert len(more) == 3 + 3 * 4 and more.select(range(3)).to_list() == rows.to_list()
    extra = more.select(range(3, len(more)))
    assert len(set(extra["id"])) == 12 and max(extra["id"]) < 0
    assert [extra[i]["clip_id"] for i in (0, 4, 8)] == ["clip0", "clip1", "clip2"]
    for row in extra:
        assert row["vanilla"] == str(tmp_path / f"{row['clip_id']}.mp4") and row["footprints"] is None
        assert row["question"] in row["prompt"][0]["content"]
        assert answer(row, "official") == row["ground_truth"] and row["ground_truth"]
        assert answer(row) == f"<answer>{row['ground_truth']}</answer>"


@pytest.mark.parametrize(
    ("ids", "kind", "expected"),
    [
        (["a", "b"], "string", ["grounding 1", "grounding 2", "grounding 3", "grounding 4"]),
        (["grounding 2", "b"], "large_string", ["grounding 1", "grounding 3", "grounding 4", "grounding 5"]),
        ([-2, 7], "int32", [-1, -3, -4, -5]),
        ([3, None], "uint16", [4, 5, 6, 7]),
        ([0.5, 1.5], "float64", [None] * 4),
        ([None, None], "null", [None] * 4),
    ],
)
def test_ids_keep_their_type_and_none_is_given_twice(tmp_path, ids: list, kind: str, expected: list) -> None:
    """A user's own rows may have any; those that loaders take for one row are equal."""
    rows = Dataset.from_list(make_rows(tmp_path, 2)).remove_columns("id").add_column("id", ids, feature=Value(kind))
    more = with_grounding(rows, 2, 8)
    assert more["id"][:] == [*ids, *expected] and more.features == rows.features


@pytest.mark.parametrize("column", ["ground_truth", "reasoning", "prompt"])
def test_columns_that_hold_no_text_are_told(tmp_path, column: str) -> None:
    made = make_rows(tmp_path, 2)
    blocks = [{"role": "user", "content": [{"type": "text", "text": "How many?"}]}]
    odd = {"ground_truth": 3.5, "reasoning": None, "prompt": blocks}[column]
    rows = Dataset.from_list([{**row, column: odd} for row in made])
    with pytest.raises(ValueError, match=f"grounding_questions is 2, and the column {column} .*; give it as text"):
        with_grounding(rows, 2, 8)


@pytest.mark.parametrize("broken", ["column", "streamed"])
def test_rows_that_they_cannot_be_made_from(tmp_path, broken: str) -> None:
    rows = Dataset.from_list(make_rows(tmp_path, 1))
    rows = rows.remove_columns(["footprints", "fps"]) if broken == "column" else rows.to_iterable_dataset()
    cause = "lack the columns fps, footprints" if broken == "column" else "are streamed"
    with pytest.raises(ValueError, match=f"grounding_questions is 2, but the rows {cause}.*or set grounding_questions"):
        with_grounding(rows, 2, 8)


def test_training_learns_from_them_too(tiny_folder, tmp_path) -> None:
    rows = Dataset.from_list(make_rows(tmp_path, 2))
    trainer = OCRSFTTrainer(
        transformers.AutoModelForImageTextToText.from_pretrained(tiny_folder, dtype=torch.float32),
        config(tmp_path / "sft", grounding_questions=3, questions_per_clip=4, per_device_train_batch_size=4),
        rows,
        transformers.AutoProcessor.from_pretrained(tiny_folder),
        eval_dataset=rows,
    )
    assert len(trainer.train_dataset) == 2 + 2 * 3 and len(trainer.eval_dataset) == 2
    batch = next(iter(trainer.get_train_dataloader()))
    # Both clips with their own question and three more, each clip once
    assert len(batch["videos"]) == 1 and len(batch["media_ids"]) == 4
    text = trainer.processing_class.batch_decode(batch["input_ids"])
    assert sum(f"{FPS:g}" in t or "view at" in t or "camera at" in t for t in text) >= 3
    assert np.isfinite(trainer.train().training_loss)


def test_a_negative_number_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="grounding_questions is -1; give 0 or more"):
        config(tmp_path, grounding_questions=-1)
