"""What must not change does not: stock TRL on rows without video, grpo at noise share 0, a run that was resumed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset
from PIL import Image
from trl import GRPOConfig, GRPOTrainer

from ocr_hf.train.checkpoints import last_checkpoint
from tests.train.clips import make_rows
from tests.train.conftest import history, make_config, vowel_reward


def weights(trainer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}


def assert_equal_runs(first, second) -> None:
    """Same losses, gradient norms and final weights, to the bit."""
    for name in ("loss", "grad_norm", "reward", "entropy"):
        assert history(first, name) == history(second, name), name
    ours, theirs = weights(first), weights(second)
    assert set(ours) == set(theirs)
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


def stock(tiny_folder, folder, data, **changes):
    """TRL's own trainer with the same settings."""
    ours = make_config(folder, strategy="grpo", **changes)
    names = set(GRPOConfig.__dataclass_fields__) - {"generation_batch_size"}
    settings = {n: getattr(ours, n) for n in names if GRPOConfig.__dataclass_fields__[n].init and n in ours.__dict__}
    torch.manual_seed(0)
    return GRPOTrainer(
        transformers.AutoModelForImageTextToText.from_pretrained(tiny_folder),
        vowel_reward,
        GRPOConfig(**settings),
        data,
        processing_class=transformers.AutoProcessor.from_pretrained(tiny_folder, padding_side="left"),
    )


TEXT = [[{"role": "user", "content": f"How many tables stand in room {n}?"}] for n in range(4)]
SETTINGS = {"max_steps": 3, "gradient_accumulation_steps": 2, "beta": 0.04, "per_device_train_batch_size": 4}


@pytest.mark.parametrize("columns", ["text only", "video column with nothing in it"])
def test_text_rows_train_as_in_trl(make_trainer, tiny_folder, tmp_path, columns):
    data = Dataset.from_dict({"prompt": TEXT})
    # A run with videos never samples a video token; TRL alone now and then does
    tokens = transformers.AutoProcessor.from_pretrained(tiny_folder)
    suppressed = {"suppress_tokens": sorted([tokens.image_token_id, tokens.video_token_id])}
    settings = SETTINGS if columns == "text only" else SETTINGS | {"generation_kwargs": suppressed}
    theirs = stock(tiny_folder, tmp_path / "stock", data, **settings)
    theirs.train()
    if columns != "text only":
        data = data.add_column("vanilla", [None] * 4)
    ours = make_trainer(data=data, strategy="grpo", **SETTINGS)
    assert ours.has_video == (columns != "text only")
    ours.train()
    assert_equal_runs(ours, theirs)
    assert max(abs(value) for value in history(ours, "loss")) > 1e-4


def test_image_rows_train_as_in_trl(make_trainer, tiny_folder, tmp_path):
    pictures = [Image.fromarray(np.full((56, 56, 3), 50 * n, np.uint8)) for n in range(4)]
    data = Dataset.from_dict({"prompt": TEXT, "image": pictures})
    tokens = transformers.AutoProcessor.from_pretrained(tiny_folder)
    suppressed = {"generation_kwargs": {"suppress_tokens": sorted([tokens.image_token_id, tokens.video_token_id])}}
    theirs = stock(tiny_folder, tmp_path / "stock", data, **SETTINGS, **suppressed)
    for parameter in theirs.model.model.visual.parameters():
        parameter.requires_grad_(False)
    theirs.train()
    for with_column in (False, True):
        rows = data.add_column("vanilla", [None] * 4) if with_column else data
        ours = make_trainer(data=rows, strategy="grpo", **SETTINGS, **({} if with_column else suppressed))
        ours.train()
        assert_equal_runs(ours, theirs)


@pytest.mark.parametrize("strategy", ["ocr", "noisy_rollout", "t_grpo"])
def test_no_noise_equals_grpo(make_trainer, strategy):
    def accuracy_reward(completions, **kwargs):
        return vowel_reward(completions)

    plain = make_trainer(strategy="grpo", rewards=accuracy_reward, max_steps=3)
    plain.train()
    other = make_trainer(strategy=strategy, num_noisy=0, rewards=accuracy_reward, max_steps=3, temporal_bonus=0.0)
    other.train()
    assert_equal_runs(plain, other)


