"""Statistics of an experiment's contrasts, against values worked out another way."""

from __future__ import annotations

import numpy as np
import pytest

from ocr_hf.experiment.contrasts import contrast, poisoning_ratio, sign_flip_p


def scores(*shares: float, rooms: int = 400, seed: int = 0) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {number: (rng.random(rooms) < share).astype(float) for number, share in enumerate(shares)}


def test_the_mean_and_the_seeds_are_the_plain_differences() -> None:
    one, other = scores(0.6, 0.7, 0.5), scores(0.5, 0.6, 0.6, seed=1)
    found = contrast(one, other, draws=500)
    by_seed = [100.0 * (one[s].mean() - other[s].mean()) for s in range(3)]
    assert found.seeds == pytest.approx(by_seed)
    assert found.mean == pytest.approx(np.mean(by_seed))
    assert found.low < found.mean < found.high


def test_an_arm_beside_itself_differs_by_nothing() -> None:
    one = scores(0.6, 0.7)
    found = contrast(one, one, draws=200)
    assert (found.mean, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    # Arms that are equally good, with a spread over seeds: about 1 of 20 intervals misses 0
    missed = 0
    for number in range(120):
        rng = np.random.default_rng(number)
        shares = rng.normal(0.5, 0.06, (2, 8)).clip(0.0, 1.0)
        found = contrast(
            *({s: (rng.random(300) < share).astype(float) for s, share in enumerate(arm)} for arm in shares), draws=300
        )
        missed += not found.low <= 0.0 <= found.high
    assert 1 <= missed <= 20


def test_only_seeds_of_both_count_and_rooms_must_be_the_same() -> None:
    one, other = scores(0.6, 0.7), scores(0.5, seed=1)
    assert len(contrast(one, other, draws=50).seeds) == 1
    with pytest.raises(ValueError, match="no seed in common"):
        contrast(one, {7: one[0]})
    with pytest.raises(ValueError, match=r"unlike numbers of rooms: \[300, 400\]"):
        contrast(one, scores(0.5, rooms=300))


def test_the_ratio_by_hand() -> None:
    assert poisoning_ratio(0.9, 0.45, 0.05) == pytest.approx(0.1 * 0.45 / (0.9 * 0.05))
    assert poisoning_ratio(1.0, 0.5, 0.1) == 0.0
    assert poisoning_ratio(0.9, 0.5, 0.0) == float("inf")


def test_sign_flips_are_exact() -> None:
    assert sign_flip_p([1.0, 2.0, 3.0]) == 2 / 8
    assert sign_flip_p([0.0, 0.0]) == 1.0
    # Of the sixteen sums of +-1 +-2 +-3 +-2 eight are 4 or more in size
    assert sign_flip_p([1.0, -2.0, 3.0, 2.0]) == pytest.approx(8 / 16)
