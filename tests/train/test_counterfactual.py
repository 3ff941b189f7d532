"""Counterfactual pairs: half of a group sees the edited video and is rewarded for the answer that is right there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from ocr_hf.data.schema import features
from ocr_hf.data.video import read_frames, write_mp4
from ocr_hf.train.clip_loader import BadRow, ClipLoader
from ocr_hf.train.strategies.counterfactual import OF_EDITED, Counterfactual
from ocr_hf.train.training_rows import checked
from ocr_hf.train.variants import EditedVideo
from tests.train.clips import FPS, make_rows, moving_rectangles
from tests.train.conftest import history, make_config
from tests.train.test_rollouts import PlainEncoder, processor, strategy  # noqa: F401


def with_edits(folder: Path, rows: list[dict]) -> list[dict]:
    """Give rows an edited video, of rectangles in other colours, with an answer and boxes of its own."""
    for number, row in enumerate(rows):
        frames, _ = moving_rectangles(number)
        row["edited"] = str(folder / f"clip{number}_edited.mp4")
        write_mp4(Path(row["edited"]), np.roll(frames, 1, axis=-1), FPS)
        row["edit"] = json.dumps([{"kind": "remove", "objects": [2], "parameters": {}}])
        row["edited_ground_truth"], row["edited_objects"] = "2", [row["objects"][0], row["objects"][2]]
        row["relation"] = "changes"
    return rows


@pytest.fixture
def rows(tmp_path) -> list[dict]:
    return with_edits(tmp_path, make_rows(tmp_path))


def test_it_reads_what_the_config_twins_has():
    assert set(Counterfactual.columns) | set(OF_EDITED.values()) | {"edit"} <= set(features("twins"))


def test_the_edited_video_is_what_the_others_see(tmp_path, rows, processor):  # noqa: F811
    made = strategy(tmp_path, strategy="counterfactual")
    assert made.layout == ("vanilla",) * 2 + ("edited",) * 2 and made.config.score_under == "own"
    loaded = ClipLoader("vanilla", 4)(rows)
    variant = made.variants(loaded[1], 0, 9)["edited"]
    assert isinstance(variant, EditedVideo) and variant.objects == (2,)
    clip, encoder = loaded[1]["clip"], PlainEncoder(processor)
    frames, _ = read_frames(rows[1]["edited"], clip.indices)
    torch.testing.assert_close(
        variant.video(clip, encoder).pixel_values_videos, encoder.encode(clip, frames).pixel_values_videos
    )
    assert 0.0 < variant.area(clip) < 0.3
    # Rows need not say what was done; then the file tells edits of one clip apart
    bare = {name: value for name, value in loaded[1].items() if name not in ("edit", "footprints", "camera_to_world")}
    other = made.variants(bare, 0, 9)["edited"]
    assert other.settings == {"edited": rows[1]["edited"]} and other.area(clip) == 0.0 and other.objects == ()


def test_each_rollout_is_rewarded_for_the_answer_of_its_own_video(make_trainer, rows):
    seen = []

    def accuracy_reward(completions, ground_truth, objects, **_):
        seen.append((ground_truth, [len(boxes) for boxes in objects]))
        return [float(number) for number in range(len(completions))]

    trainer = make_trainer(data=Dataset.from_list(rows), strategy="counterfactual", rewards=accuracy_reward)
    trainer.model.train()
    batch = trainer._generate_and_score_completions(trainer.data_collator([trainer.train_dataset[0]] * 4))
    assert seen == [(["3", "3", "2", "2"], [3, 3, 2, 2])]
    first, _, _, last = batch["scored_media"]
    assert batch["scored_media"] == [first, first, last, last] and first != last
    # Rewards 0 and 1 of one video, 2 and 3 of the other: each pair by itself
    half = 0.5 / (0.5**0.5 + 1e-4)
    assert batch["advantages"].tolist() == pytest.approx([-half, half, -half, half], rel=1e-4)


def test_training_goes_through(make_trainer, rows):
    trainer = make_trainer(data=Dataset.from_list(rows), strategy="counterfactual", max_steps=1)
    trainer.train()
    assert history(trainer, "noise/objects") == [1.0] and history(trainer, "kl/edited_vanilla")[0] > 0.0
    assert len(history(trainer, "edited/reward")) == len(history(trainer, "vanilla/reward")) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda row: Path(row["edited"]).unlink(), r"row \(id 2, .*\): its edited video .*_edited.mp4 cannot be read"),
        (lambda row: row.update(edited=None), r"row \(id 2, .*\): it has no edited video; use rows of config twins"),
        (
            lambda row: write_mp4(Path(row["edited"]), moving_rectangles(2, 5)[0], FPS),
            r"row \(id 2, .*\): its edited video .* has 5 frames, its clip 8; build the data set again",
        ),
    ],
)
def test_an_edited_video_that_cannot_be_used_is_named(tmp_path, rows, processor, damage, message, caplog):  # noqa: F811
    damage(rows[2])
    with pytest.raises(BadRow, match=message):
        strategy(tmp_path, strategy="counterfactual").variants(ClipLoader("vanilla", 4)(rows)[2], 0, 9)
    data = Dataset.from_list(rows)
    with pytest.raises(BadRow, match=message):
        checked(data, make_config(tmp_path, strategy="counterfactual"), processor, 4096, 8)
    kept = checked(data, make_config(tmp_path, strategy="counterfactual", on_bad_video="skip"), processor, 4096, 8)
    assert kept["id"] == [0, 1, 3] and "left out: row (id 2" in caplog.text


@pytest.mark.parametrize("frames", [5, 7])
def test_a_shorter_video_is_refused_where_the_row_does_not_say_its_length(tmp_path, rows, frames):
    write_mp4(Path(rows[0]["edited"]), moving_rectangles(0, frames)[0], FPS)
    row = ClipLoader("vanilla", 4)(rows)[0] | {"camera_to_world": None}
    with pytest.raises(BadRow, match=f"its edited video has {frames} frames, and frame 7 of its clip is shown"):
        strategy(tmp_path, strategy="counterfactual").variants(row, 0, 9)


def test_rows_without_edits_are_refused(make_trainer, tmp_path):
    data = Dataset.from_list(make_rows(tmp_path))
    said = "reads the columns edited, edited_ground_truth, which the data set lacks; use the twins config of ocr-vsi"
    with pytest.raises(ValueError, match=said):
        make_trainer(data=data, strategy="counterfactual")