@pytest.mark.parametrize("changes", [{"max_objects": 0}, {"strength": 0.0}])
def test_noise_of_nothing_equals_grpo(make_trainer, changes):
    plain = make_trainer(strategy="grpo", max_steps=2)
    plain.train()
    other = make_trainer(strategy="ocr", max_steps=2, **changes)
    other.train()
    assert_equal_runs(plain, other)


def test_noise_does_change_training(make_trainer):
    """The counterpart of the two tests above, which an ignored strategy would pass as well."""
    plain, noisy = make_trainer(strategy="grpo", max_steps=2), make_trainer(strategy="ocr", max_steps=2)
    plain.train()
    noisy.train()
    assert any(not torch.equal(value, weights(noisy)[name]) for name, value in weights(plain).items())


@pytest.mark.parametrize("rows_a_step", [1, 2])
def test_resumed_run_equals_the_whole_one(make_trainer, tmp_path, rows_a_step):
    """6 steps equal 3 and 3 more: weights, losses, and which objects were perturbed; in the first epoch and behind it.

    There are 4 rows.
    """
    settings = {"save_strategy": "steps", "save_steps": 3, "max_steps": 6, "noise_steps": 12, "max_objects": 2}
    settings["per_device_train_batch_size"] = 4 * rows_a_step
    whole = make_trainer(**settings, output_dir=str(tmp_path / "whole"))
    chosen = record_choices(whole)
    whole.train()
    part = make_trainer(**settings, output_dir=str(tmp_path / "part"))
    first = record_choices(part)
    part.add_callback(StopAt(3))
    part.train()
    rest = make_trainer(**settings, output_dir=str(tmp_path / "part"))
    second = record_choices(rest)
    checkpoint = last_checkpoint(tmp_path / "part")
    assert checkpoint.name == "checkpoint-3"
    rest.train(resume_from_checkpoint=str(checkpoint))
    assert first + second == chosen and any(chosen)
    assert_equal_runs(whole, rest)


class StopAt(transformers.TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step >= self.step


def record_choices(trainer) -> list:
    """Record (row, perturbed objects) of every group that the trainer plans."""
    chosen, original = [], trainer.strategy.perturbed

    def perturbed(row, step, total):
        variant = original(row, step, total)
        chosen.append((row["id"], step, variant.objects))
        return variant

    trainer.strategy.perturbed = perturbed
    return chosen


@pytest.mark.parametrize(
    ("changes", "moves", "stays"),
    [
        ({"freeze_vision": True}, "language_model", "visual"),
        ({"freeze_vision": False}, "", None),
    ],
)
def test_every_trainable_parameter_moves_and_no_other(make_trainer, changes, moves, stays):
    trainer = make_trainer(max_steps=3, weight_decay=0.0, score_under="own", **changes)
    before = weights(trainer)
    trainer.train()
    for name, value in weights(trainer).items():
        moved = not torch.equal(value, before[name])
        if stays is not None and stays in name:
            assert not moved, f"{name} is frozen and moved"
        else:
            assert moved, f"{name} did not move"


def test_groups_stay_together(make_trainer, tmp_path):
    """Two groups in two micro-batches: each micro-batch holds one clip and its noisy copy, nothing else."""
    trainer = make_trainer(gradient_accumulation_steps=2, score_under="own")
    trainer.model.train()
    rows = trainer.data_collator([trainer.train_dataset[i] for i in (0, 1) for _ in range(4)])
    trainer._prepare_inputs(rows)
    clips = []
    for batch in trainer._buffered_inputs:
        assert batch["role"] == ["vanilla", "vanilla", "noisy", "noisy"]
        names = {name.split("/")[0] for name in batch["scored_media"]}
        assert len(names) == 1
        clips += names
    assert sorted(clips) == ["clip0", "clip1"]


def test_streamed_rows_train_as_stored_ones(make_trainer, tmp_path):
    rows = make_rows(tmp_path)
    stored = make_trainer(data=Dataset.from_list(rows), shuffle_dataset=False)
    stored.train()
    streamed = make_trainer(data=Dataset.from_list(rows).to_iterable_dataset(), shuffle_dataset=False)
    streamed.train()
    assert_equal_runs(stored, streamed)
