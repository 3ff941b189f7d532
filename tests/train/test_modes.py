"""Every way of training that the trainer promises: losses, KL, accumulation, LoRA, checkpointing, bf16, strategies."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers.trainer_utils import IntervalStrategy

from ocr_hf.train.clip_loader import BadRow
from ocr_hf.train.rewards import accuracy_reward
from tests.train.clips import make_rows
from tests.train.conftest import history, vowel_reward


def moved(trainer, before) -> set[str]:
    return {n for n, p in trainer.model.named_parameters() if not torch.equal(p.detach(), before[n])}


def run(trainer) -> tuple[set[str], dict[str, torch.Tensor]]:
    """Train; return the names of the parameters that moved."""
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    losses = history(trainer, "loss")
    assert len(losses) == trainer.args.max_steps and all(map(math.isfinite, losses))
    return moved(trainer, before)


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "bnpo", "dapo", "cispo", "sapo", "luspo", "vespo"])
def test_every_loss(make_trainer, loss):
    level = "sequence" if loss == "luspo" else "token"
    settings = {"loss_type": loss, "beta": 0.04, "num_iterations": 2, "importance_sampling_level": level}
    trainer = make_trainer(max_steps=4, **settings)
    assert run(trainer)
    assert max(history(trainer, "kl")) > 0  # the second iteration has left the reference model


def test_sequence_level_importance_sampling(make_trainer):
    assert run(make_trainer(loss_type="grpo", importance_sampling_level="sequence", num_iterations=2, max_steps=3))


def test_reference_model_sees_the_video(make_trainer):
    """At the start the policy is the reference model, so KL is 0; blind, they would differ by 0.3 to 0.6 nats."""
    trainer = make_trainer(beta=0.04, max_steps=1)
    run(trainer)
    assert history(trainer, "kl") == [pytest.approx(0.0, abs=1e-6)]


def test_old_log_probs_see_the_video(make_trainer):
    """Steps per generation that don't fit the accumulation make TRL score at once what it trains on later."""
    trainer = make_trainer(steps_per_generation=2, gradient_accumulation_steps=1, max_steps=2)
    trainer.model.train()
    rows = trainer.data_collator([trainer.train_dataset[i] for i in (0, 1) for _ in range(4)])
    for _ in range(2):
        batch = trainer._prepare_inputs(rows)
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
        with torch.no_grad(), trainer._scoring(batch["scored_media"]):
            now, _, _ = trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, 8)
        torch.testing.assert_close(batch["old_per_token_logps"], now, atol=1e-5, rtol=0)
        trainer._step += 1


def test_accumulated_steps_equal_one_large(make_trainer):
    """Two micro-batches of a group give the gradient of one batch of two groups, for the default loss."""
    grads = []
    for size, steps in ((8, 1), (4, 2)):
        trainer = make_trainer(per_device_train_batch_size=size, gradient_accumulation_steps=steps)
        trainer.model.train()
        torch.manual_seed(1)
        trainer.current_gradient_accumulation_steps = steps
        rows = trainer.data_collator([trainer.train_dataset[i] for i in (0, 1) for _ in range(4)])
        for _ in range(steps):
            trainer._compute_loss(trainer.model, trainer._prepare_inputs(rows)).backward()
            trainer._step += 1
        grads.append({n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.grad is not None})
    for name in grads[0]:
        torch.testing.assert_close(grads[1][name], grads[0][name], atol=1e-5, rtol=1e-3, msg=name)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_lora_moves_only_adapters(make_trainer, checkpointing, beta):
    config = LoraConfig(target_modules=["q_proj", "v_proj"], r=4, task_type="CAUSAL_LM")
    names = run(make_trainer(peft_config=config, activation_checkpointing=checkpointing, beta=beta, max_steps=3))
    assert names and all("lora" in name for name in names)
    assert any("lora_A" in name for name in names) and any("lora_B" in name for name in names)


@pytest.mark.parametrize("freeze", [True, False])
def test_checkpointing_changes_no_gradient(make_trainer, freeze):
    runs = []
    for on in (False, True):
        runs.append(make_trainer(activation_checkpointing=on, freeze_vision=freeze, max_steps=2))
        run(runs[-1])
    assert history(runs[0], "grad_norm") == pytest.approx(history(runs[1], "grad_norm"), rel=1e-4)


def test_bf16(make_trainer):
    trainer = make_trainer(bf16=True, beta=0.04)
    assert run(trainer)
    assert history(trainer, "kl")[0] < 1e-3


