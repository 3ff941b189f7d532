"""The audit finds what the words tell, and says where it can't know."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ocr_hf.text_only.audit_table import FIGURES, TOO_FEW, UNSCORED, VSI_BENCH, text_only_audit
from ocr_hf.text_only.constants import best_constant, chance_scores, constant_score, floor_score
from ocr_hf.text_only.text_statistic import named_categories
from ocr_hf.vsi_bench.scoring import mean_relative_accuracy
from tests.text_only.rows import closest, row, sizes


def shuffled(rows: list[dict]) -> list[dict]:
    """Give every question the answer of another one."""
    truths = np.random.default_rng(7).permutation([item["ground_truth"] for item in rows]).tolist()
    return [item | {"ground_truth": truth} for item, truth in zip(rows, truths, strict=True)]


def test_sizes_that_follow_from_the_category_are_found_by_both_columns() -> None:
    figures = text_only_audit(sizes(True))["object_size_estimation"]
    assert figures["text_statistic"] > 0.95 and figures["constant_per_category"] > 0.95
    assert figures["best_constant"] < 0.45 and figures["chance"] < figures["best_constant"]
    assert (figures["questions"], figures["scenes"], figures["not_audited"]) == (400, 100, None)


@pytest.mark.parametrize("make", [sizes, closest])
def test_shuffled_answers_give_nothing_away(make) -> None:
    rows = shuffled(make(True))
    (figures,) = text_only_audit(rows).values()
    floor = floor_score(rows)
    assert abs(figures["text_statistic"] - floor) < 0.08
    if figures["constant_per_category"] is not None:
        assert abs(figures["constant_per_category"] - floor) < 0.08


def test_letters_have_no_category_and_their_best_constant_is_the_best_letter() -> None:
    rows = closest(True)
    figures = text_only_audit(rows)["object_rel_distance"]
    letters = [item["ground_truth"] for item in rows]
    assert figures["best_constant"] == round(max(letters.count(letter) for letter in "ABCD") / 400, 3)
    assert (figures["chance"], figures["constant_per_category"]) == (0.25, None)


def test_a_category_that_only_one_scene_has_gets_the_constant_of_all() -> None:
    """In-sample it would score 1: nobody knows the size of a thing that was never seen."""
    rows = [row(n, "object_size_estimation", [f"thing{n // 4}"], f"{10 * 2 ** (n // 4 % 8)}") for n in range(160)]
    figures = text_only_audit(rows)["object_size_estimation"]
    assert figures["constant_per_category"] <= figures["best_constant"] < 0.5


@pytest.mark.parametrize("scenes", [1, 4])
def test_below_five_scenes_there_is_no_statistic(scenes: int) -> None:
    figures = text_only_audit(sizes(True, 4 * scenes))["object_size_estimation"]
    assert figures["not_audited"] == TOO_FEW and figures["text_statistic"] is None
    assert figures["best_constant"] is not None and figures["constant_per_category"] is None


def test_the_order_of_rows_does_not_matter() -> None:
    rows = sizes(True, 80) + closest(False, 80)
    assert text_only_audit(rows) == text_only_audit(rows[::-1])
    assert list(text_only_audit(rows[::-1])) == ["object_size_estimation", "object_rel_distance"]


def test_questions_in_other_words_are_read_word_by_word() -> None:
    rows = [item | {"question": f"Tell me, how big is a {named_categories(item)[0]}?"} for item in sizes(True)]
    assert all(named_categories(item) is None for item in rows)
    figures = text_only_audit(rows)["object_size_estimation"]
    assert figures["text_statistic"] > 0.9 and figures["constant_per_category"] is None
    reworded = [item | {"question": "Which one?"} for item in closest(True)]
    assert text_only_audit(reworded)["object_rel_distance"]["text_statistic"] > 0.9, "options are words too"


def test_types_of_plugins_are_audited_by_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    from ocr_hf.vsi_bench import tasks

    monkeypatch.setattr(tasks, "_more_units", [lambda: {"object_height": "m", "nearer": None}])
    heights = [item | {"question_type": "object_height"} for item in sizes(True)]
    pairs = [
        item | {"question_type": "nearer", "options": ["A. a, b", "B. a"], "ground_truth": "A"} for item in heights
    ]
    found = text_only_audit([*pairs, *heights])
    assert list(found) == ["nearer", "object_height"]
    assert found["object_height"]["text_statistic"] > 0.9 and found["nearer"]["text_statistic"] == 1.0


def test_answers_that_no_scorer_takes_are_named_and_break_nothing() -> None:
    for truth in ("0", "-1", "many", "nan"):
        rows = [*sizes(True, 80), row(81, "object_size_estimation", ["bed"], truth)]
        figures = text_only_audit(rows)["object_size_estimation"]
        assert figures["not_audited"] == UNSCORED and all(figures[name] is None for name in FIGURES)
    rows = [*closest(True, 80), closest(True, 81)[80] | {"ground_truth": "E"}]
    assert text_only_audit(rows)["object_rel_distance"]["not_audited"] == UNSCORED


def test_constants_of_types_without_a_grid_are_their_own_answers() -> None:
    truths = ["1000000", "2000000.5", "2100000", "2050000"]
    best = best_constant("room_size_estimation", truths)
    assert best in ("2000000.5", "2050000", "2100000")
    assert constant_score("volume", truths, "2050000") == pytest.approx(
        np.mean([mean_relative_accuracy(2050000.0, float(truth)) for truth in truths])
    )


def test_the_floor_of_numbers_is_the_best_constant_and_of_letters_chance() -> None:
    assert floor_score(closest(True)) == 0.25
    rows = sizes(False)
    assert floor_score(rows) > chance_scores(rows).mean()


def test_the_figures_of_vsi_bench_are_those_of_its_questions(shared) -> None:
    rows = pd.read_parquet(shared / "vsi_bench" / "test.parquet").to_dict("records")
    found = text_only_audit(rows)
    assert found.keys() == VSI_BENCH.keys()
    for kind, figures in found.items():
        wanted = dict(zip(FIGURES, VSI_BENCH[kind], strict=True))
        assert {name: figures[name] for name in FIGURES} == pytest.approx(wanted, abs=0.01), kind
