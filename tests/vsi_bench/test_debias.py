"""The text-only statistic finds what is in the words, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from ocr_hf.text_only.text_statistic import text_scores
from ocr_hf.vsi_bench.debias import MOST_PRUNED, pruned_ids
from ocr_hf.vsi_bench.references import chance_scores
from tests.text_only.rows import THINGS, closest, row, sizes


@pytest.mark.parametrize("make", [sizes, closest])
def test_what_the_words_give_away_is_found(make) -> None:
    told, untold = make(True), make(False)
    assert text_scores(told).score.mean() > 0.9
    chance = chance_scores(untold).mean()
    assert abs(text_scores(untold).score.mean() - chance) < 0.1


def test_an_order_that_repeats_is_found_whatever_its_options() -> None:
    """The door always comes first; which options stand beside the true one doesn't matter."""
    rng = np.random.default_rng(2)
    rows = []
    for number in range(300):
        others = rng.permutation(THINGS)[:3].tolist()
        orders = [", ".join(["door", *rng.permutation(others)])]
        while len(orders) < 4:
            order = ", ".join(rng.permutation(["door", *others]))
            if not order.startswith("door") and order not in orders:
                orders.append(order)
        place = int(rng.integers(4))
        orders[0], orders[place] = orders[place], orders[0]
        named = rng.permutation(["door", *others]).tolist()
        rows.append(row(number, "obj_appearance_order", named, "ABCD"[place], orders))
    assert text_scores(rows).score.mean() > 0.9


def test_no_scene_is_answered_by_itself() -> None:
    """Four questions of a room share an answer that no other room has: known only to who has seen the room."""
    rng = np.random.default_rng(3)
    truth = {scene: f"{rng.uniform(1, 500):.0f}" for scene in range(60)}
    rows = [row(number, "object_size_estimation", [f"thing{number // 4}"], truth[number // 4]) for number in range(240)]
    assert text_scores(rows).score.mean() < 0.35


def test_pruning_takes_what_is_told_and_stops_at_chance() -> None:
    told, untold = closest(True, 200), [item | {"id": item["id"] + 1000} for item in closest(False, 200)]
    mixed = [{**item, "scene_name": f"{item['scene_name']}_{item['id'] // 1000}"} for item in told + untold]
    gone = set(pruned_ids(mixed))
    assert 0.3 * len(mixed) <= len(gone) <= MOST_PRUNED * len(mixed)
    taken = {item["id"] for item in told} & gone
    assert len(taken) > 0.7 * len(gone)
    left = [item for item in mixed if item["id"] not in gone]
    assert text_scores(left).score.mean() < text_scores(mixed).score.mean() - 0.1
    assert len(pruned_ids(untold)) <= 0.1 * len(untold)


def test_pruning_depends_on_the_rows_and_not_on_their_order() -> None:
    rows = closest(True, 100) + [item | {"id": item["id"] + 1000} for item in sizes(True, 100)]
    gone = pruned_ids(rows)
    assert gone == pruned_ids(rows[::-1]) == sorted(gone)
    per_type = {kind: sum(item["id"] in gone for item in rows if item["question_type"] == kind) for kind in
                ("object_rel_distance", "object_size_estimation")}  # fmt: skip
    assert set(per_type.values()) == {50}, "half of each type, where all can be told from the words"


def test_it_agrees_with_those_who_debiased_vsi_bench(shared) -> None:
    """What it finds easy was pruned from VSI-Bench by its authors: their language model found the same shortcuts."""
    rows = pd.read_parquet(shared / "vsi_bench" / "test.parquet").to_dict("records")
    ease, pruned = text_scores(rows).ease, np.array([item["pruned"] for item in rows])
    kinds = np.array([item["question_type"] for item in rows])
    agreement = {}
    for kind in dict.fromkeys(kinds):
        ranks, mine = rankdata(ease[kinds == kind]), pruned[kinds == kind]
        count = mine.sum()
        if min(count, (~mine).sum()) > 20:
            agreement[kind] = (ranks[mine].sum() - count * (count + 1) / 2) / (count * (~mine).sum())
    assert len(agreement) == 9 and min(agreement.values()) > 0.55, agreement
    assert np.mean(list(agreement.values())) > 0.68, agreement