@pytest.mark.parametrize("mode", ["gaussian", "geometry", "jitter"])
def test_both_noises(make_trainer, mode):
    trainer = make_trainer(mode=mode, max_steps=1, max_objects=2)
    run(trainer)
    assert history(trainer, "noise/objects") == [2.0]
    assert 0.0 < history(trainer, "noise/area")[0] < 0.3
    assert history(trainer, "kl/noisy_vanilla")[0] > 0.0


def test_noisy_rollout(make_trainer):
    trainer = make_trainer(strategy="noisy_rollout", timestep_midpoint=0.5, timestep_sharpness=60, max_steps=2)
    run(trainer)
    # sigmoid centred at step 1 of 2: t is 500 at first, then 250
    assert history(trainer, "noise/area") == [1.0, 1.0]
    divergence = history(trainer, "kl/noisy_vanilla")
    assert divergence[0] > 0.0


def test_t_grpo_trains_on_ordered_rollouts_only(make_trainer):
    trainer = make_trainer(
        strategy="t_grpo", rewards=[accuracy_reward, vowel_reward], num_generations=6, per_device_train_batch_size=6
    )
    trainer.model.train()
    rows = trainer.data_collator([trainer.train_dataset[0]] * 6)
    batch = trainer._prepare_inputs(rows)
    assert batch["role"] == ["vanilla"] * 4
    assert len(batch["completion_ids"]) == len(batch["advantages"]) == 4
    assert batch["num_items_in_batch"] == batch["completion_mask"].sum()
    # the baseline is the mean of the ordered rollouts alone
    assert batch["advantages"].sum().abs() < 1e-5 and batch["advantages"].abs().max() > 0.1
    trainer.train()
    assert len(history(trainer, "rewards/temporal_reward/mean")) == 2
    assert len(history(trainer, "shuffled/accuracy")) == 2


def test_shuffled_frames_are_the_same_frames(make_trainer):
    trainer = make_trainer(
        strategy="t_grpo", rewards=[accuracy_reward], num_generations=6, per_device_train_batch_size=6
    )
    trainer.model.train()
    trainer._generate_and_score_completions(trainer.data_collator([trainer.train_dataset[0]] * 6))
    pixels = [video.pixel_values_videos for video in trainer.videos["train"].videos.values()]
    assert len(pixels) == 2 and not torch.equal(*pixels)
    # patches hold two frames; undo that to compare the frames as sets
    frames = [p.view(2, -1, 3, 2, 14 * 14).permute(0, 3, 1, 2, 4).reshape(4, -1) for p in pixels]
    assert sorted(frame.sum().item() for frame in frames[0]) == pytest.approx(
        sorted(frame.sum().item() for frame in frames[1]), rel=1e-5
    )


def test_evaluation_sees_the_recorded_clip(make_trainer, rows):
    trainer = make_trainer(num_generations_eval=2, per_device_eval_batch_size=4, score_under="own")
    metrics = trainer.evaluate(Dataset.from_list(rows))
    assert math.isfinite(metrics["eval_reward"]) and "eval_noise/objects" not in metrics
    assert {name.split("/")[0] for name in trainer.videos["eval"].videos} <= {f"clip{n}" for n in range(4)}
    assert len(trainer.videos["eval"].videos) == len({name.split("/")[0] for name in trainer.videos["eval"].videos})


def test_evaluation_between_micro_batches_keeps_their_videos(make_trainer, rows):
    trainer = make_trainer(steps_per_generation=2, max_steps=4)
    trainer.eval_dataset = Dataset.from_list(rows[:1])
    trainer.args.eval_strategy, trainer.args.eval_steps = IntervalStrategy.STEPS, 1
    trainer.state.eval_steps = 1
    run(trainer)
    assert len(history(trainer, "eval_reward")) == 4


def test_completions_are_logged_with_their_media(make_trainer, tmp_path):
    trainer = make_trainer(log_completions=True, output_dir=str(tmp_path / "out"), max_steps=1, score_under="clean")
    run(trainer)
    table = pd.read_parquet(next((tmp_path / "out" / "completions").glob("*.parquet")))
    assert table["role"].tolist() == ["vanilla", "vanilla", "noisy", "noisy"]
    assert table["media_id"].nunique() == 2 and table["scored_media_id"].nunique() == 1
    assert [len(objects) for objects in table["perturbed_objects"]] == [0, 0, 3, 3]


