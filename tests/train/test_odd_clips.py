"""Clips of unlike length and size, and of one frame, train side by side: fewer frames at their own times."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset

from ocr_hf.data.video import write_mp4
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.models.media import encode_video
from ocr_hf.train.clip_loader import CLIP, ClipLoader
from ocr_hf.train.rewards import accuracy_reward
from tests.train.clips import COLORS, FPS, make_rows, moving_rectangles
from tests.train.conftest import history, vowel_reward
from tests.train.test_seeing import generated, recorded_logits, score

SHAPES = {"usual": (8, 1, 1), "short": (3, 1, 2), "picture": (1, 2, 1), "odd": (5, 2, 2)}
"""Clip -> (frames, times as high, times as wide as the others)."""


@pytest.fixture(scope="module")
def odd_rows(tmp_path_factory) -> list:
    folder = tmp_path_factory.mktemp("odd")
    rows = make_rows(folder, len(SHAPES))
    for row, (name, (frames, high, wide)) in zip(rows, SHAPES.items(), strict=True):
        instances = moving_rectangles(row["id"], frames)[1].repeat(high, 1).repeat(wide, 2)
        write_mp4(folder / f"{name}.mp4", COLORS[instances], FPS)
        row |= {"vanilla": str(folder / f"{name}.mp4"), "clip_id": name}
        row["footprints"] = footprints_from_instances(instances).to_rows()
        row["camera_to_world"] = row["camera_to_world"][:frames]
    return rows


def test_fewer_frames_at_their_own_times(odd_rows):
    clips = {row["clip_id"]: row[CLIP] for row in ClipLoader("vanilla", 4)(odd_rows)}
    assert {name: clip.indices for name, clip in clips.items()} == {
        "usual": (0, 2, 4, 7), "short": (0, 1, 2), "picture": (0,), "odd": (0, 1, 2, 4),
    }  # fmt: skip
    for clip in clips.values():
        assert clip.times_s == pytest.approx([index / FPS for index in clip.indices])


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("strategy", ["ocr", "noisy_rollout"])
def test_they_are_sampled_and_scored_alike_in_one_batch(make_trainer, odd_rows, strategy, share):
    trainer = make_trainer(
        data=Dataset.from_list(odd_rows), per_device_train_batch_size=16, strategy=strategy, score_under="own",
        share_vision=share, share_prefix=share, share_prefill=share, max_objects=2, top_k=0,
    )  # fmt: skip
    with recorded_logits(trainer.model) as record:
        output = generated(trainer, 4)
    videos = trainer.videos["train"].videos
    grids = {name: video.video_grid_thw[0].tolist() for name, video in videos.items()}
    shown = {name.split("/")[0]: grid for name, grid in grids.items()}
    # Two frames make a step of the grid, the last of an odd number is repeated
    assert {name: grid[0] for name, grid in shown.items()} == {"usual": 2, "short": 2, "picture": 1, "odd": 2}
    assert len({tuple(grid[1:]) for grid in shown.values()}) == 4
    seconds = {name.split("/")[0]: video.seconds_per_grid for name, video in videos.items()}
    # The mean distance of frames, twice; a single frame has none, and stands at time 0 whatever is said
    assert seconds == pytest.approx(
        {"usual": 2 * 7 / 3 / FPS, "short": 2 / FPS, "picture": 2.0, "odd": 2 * 4 / 3 / FPS}
    )
    roles = np.array(output["role"])
    for row in range(0, 16, 4):
        vanilla, noisy = (videos[output["scored_media"][row + at]] for at in (0, 3))
        assert roles[row] == "vanilla" and roles[row + 3] == "noisy"
        assert (vanilla.pixel_values_videos != noisy.pixel_values_videos).any(), output["scored_media"][row]
    if len(record) == 1:
        sampled = record[0].float().log_softmax(-1)[:, : output["completion_ids"].shape[1]]
        sampled = sampled.gather(-1, output["completion_ids"][..., None])[..., 0]
        tokens = output["completion_mask"].bool()
        torch.testing.assert_close(score(trainer, output)[tokens], sampled[tokens], atol=1e-4, rtol=0)
    else:
        assert share


def test_sharing_changes_no_log_prob_of_them(make_trainer, odd_rows):
    found = []
    for share in (True, False):
        trainer = make_trainer(
            data=Dataset.from_list(odd_rows), per_device_train_batch_size=16, score_under="own", max_objects=2,
            share_vision=share, share_prefix=share, share_prefill=False, generation_kwargs={"do_sample": False},
        )  # fmt: skip
        output = generated(trainer, 4)
        found.append((output["completion_ids"], score(trainer, output)))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("strategy", ["ocr", "t_grpo", "papo", "roma_like"])
def test_every_strategy_trains_on_them(make_trainer, odd_rows, strategy):
    group = 6 if strategy == "t_grpo" else 4
    trainer = make_trainer(
        data=Dataset.from_list(odd_rows), rewards=[accuracy_reward, vowel_reward], strategy=strategy,
        num_generations=group, per_device_train_batch_size=2 * group, max_steps=2, variant_kl_every=0,
    )  # fmt: skip
    trainer.train()
    losses = history(trainer, "loss")
    assert len(losses) == 2 and np.isfinite(losses).all()


def test_a_picture_is_seen_as_a_video_of_one_frame(odd_rows, tiny_folder):
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(tiny_folder)
    clip = ClipLoader("vanilla", 4)(odd_rows)[2][CLIP]
    one, twice = (encode_video(processor, np.repeat(clip.array, count, 0), fps=1.0) for count in (1, 2))
    assert torch.equal(one.pixel_values_videos, twice.pixel_values_videos)
