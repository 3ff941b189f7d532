"""Advantages other than TRL's: each formula against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.train.config import CREDITS
from ocr_hf.train.credit import EPSILON, Outcome, noisy_credit
from ocr_hf.train.rollouts import make_strategy
from tests.train.conftest import history, make_config
from tests.train.test_equivalence import assert_equal_runs

NAN = float("nan")
HALF = [False] * 4 + [True] * 4


def outcome(rewards, altered=HALF, scale="group") -> Outcome:
    """An outcome of one group, with TRL's advantages, computed apart from `Outcome`."""
    known = [r for r in rewards if not math.isnan(r)]
    mean = sum(known) / len(known)
    std = math.sqrt(sum((r - mean) ** 2 for r in known) / (len(known) - 1))
    divisor = std + EPSILON if scale == "group" else 1.0
    joint = [0.0 if math.isnan(r) else (r - mean) / divisor for r in rewards]
    return Outcome(torch.tensor([rewards]), torch.tensor([altered]), torch.tensor([joint]), scale)


def advantages(kind, *arguments, **options) -> list[float]:
    return noisy_credit(kind, outcome(*arguments, **options))[0].tolist()


REWARDS = [1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
"""Mean 1/2, std sqrt(2/7). Vanilla: mean 3/4, std 1/2."""
STD = math.sqrt(2 / 7) + EPSILON


def test_joint_is_trls():
    up, down = 0.5 / STD, -0.5 / STD
    assert advantages("joint", REWARDS) == pytest.approx([up, up, up, down, up, down, down, down])


def test_positive_drops_what_noisy_rollouts_have_below_nothing():
    up, down = 0.5 / STD, -0.5 / STD
    assert advantages("positive", REWARDS) == pytest.approx([up, up, up, down, up, 0, 0, 0])


def test_split_compares_both_with_the_vanilla_rollouts():
    vanilla = [0.25 / (0.5 + EPSILON)] * 3 + [-0.75 / (0.5 + EPSILON)]
    assert advantages("split", REWARDS) == pytest.approx([*vanilla, 0.25 / STD, 0, 0, 0])


def test_split_where_all_vanilla_rollouts_are_wrong():
    """Their standard deviation is 0; the right noisy ones count, by that of the whole group."""
    assert advantages("split", [0.0] * 4 + [1.0, 1.0, 0.0, 0.0]) == pytest.approx(
        [0.0] * 4 + [1 / (math.sqrt(12 / 8 / 7) + EPSILON)] * 2 + [0.0] * 2
    )


def test_nothing_is_divided_without_scaling():
    assert advantages("split", REWARDS, scale="none") == pytest.approx([0.25, 0.25, 0.25, -0.75, 0.25, 0, 0, 0])
    assert advantages("positive", REWARDS, scale="none") == pytest.approx([0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 0])


@pytest.mark.parametrize("kind", CREDITS)
def test_a_rollout_without_reward_gets_none_and_changes_no_other(kind):
    without = advantages(kind, [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0], [False] * 3 + [True] * 4)
    marked = advantages(kind, [1.0, 0.0, NAN, 1.0, 0.0, 1.0, 0.0, 0.0], HALF)
    assert marked == pytest.approx([*without[:2], 0.0, *without[2:]])


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=8, max_size=8), st.lists(st.booleans(), min_size=8, max_size=8)
)
def test_what_each_credit_keeps(rewards, altered):
    joint, positive, split = (advantages(kind, rewards, altered) for kind in CREDITS)
    for number, noisy in enumerate(altered):
        assert positive[number] == (max(joint[number], 0.0) if noisy else joint[number])
        assert split[number] >= 0.0 or not noisy
    vanilla = [value for value, noisy in zip(split, altered, strict=True) if not noisy]
    assert sum(vanilla) == pytest.approx(0.0, abs=1e-3)
    if not any(altered):
        assert joint == positive == split


