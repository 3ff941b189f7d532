"""`debias`: the target is met or refused, and at least half of every type stays."""

from __future__ import annotations

import re

import pytest

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.debias_rows import TargetNotMet, debias
from ocr_hf.questions.templates import render
from ocr_hf.text_only.constants import floor_score
from ocr_hf.text_only.text_statistic import text_scores
from tests.text_only.rows import closest, row, sizes


def mixed() -> list[dict]:
    """Sizes that follow from the category, and as many of crates, which have any."""
    untold = [item | {"id": item["id"] + 1000, "question": CRATE} for item in sizes(False, 240)]
    return sizes(True, 160) + untold


CRATE = render("object_size_estimation", ["crate"])


def excess(rows: list[dict]) -> float:
    return text_scores(rows).score.mean() - floor_score(rows)


@pytest.mark.parametrize("target", [0.1, 0.05])
def test_the_target_is_met_by_dropping_what_words_tell(target: float) -> None:
    rows = mixed() + [item | {"id": item["id"] + 5000} for item in closest(False)]
    found = debias(rows, target)
    left = [item for item in rows if item["id"] not in found.dropped]
    for kind in ("object_size_estimation", "object_rel_distance"):
        before, after = ([item for item in part if item["question_type"] == kind] for part in (rows, left))
        assert excess(after) <= target + 1e-9 and len(after) >= len(before) / 2
        assert found.by_type.get(kind, 0) == len(before) - len(after)
    assert found.by_type["object_size_estimation"] > 40
    told = sum(row_id < 1000 for row_id in found.dropped if row_id < 5000)
    assert told > 0.7 * found.by_type["object_size_estimation"]
    assert debias(rows[::-1], target) == found


def test_questions_that_tell_nothing_stay() -> None:
    assert debias(sizes(False), 0.1).dropped == frozenset() == debias(closest(False), 0.1).dropped


def test_a_target_out_of_reach_is_refused_with_one_that_is_met() -> None:
    rows = sizes(True)
    with pytest.raises(TargetNotMet, match=r"object_size_estimation \(still 0\.\d+ above its floor\)") as refused:
        debias(rows, 0.05)
    assert "\n" not in str(refused.value) and "--resume" in str(refused.value)
    enough = float(re.search(r"use --debias ([\d.]+)", str(refused.value))[1])
    found = debias(rows, enough)
    assert len(found.dropped) <= len(rows) / 2
    with pytest.raises(TargetNotMet):
        debias(rows, enough - 0.01)


def test_types_that_cannot_be_judged_stay_and_alone_are_refused() -> None:
    few = [item | {"scene_name": "room_0", "id": item["id"] + 5000} for item in closest(True, 40)]
    odd = row(9000, "room_size_estimation", [], "0")
    found = debias([*mixed(), *few, odd], 0.1)
    assert found.by_type.keys() == {"object_size_estimation"}
    with pytest.raises(TargetNotMet, match="no question type is asked in 5 scenes"):
        debias(few, 0.1)


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_a_target_is_a_share_of_the_score(value: float) -> None:
    with pytest.raises(ValueError, match="debias is .*such as 0.05"):
        BuildConfig(scenes=9, debias=value)


def test_too_few_scenes_are_refused_before_any_work() -> None:
    with pytest.raises(ValueError, match="build at least 5"):
        BuildConfig(scenes=4, debias=0.1)
    assert "debias" not in BuildConfig().public() and BuildConfig(scenes=5, debias=0.1).public()["debias"] == 0.1
