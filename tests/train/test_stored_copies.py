"""Training with mode geometry on rows that bring altered copies: which is shown when, and what if it is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from ocr_hf.data.video import read_frames, write_mp4
from ocr_hf.models.media import media_id
from ocr_hf.train.clip_loader import BadRow, ClipLoader
from ocr_hf.train.training_rows import checked
from ocr_hf.train.variants import RegionNoise, StoredCopy, Vanilla
from tests.train.clips import FPS, make_rows, moving_rectangles
from tests.train.conftest import history, make_config
from tests.train.test_rollouts import PlainEncoder, processor, strategy  # noqa: F401


def with_copies(folder: Path, rows: list[dict]) -> list[dict]:
    """Give rows two altered copies, of rectangles in ever other colours."""
    for number, row in enumerate(rows):
        frames, _ = moving_rectangles(number)
        row["altered"], row["altered_strengths"] = [], [0.1, 0.2]
        row["altered_edits"] = []
        for k in (1, 2):
            write_mp4(folder / f"clip{number}_{k}.mp4", np.roll(frames, k, axis=-1), FPS)
            row["altered"].append(str(folder / f"clip{number}_{k}.mp4"))
            edit = {"kind": "scale", "objects": [2], "parameters": {"factors": [1.0 + k] * 3}}
            row["altered_edits"].append([json.dumps(edit), json.dumps({**edit, "objects": [1]})])
    return rows


@pytest.fixture
def rows(tmp_path) -> list[dict]:
    return with_copies(tmp_path, make_rows(tmp_path))


def test_the_copy_whose_strength_is_nearest_is_shown_and_the_end_is_vanilla(tmp_path, rows):
    ocr = strategy(tmp_path, mode="geometry", noise_steps=10)
    shown = [ocr.variants(rows[0], step, 99)["noisy"] for step in range(12)]
    # 0.2 (1 - s / 10), nearest of 0, 0.1, 0.2: 0.16 is nearer to 0.2, 0.14 and 0.06 to 0.1, 0.04 to 0
    sources = [getattr(variant, "source", None) for variant in shown]
    weak, strong = rows[0]["altered"]
    assert sources == [strong] * 3 + [weak] * 5 + [None] * 4
    assert all(isinstance(variant, StoredCopy | Vanilla) for variant in shown) and isinstance(shown[10], Vanilla)
    assert shown[0].objects == (1, 2)
    again = strategy(tmp_path, mode="geometry", noise_steps=10).variants(dict(rows[0]), 2, 7)["noisy"]
    assert again.settings == shown[2].settings


def test_a_stored_copy_is_what_the_model_sees(tmp_path, rows, processor):  # noqa: F811
    variant = strategy(tmp_path, mode="geometry", schedule="constant").variants(rows[1], 0, 9)["noisy"]
    clip = ClipLoader("vanilla", 4)([rows[1]])[0]["clip"]
    encoder = PlainEncoder(processor)
    frames, _ = read_frames(rows[1]["altered"][1], clip.indices)
    torch.testing.assert_close(
        variant.video(clip, encoder).pixel_values_videos, encoder.encode(clip, frames).pixel_values_videos
    )
    footprints = variant.footprints.region((1, 2), clip.indices)
    assert variant.area(clip) == pytest.approx(footprints.mean())
    weaker = strategy(tmp_path, mode="geometry", schedule="constant", strength=0.1).variants(rows[1], 0, 9)["noisy"]
    assert media_id(clip.id, weaker.settings) != media_id(clip.id, variant.settings)


@pytest.mark.parametrize("mode", ["rigid", "gaussian"])
def test_other_modes_and_rows_without_copies_are_perturbed_as_before(tmp_path, rows, mode):
    assert isinstance(strategy(tmp_path, mode=mode).variants(rows[0], 0, 9)["noisy"], RegionNoise)
    for without in ({"altered": None}, {"altered": []}):
        made = strategy(tmp_path, mode="geometry").variants({**rows[0], **without}, 0, 9)["noisy"]
        assert isinstance(made, RegionNoise)


def test_a_missing_copy_is_named_and_refused_or_skipped(tmp_path, rows, processor, caplog):  # noqa: F811
    Path(rows[2]["altered"][1]).unlink()
    said = (
        r"row \(id 2, clip_id clip2\): its altered copy .*clip2_2.mp4 cannot be read .*; build the data set again, set"
    )
    with pytest.raises(BadRow, match=said):
        strategy(tmp_path, mode="geometry").variants(rows[2], 0, 9)
    data = Dataset.from_list(rows)
    with pytest.raises(BadRow, match=said):
        checked(data, make_config(tmp_path, mode="geometry"), processor, 4096, 8)
    kept = checked(data, make_config(tmp_path, mode="geometry", on_bad_video="skip"), processor, 4096, 8)
    assert kept["id"] == [0, 1, 3]
    assert "left out: row (id 2, clip_id clip2)" in caplog.text and "left out 1 of 4 rows" in caplog.text
    # Whoever doesn't look at the copies doesn't miss them
    assert len(checked(data, make_config(tmp_path, mode="rigid"), processor, 4096, 8)) == 4


def test_a_copy_of_another_clip_is_refused(tmp_path, rows):
    write_mp4(Path(rows[0]["altered"][1]), moving_rectangles(0, frames=5)[0], FPS)
    with pytest.raises(BadRow, match=r"clip0_2.mp4 has 5 frames, its clip 8; build the data set again"):
        strategy(tmp_path, mode="geometry").variants(rows[0], 0, 9)


def test_training_shows_stored_copies(make_trainer, rows):
    trainer = make_trainer(data=Dataset.from_list(rows), mode="geometry", max_steps=1)
    trainer.train()
    assert history(trainer, "noise/objects") == [2.0]
    assert history(trainer, "kl/noisy_vanilla")[0] > 0.0


def test_training_skips_and_goes_on_where_a_copy_is_gone(make_trainer, rows, caplog):
    Path(rows[0]["altered"][1]).unlink()
    trainer = make_trainer(
        data=Dataset.from_list(rows), mode="geometry", max_steps=4, on_bad_video="skip", shuffle_dataset=False,
        schedule="constant",
    )  # fmt: skip
    trainer.train()
    assert "skipped: row (id 0, clip_id clip0): its altered copy" in caplog.text
    assert [value > 0 for value in history(trainer, "grad_norm")] == [False, True, True, True]