def test_share_adds_what_is_normalised_over_the_own_variant(tmp_path):
    found = outcome(REWARDS)
    joint = found.joint[0].tolist()
    vanilla = [0.25 / (0.5 + EPSILON)] * 3 + [-0.75 / (0.5 + EPSILON)]
    noisy = [0.75 / (0.5 + EPSILON)] + [-0.25 / (0.5 + EPSILON)] * 3
    for score_under, own in (("own", noisy), ("clean", [0.0] * 4), (None, noisy)):
        config = make_config(tmp_path, strategy="share", score_under=score_under, num_generations=8,
                             per_device_train_batch_size=8)  # fmt: skip
        shared = make_strategy(config).advantages(found)[0].tolist()
        assert shared == pytest.approx([a + b for a, b in zip(joint, vanilla + own, strict=True)])


def test_counterfactual_normalises_each_video_by_itself(tmp_path):
    config = make_config(tmp_path, strategy="counterfactual", num_generations=8, per_device_train_batch_size=8)
    vanilla = [0.25 / (0.5 + EPSILON)] * 3 + [-0.75 / (0.5 + EPSILON)]
    edited = [0.75 / (0.5 + EPSILON)] + [-0.25 / (0.5 + EPSILON)] * 3
    assert make_strategy(config).advantages(outcome(REWARDS))[0].tolist() == pytest.approx(vanilla + edited)


def first_letters(completions, **_):
    return [float(ord((c[0]["content"] or "a")[0]) % 3) for c in completions]


@pytest.mark.parametrize("kind", CREDITS)
def test_the_trainer_trains_on_them_and_logs_them(make_trainer, kind):
    trainer = make_trainer(
        noisy_credit=kind, rewards=first_letters, per_device_train_batch_size=8, num_generations=8, max_steps=1
    )
    trainer.model.train()
    rewards = []
    trainer.strategy.advantages = lambda found, own=trainer.strategy.advantages: (rewards.append(found), own(found))[1]
    batch = trainer._generate_and_score_completions(trainer.data_collator([trainer.train_dataset[0]] * 8))
    (found,) = rewards
    assert found.altered.tolist() == [HALF]
    expected = noisy_credit(kind, outcome(found.rewards[0].tolist()))[0]
    torch.testing.assert_close(batch["advantages"], expected, atol=1e-4, rtol=1e-4)
    assert list(trainer._logs["advantages"]) == pytest.approx(expected.tolist(), abs=1e-4)
    assert float(expected.abs().max()) > 0.1


@pytest.mark.parametrize("kind", ["positive", "split"])
def test_without_noise_every_credit_is_grpos(make_trainer, kind):
    plain = make_trainer(strategy="grpo", max_steps=2)
    plain.train()
    other = make_trainer(strategy="ocr", max_objects=0, noisy_credit=kind, max_steps=2)
    other.train()
    assert_equal_runs(plain, other)
    assert max(map(abs, history(plain, "loss"))) > 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noisy_credit": "fair"}, "noisy_credit is 'fair'; choose one of joint, positive, split"),
        ({"noisy_credit": "split", "strategy": "grpo"}, "strategy 'grpo' has no noisy rollouts in its loss"),
        ({"noisy_credit": "split", "strategy": "t_grpo", "num_noisy": 2}, "'t_grpo' has no noisy rollouts in its loss"),
        ({"noisy_credit": "positive", "strategy": "share"}, "strategy 'share' gives credit in its own way"),
        ({"noisy_credit": "split", "num_noisy": 3}, "leaves 1 vanilla rollouts of a group, .* needs 2"),
        ({"noisy_credit": "split", "scale_rewards": "batch"}, "noisy_credit 'split' normalises parts of a group"),
        ({"strategy": "share", "scale_rewards": "batch"}, "strategy 'share' normalises parts of a group"),
        ({"strategy": "counterfactual", "score_under": "clean"}, "rewards an answer that is wrong for the recorded"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        make_config(tmp_path, **settings)