def test_rewards_get_the_3d_truth(make_trainer):
    seen = []

    def from_boxes(completions, objects, camera_to_world, intrinsics, footprints, **_):
        seen.extend(zip(objects, camera_to_world, intrinsics, footprints, strict=True))
        return [float(len(boxes)) for boxes in objects]

    trainer = make_trainer(rewards=from_boxes, max_steps=1)
    trainer.train()
    boxes, poses, intrinsics, footprints = seen[0]
    assert [box["id"] for box in boxes] == [1, 2, 3] and np.shape(poses) == (8, 4, 4)
    assert np.shape(intrinsics) == (3, 3) and footprints[0]["counts"]
    assert history(trainer, "reward") == [3.0]


def test_data_loader_processes_give_the_same_rows(make_trainer):
    runs = []
    for workers in (0, 2):
        runs.append(make_trainer(dataloader_num_workers=workers, max_steps=2))
        run(runs[-1])
    assert history(runs[0], "reward") == history(runs[1], "reward")
    assert history(runs[0], "grad_norm") == history(runs[1], "grad_norm")


class TestBadRows:
    @pytest.fixture
    def damaged(self, tmp_path) -> Dataset:
        """Four rows, of which clip 1 is no video and clip 2 is empty."""
        rows = make_rows(tmp_path)
        (tmp_path / "clip1.mp4").write_bytes(b"not a video")
        (tmp_path / "clip2.mp4").write_bytes(b"")
        return Dataset.from_list(rows)

    def test_fatal_by_default_and_named(self, make_trainer, damaged):
        with pytest.raises(BadRow, match=r"row \(id \d, clip_id clip[12]\): its clip cannot be read"):
            make_trainer(data=damaged, max_steps=4).train()

    def test_skipped_rows_are_named_and_give_no_gradient(self, make_trainer, damaged, caplog):
        trainer = make_trainer(data=damaged, max_steps=4, on_bad_video="skip", shuffle_dataset=False, beta=0.04)
        trainer.model.train()
        batch = trainer._prepare_inputs(trainer.data_collator([damaged[1]] * 4))
        assert batch["completion_mask"].sum() == 0 and batch["advantages"].abs().sum() == 0
        trainer.current_gradient_accumulation_steps = 1
        trainer._compute_loss(trainer.model, batch).backward()
        assert all(p.grad is None or not p.grad.any() for p in trainer.model.parameters())
        trainer._step, trainer._buffered_inputs = 0, None
        run(trainer)
        assert "clip_id clip1" in caplog.text and "clip_id clip2" in caplog.text
        assert [value > 0 for value in history(trainer, "grad_norm")] == [True, False, False, True]

    def test_broken_footprints_are_skipped_as_well(self, make_trainer, tmp_path, caplog):
        rows = make_rows(tmp_path)
        rows[2]["footprints"][0]["frame"] = 99
        settings = {"data": Dataset.from_list(rows), "max_steps": 4, "shuffle_dataset": False}
        with pytest.raises(BadRow, match=r"row \(id 2, clip_id clip2\): its footprints cannot be read"):
            make_trainer(**settings).train()
        trainer = make_trainer(**settings, on_bad_video="skip")
        run(trainer)
        assert "skipped: row (id 2, clip_id clip2): its footprints" in caplog.text
        assert [value > 0 for value in history(trainer, "grad_norm")] == [True, True, False, True]

    def test_a_skipped_group_leaves_the_other_groups_as_they_are(self, make_trainer, damaged):
        """The gradient of a good and a skipped group together is that of the good group alone."""
        grads = []
        for members in ([0], [0, 1]):
            trainer = make_trainer(
                data=damaged, on_bad_video="skip", per_device_train_batch_size=4 * len(members), loss_type="dapo"
            )
            trainer.model.train()
            trainer.current_gradient_accumulation_steps = 1
            torch.manual_seed(3)
            rows = trainer.data_collator([damaged[i] for i in members for _ in range(4)])
            batch = trainer._generate_and_score_completions(rows)
            good = [i for i, name in enumerate(batch["scored_media"]) if name is not None]
            batch["completion_ids"][good] = torch.arange(32).view(4, 8) + 40
            batch["advantages"][good] = torch.tensor([1.0, -0.5, 0.7, -1.2])
            batch["completion_mask"][good] = 1
            batch["num_items_in_batch"] = batch["completion_mask"].sum()
            trainer._compute_loss(trainer.model, batch).backward()
            grads.append({n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None})
        for name in grads[0]:
            torch.testing.assert_close(grads[1][name], grads[0][name], atol=1e-6, rtol=1e-4, msg=name)
