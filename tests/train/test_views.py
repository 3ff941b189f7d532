"""Strategies that score completions under further videos: what they add to the loss, against formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ocr_hf.models.media import encode_video, media_id, token_types, video_arguments
from ocr_hf.perturb.keys import stable_key
from ocr_hf.train.batches import take
from ocr_hf.train.clip_loader import CLIP
from ocr_hf.train.log_probs import k3
from ocr_hf.train.rollouts import make_strategy
from ocr_hf.train.variants import BlackPatches, FrameNoise, Vanilla
from ocr_hf.train.view_loss import token_loss
from tests.train.conftest import history, make_config
from tests.train.test_equivalence import assert_equal_runs
from tests.train.test_rollouts import PlainEncoder, clip, processor, row  # noqa: F401


def test_k3_of_two_tokens_by_hand():
    found = k3(torch.log(torch.tensor([0.5, 0.2])), torch.log(torch.tensor([0.25, 0.4])))
    # exp(d) - d - 1 with d = log q - log p: log 1/2 and log 2
    assert found.tolist() == pytest.approx([0.5 + math.log(2) - 1, 2 - math.log(2) - 1], abs=1e-6)


def test_black_patches_are_what_the_processor_makes_of_black_squares(clip, processor):  # noqa: F811
    """The clip has the processed size: 56 x 84 pixels are 4 x 6 patches, and a patch covers two frames."""
    encoder, variant = PlainEncoder(processor), BlackPatches(0.6, 7)
    shown = variant.video(clip, encoder).pixel_values_videos
    changed = (shown != encoder.vanilla(clip).pixel_values_videos).any(1)
    assert 0.35 < changed.float().mean() < 0.85
    # The patches of a step of the grid come in blocks of 2 x 2
    order = np.arange(24).reshape(2, 2, 3, 2).transpose(0, 2, 1, 3).reshape(-1)
    frames = clip.array.copy()
    for number in torch.nonzero(changed).flatten().tolist():
        step, place = divmod(number, 24)
        top, left = np.array(np.unravel_index(order[place], (4, 6))) * 14
        frames[2 * step : 2 * step + 2, top : top + 14, left : left + 14] = 0
    expected = encode_video(processor, frames, clip.times_s).pixel_values_videos
    torch.testing.assert_close(shown, expected, atol=1e-5, rtol=0)


def test_every_patch_or_none(clip, processor):  # noqa: F811
    encoder = PlainEncoder(processor)
    black = encode_video(processor, np.zeros_like(clip.array), clip.times_s).pixel_values_videos
    torch.testing.assert_close(BlackPatches(1.0, 3).video(clip, encoder).pixel_values_videos, black, atol=1e-5, rtol=0)
    vanilla = encoder.vanilla(clip).pixel_values_videos
    assert torch.equal(BlackPatches(0.0, 3).video(clip, encoder).pixel_values_videos, vanilla)


def batch_of(trainer, rows=(0, 1)):
    """A batch of completions that are not all alike, with advantages and answers that are right and wrong."""
    trainer.model.train()
    torch.manual_seed(3)
    trainer.current_gradient_accumulation_steps = 1
    loaded = trainer.data_collator([trainer.train_dataset[i] for i in rows for _ in range(4)])
    batch = trainer._generate_and_score_completions(loaded)
    count, length = batch["completion_ids"].shape
    batch["completion_ids"] = torch.randint(40, 200, (count, length))
    ends = torch.arange(count) % length + 1
    batch["completion_mask"] = (torch.arange(length) < ends.unsqueeze(1)).long()
    batch["num_items_in_batch"] = batch["completion_mask"].sum()
    batch["advantages"] = torch.linspace(-1.5, 1.5, count)
    if "right" in batch:
        batch["right"] = torch.arange(count) % 3 == 0
    return batch, loaded


def scored_alone(trainer, batch, loaded, variants) -> torch.Tensor:
    """Log-probs (B, C) by the model itself, each row with its video and nothing shared."""
    base, encoder = trainer.base_of(trainer.model), trainer._encoder()
    rows = []
    for number, (loaded_row, variant) in enumerate(zip(loaded, variants, strict=True)):
        one = take(batch, [number])
        ids = torch.cat([one["prompt_ids"], one["completion_ids"]], 1)
        mask = torch.cat([one["prompt_mask"], one["completion_mask"]], 1)
        video = variant.video(loaded_row[CLIP], encoder)
        output = base(
            input_ids=ids,
            attention_mask=mask,
            pixel_values_videos=video.pixel_values_videos,
            mm_token_type_ids=token_types(ids, trainer.processing_class),
            **video_arguments(trainer.processing_class, [video]),
        )
        length = one["completion_ids"].shape[1]
        logits = output.logits[:, -length - 1 : -1] / trainer.temperature
        rows.append(logits.log_softmax(-1).gather(2, one["completion_ids"].unsqueeze(2)).squeeze(2))
    return torch.cat(rows)


def gradients(trainer, loss) -> dict[str, torch.Tensor]:
    trainer.model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}


def assert_loss_is(trainer, batch, expected) -> None:
    """The trainer's loss and its gradient are those of `expected`."""
    found = trainer._compute_loss(trainer.model, batch)
    assert found.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)
    ours, theirs = gradients(trainer, found), gradients(trainer, expected)
    assert set(ours) == set(theirs)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-5, rtol=1e-3, msg=name)


