"""The video is seen: in sampling, in every log-prob, and in the variant that the rollout's media id names."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
import transformers
from trl import GRPOTrainer

from ocr_hf.models.tiny import build_tiny


@contextmanager
def recorded_logits(model):
    """Record, while the model generates, the raw logits of every sampled position: (B, C, vocabulary)."""
    original, record = model.generate, []

    def generate(**arguments):
        out = original(**arguments, return_dict_in_generate=True, output_logits=True)
        record.append(torch.stack(out.logits, 1))
        return out.sequences

    model.generate = generate
    yield record
    model.generate = original


def batch_of(trainer, count: int = 1) -> list:
    """The rows of `count` groups, with their clips, as the data loader gives them."""
    data = trainer.train_dataset
    return trainer.data_collator([data[i] for i in range(count) for _ in range(trainer.num_generations)])


def score(trainer, output) -> torch.Tensor:
    """Log-probs (B, C) of a generated batch as the loss computes them."""
    ids = torch.cat([output["prompt_ids"], output["completion_ids"]], 1)
    mask = torch.cat([output["prompt_mask"], output["completion_mask"]], 1)
    with torch.no_grad(), trainer._scoring(output["scored_media"], output["role"]):
        return trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, output["completion_ids"].shape[1])[
            0
        ]


def generated(trainer, count: int = 1):
    trainer.model.train()
    return trainer._generate_and_score_completions(batch_of(trainer, count))


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory):
    return build_tiny(tmp_path_factory.mktemp("models") / "qwen3", "0.2M", "qwen3_vl")


@pytest.mark.parametrize("share_vision", [True, False])
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_rollout_and_score_see_the_same(make_trainer, family, qwen3, share_vision, monkeypatch):
    """Log-probs of the sampled tokens while sampling equal those that the loss computes, for the same media."""
    changes = {}
    if family == "qwen3_vl":
        changes["model"] = transformers.AutoModelForImageTextToText.from_pretrained(qwen3)
    trainer = make_trainer(score_under="own", share_vision=share_vision, temperature=0.7, top_k=0, **changes)
    if family == "qwen3_vl":
        trainer.processing_class = transformers.AutoProcessor.from_pretrained(qwen3, padding_side="left")
        for table in trainer.videos.values():
            table.processor = trainer.processing_class
    with recorded_logits(trainer.model) as record:
        output = generated(trainer, 2)
    at_rollout = (record[0].float() / 0.7).log_softmax(-1)
    at_rollout = at_rollout[:, : output["completion_ids"].shape[1]].gather(-1, output["completion_ids"][..., None])
    tokens = output["completion_mask"].bool()
    assert tokens.sum() > 20
    torch.testing.assert_close(score(trainer, output)[tokens], at_rollout[..., 0][tokens], atol=1e-4, rtol=0)


def test_replacing_the_video_changes_the_score(make_trainer):
    trainer = make_trainer()
    output = generated(trainer)
    before = score(trainer, output)
    assert torch.equal(score(trainer, output), before)
    table = trainer.videos["train"]
    name = output["scored_media"][0]
    table.videos[name] = table.videos[name].with_pixels(table.videos[name].pixel_values_videos.flip(0))
    table._features.clear()
    assert ((score(trainer, output) - before).abs()[output["completion_mask"].bool()] > 1e-3).float().mean() > 0.9


def test_noisy_rollouts_see_other_pixels_under_another_id(make_trainer):
    trainer = make_trainer(score_under="own", max_objects=2)
    output = generated(trainer)
    table, roles, ids = trainer.videos["train"], output["role"], output["scored_media"]
    assert roles == ["vanilla", "vanilla", "noisy", "noisy"]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    vanilla, noisy = (table.videos[name].pixel_values_videos for name in (ids[0], ids[2]))
    changed = (vanilla != noisy).any(1)
    assert changed.any() and not changed.all()
    assert torch.equal(output["prompt_ids"][0], output["prompt_ids"][2])


def test_scored_under_the_recorded_clip_or_their_own(make_trainer):
    clean, own = (generated(make_trainer(score_under=under)) for under in ("clean", "own"))
    assert len(set(clean["scored_media"])) == 1
    assert len(set(own["scored_media"])) == 2
    assert clean["scored_media"][0] == own["scored_media"][0]


def test_clean_scoring_conditions_noisy_rollouts_on_the_recorded_clip(make_trainer):
    trainer = make_trainer(score_under="clean")
    output = generated(trainer)
    clean = score(trainer, output)
    name = output["scored_media"][0]
    video = trainer.videos["train"].videos[name]
    direct = trainer.model(
        input_ids=torch.cat([output["prompt_ids"], output["completion_ids"]], 1),
        attention_mask=torch.cat([output["prompt_mask"], output["completion_mask"]], 1),
        mm_token_type_ids=(
            torch.cat([output["prompt_ids"], output["completion_ids"]], 1) == trainer.processing_class.video_token_id
        ).int() * 2,
        pixel_values_videos=torch.cat([video.pixel_values_videos] * 4),
        video_grid_thw=video.video_grid_thw.repeat(4, 1),
        second_per_grid_ts=torch.tensor([video.seconds_per_grid] * 4),
    ).logits.log_softmax(-1)  # fmt: skip
    length = output["completion_ids"].shape[1]
    direct = direct[:, -length - 1 : -1].gather(-1, output["completion_ids"][..., None])[..., 0]
    tokens = output["completion_mask"].bool()
    torch.testing.assert_close(clean[tokens], direct[tokens], atol=1e-4, rtol=0)


@pytest.mark.parametrize("freeze", [True, False])
def test_encoding_once_changes_neither_loss_nor_gradients(make_trainer, freeze):
    results = []
    for once in (True, False):
        trainer = make_trainer(freeze_vision=freeze, share_vision=once, score_under="own")
        output = generated(trainer)
        trainer.current_gradient_accumulation_steps = 1
        # Distinct advantages, so that the gradient is not zero by chance
        output["advantages"] = torch.tensor([1.0, -0.5, 0.7, -1.2])
        loss = trainer._compute_loss(trainer.model, output)
        loss.backward()
        grads = {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}
        results.append((loss.detach(), grads, trainer.videos["train"].encoded, output["completion_ids"]))
    (loss, grads, encoded, ids), (other_loss, other_grads, _, other_ids) = results
    assert torch.equal(ids, other_ids)
    torch.testing.assert_close(loss, other_loss, atol=1e-5, rtol=0)
    assert set(grads) == set(other_grads) and any("visual" in name for name in grads) != freeze
    for name in grads:
        torch.testing.assert_close(grads[name], other_grads[name], atol=1e-5, rtol=1e-3)
    # frozen: the recorded clip and its noisy copy, once each for sampling, scoring and the loss together
    assert encoded == (2 if freeze else encoded) and (freeze or encoded > 2)


def test_video_tokens_are_the_grid_over_the_merge_size_squared(make_trainer):
    trainer = make_trainer()
    output = generated(trainer)
    video = trainer.videos["train"].videos[output["scored_media"][0]]
    expected = int(video.video_grid_thw.prod()) // trainer.processing_class.video_processor.merge_size**2
    counts = (output["prompt_ids"] == trainer.processing_class.video_token_id).sum(1)
    assert counts.tolist() == [expected] * 4


def test_model_is_told_rate_and_token_types(make_trainer):
    """Left out, transformers uses 1D positions and 1 s per step without a word."""
    trainer = make_trainer()
    told = []
    handle = trainer.model.model.register_forward_pre_hook(lambda _m, _a, kw: told.append(kw), with_kwargs=True)
    score(trainer, generated(trainer))
    handle.remove()
    with_video = [kw for kw in told if kw.get("mm_encoder_outputs") or kw.get("pixel_values_videos") is not None]
    assert len(with_video) >= 2  # while sampling and while scoring
    for kw in with_video:
        # 4 of 8 frames at 4 fps are 7/3 frames apart: two frames, one step of the grid, last 14/12 s
        rates = kw["second_per_grid_ts"].tolist()
        assert rates and rates == pytest.approx([14 / 12] * len(rates))
        assert (kw["mm_token_type_ids"] == 2).sum(1).tolist() == [12] * len(rates)


def test_video_token_is_never_sampled(make_trainer):
    trainer = make_trainer(max_completion_length=32)
    video = trainer.processing_class.video_token_id
    with torch.no_grad():
        trainer.model.lm_head.weight[video] *= 100
    output = generated(trainer, 2)
    assert not (output["completion_ids"] == video).any()
    trainer.generation_config.suppress_tokens = None
    trainer.generation_kwargs["suppress_tokens"] = None
    # What TRL alone, which suppresses only the image token, would run into
    with pytest.raises(ValueError, match="Video features and video tokens do not match"):
        score(trainer, generated(trainer, 2))


def test_frames_never_travel_in_prompts(make_trainer, monkeypatch):
    """TRL deep-copies and gathers prompts; a frame in one would be copied for every rollout."""
    trainer = make_trainer()
    seen, original = [], GRPOTrainer._generate
    monkeypatch.setattr(GRPOTrainer, "_generate", lambda self, chats: (seen.append(chats), original(self, chats))[1])
    generated(trainer)
    assert seen == [[trainer.train_dataset[0]["prompt"]] * 4]