def policy_gradient(batch, log_probs) -> torch.Tensor:
    return -batch["advantages"].unsqueeze(1) * (log_probs - log_probs.detach()).exp()


def mean_of_sequences(values, mask) -> torch.Tensor:
    return ((values * mask).sum(1) / mask.sum(1)).mean()


def test_papo_loss_and_gradient_are_the_formula(make_trainer, rows):
    trainer = make_trainer(
        strategy="papo", strategy_options={"gamma": 0.5}, loss_type="grpo", per_device_train_batch_size=8
    )
    batch, loaded = batch_of(trainer)
    keys = [stable_key("black patches", 0, each["id"], 0) for each in loaded]
    clean = scored_alone(trainer, batch, loaded, [Vanilla()] * 8)
    with torch.no_grad():
        masked = scored_alone(trainer, batch, loaded, [BlackPatches(0.6, key) for key in keys])
    difference = masked - clean
    divergence = difference.exp() - difference - 1
    assert float((divergence * batch["completion_mask"]).detach().max()) > 1e-3
    mask = batch["completion_mask"]
    expected = mean_of_sequences(policy_gradient(batch, clean) - 0.5 * divergence, mask)
    assert_loss_is(trainer, batch, expected)


def test_roma_like_loss_and_gradient_are_the_formula(make_trainer, rows):
    options = {"kl_weight": 0.7, "pg_weight": 0.3, "views": 3}
    trainer = make_trainer(
        strategy="roma_like", strategy_options=options, loss_type="grpo", per_device_train_batch_size=8, timestep=800
    )
    batch, loaded = batch_of(trainer)
    clean = scored_alone(trainer, batch, loaded, [Vanilla()] * 8)
    views = [
        scored_alone(
            trainer, batch, loaded, [FrameNoise(800, stable_key(f"degraded_{k}", 0, each["id"], 0)) for each in loaded]
        )
        for k in range(3)
    ]
    differences = [view - clean.detach() for view in views]
    worst = torch.stack([d.exp() - d - 1 for d in differences]).max(0).values * batch["right"].unsqueeze(1)
    mask = batch["completion_mask"]
    assert len(set(torch.stack(differences).abs().argmax(0)[mask.bool()].tolist())) > 1, "another view is worst"
    expected = mean_of_sequences(
        policy_gradient(batch, clean) + 0.7 * worst + 0.3 * policy_gradient(batch, views[0]), mask
    )
    assert_loss_is(trainer, batch, expected)


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "bnpo", "dapo", "cispo", "sapo", "luspo", "vespo"])
def test_values_are_averaged_as_trl_averages_its_own(make_trainer, loss):
    """Without advantages TRL's loss is beta times its KL to the reference, token by token."""
    level = "sequence" if loss == "luspo" else "token"
    trainer = make_trainer(
        strategy="grpo", loss_type=loss, importance_sampling_level=level, beta=1.0, per_device_train_batch_size=8
    )
    batch, _ = batch_of(trainer)
    trainer.current_gradient_accumulation_steps = 2
    batch["advantages"] = torch.zeros(8)
    batch["ref_per_token_logps"] = torch.linspace(-6, 0, batch["completion_ids"].numel()).view(8, -1)
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    with torch.no_grad():
        theirs = trainer._compute_loss(trainer.model, batch)
        with trainer._scoring(batch["scored_media"]):
            policy = trainer._get_per_token_logps_and_entropies(
                trainer.model, ids, attention, batch["completion_ids"].shape[1]
            )[0]
    ours = token_loss(
        k3(policy, batch["ref_per_token_logps"]),
        batch["completion_mask"],
        loss,
        accumulation=2,
        longest=trainer.max_completion_length,
        items=batch["num_items_in_batch"] * 2 / trainer.args.steps_per_generation,
    )
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5) and float(ours) > 0.01


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss_type is 'new', which strategies with views can't add to"):
        token_loss(torch.ones(1, 1), torch.ones(1, 1), "new", accumulation=1, longest=1, items=1)


@pytest.mark.parametrize(
    ("name", "options"), [("papo", {"gamma": 0.0}), ("roma_like", {"kl_weight": 0.0, "pg_weight": 0.0, "views": 1})]
)
def test_weights_of_nothing_equal_grpo(make_trainer, name, options):
    plain = make_trainer(strategy="grpo", max_steps=2)
    plain.train()
    other = make_trainer(strategy=name, strategy_options=options, max_steps=2)
    other.train()
    assert_equal_runs(plain, other)


@pytest.mark.parametrize(
    ("name", "terms"), [("papo", ["masked_kl"]), ("roma_like", ["degraded_kl", "degraded_policy"])]
)
def test_training_logs_what_is_added(make_trainer, name, terms):
    trainer = make_trainer(strategy=name, max_steps=2, gradient_accumulation_steps=2)
    trainer.train()
    for term in terms:
        assert len(history(trainer, f"loss/{term}")) == 2 and all(map(math.isfinite, history(trainer, f"loss/{term}")))
    assert history(trainer, "loss/masked_kl" if name == "papo" else "loss/degraded_policy")[0] != 0.0


@pytest.mark.parametrize("name", ["papo", "roma_like"])
def test_views_depend_on_row_and_step_only(tmp_path, row, clip, name):  # noqa: F811
    made = [make_strategy(make_config(tmp_path, strategy=name)) for _ in range(2)]
    ids = [
        [media_id(clip.id, view.settings) for step in (0, 1) for view in one.views(dict(row), step, 9).values()]
        for one in made
    ]
    assert ids[0] == ids[1] and len(set(ids[0])) == len(ids[0]) == 2 * len(made[0].view_names)
    assert set(made[0].views(row, 0, 9)) == set(made[0].view_names)
    assert made[0].layout == ("vanilla",) * 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "papo", "strategy_options": {"masked": 1.5}}, "option masked of strategy 'papo' is 1.5; give a"),
        ({"strategy": "roma_like", "strategy_options": {"views": 0}}, "option views of strategy 'roma_like' is 0"),
        ({"strategy": "papo", "num_noisy": 2}, "strategy 'papo' has no noisy rollouts, but num_noisy is 2"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        make_config(tmp_path, **settings)
