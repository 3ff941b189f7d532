"""The official score: published tricky strings, the exact tolerances, and what must hold for any run."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.vsi_bench.scoring import (
    TOLERANCES,
    mean_relative_accuracy,
    score_answer,
    score_answers,
)
from ocr_hf.vsi_bench.summary import averages, summarize
from ocr_hf.vsi_bench.tasks import QUESTION_TYPES, TASKS, is_numeric

DOUBLES = [
    0.5,
    0.44999999999999996,
    0.4,
    0.35,
    0.30000000000000004,
    0.25,
    0.19999999999999996,
    0.15000000000000002,
    0.10000000000000009,
    0.050000000000000044,
]
CONSTANTS = {
    "object_counting": "2",
    "object_abs_distance": "1.9",
    "object_size_estimation": "93",
    "room_size_estimation": "16.2",
}


def test_tolerances_are_the_published_doubles() -> None:
    assert TOLERANCES.tolist() == DOUBLES


def test_tricky_vectors_exactly(shared) -> None:
    """The released scorer alone, and what it gives after a wrapper that strips."""
    vectors = json.loads((shared / "vsi_bench" / "tricky_vectors.json").read_text())
    assert len(vectors) > 90
    for vector in vectors:
        kind, text, truth = (vector[name] for name in ("question_type", "prediction", "ground_truth"))
        assert score_answer(kind, text, truth, "official_unstripped") == vector["official"], vector
        assert score_answer(kind, text, truth) == score_answer(kind, text.strip(), truth, "official_unstripped"), vector
        if text == text.strip():
            assert score_answer(kind, text, truth) == vector["official"], vector
    at_once = score_answers(
        [v["prediction"] for v in vectors],
        [v["ground_truth"] for v in vectors],
        [v["question_type"] for v in vectors],
        "official_unstripped",
    )
    assert at_once.scores.tolist() == [v["official"] for v in vectors]


def test_best_constants_and_always_a_on_the_full_set(shared) -> None:
    rows = pd.read_parquet(shared / "vsi_bench" / "test.parquet")
    predictions = [CONSTANTS.get(kind, "A") for kind in rows.question_type]
    results = summarize(score_answers(predictions, rows.ground_truth, rows.question_type), draws=0)
    assert results["overall"] == pytest.approx(33.974153, abs=5e-7)
    assert results["overall"] == results["macro"] != results["micro"]
    assert (results["n"], results["n_unparsed"], results["missing"]) == (5130, 0, [])
    assert len(results["tasks"]) == 8 and len(results["levels"]) == 10


@given(st.floats(0.01, 1000), st.floats(0.1, 1000))
def test_mra_counts_the_tolerances_the_error_keeps_to(prediction: float, target: float) -> None:
    expected = sum(abs(prediction - target) / target <= tolerance for tolerance in DOUBLES)
    assert mean_relative_accuracy(prediction, target) == expected / 10
    assert score_answer("room_size_estimation", repr(prediction), repr(target)) == expected / 10


@pytest.mark.parametrize(("prediction", "target", "score"), [(8.0, 10.0, 0.6), (29.0, 20.0, 0.1), (math.nan, 1.0, 0.0)])
def test_mra_at_its_boundaries(prediction: float, target: float, score: float) -> None:
    assert mean_relative_accuracy(prediction, target) == score


rows_of_a_run = st.lists(
    st.tuples(
        st.sampled_from(QUESTION_TYPES),
        st.sampled_from(["A", "B", "c", "D.", "1", "2", "3 m", "4.5", "", "nan", "x"]),
        st.integers(1, 6),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def _run(rows):
    references = [str(n) if is_numeric(kind) else "ABCD"[n % 4] for kind, _, n, _ in rows]
    scored = score_answers([text for _, text, _, _ in rows], references, [kind for kind, _, _, _ in rows])
    scenes = [f"scene{n}" for _, _, n, _ in rows]
    return scored, scenes, [flag for *_, flag in rows]


@given(rows_of_a_run)
def test_tables_are_exact_means(rows) -> None:
    scored, _, _ = _run(rows)
    results = summarize(scored, draws=0)
    exact: dict[str, Fraction] = {}
    for name in QUESTION_TYPES:
        tenths = [int(t) for t, kind in zip(scored.tenths, scored.question_types, strict=True) if kind == name]
        if not tenths:
            assert name in results["missing"] and name not in results["levels"]
            continue
        level = results["levels"][name]
        assert level["n"] == len(tenths)
        exact[name] = Fraction(sum(tenths) * 10, len(tenths))
        assert level["score"] == float(exact[name])
        if is_numeric(name):
            assert float(level["score"] / 100 * 10 * level["n"]) == pytest.approx(sum(tenths), abs=1e-9)
    tasks = []
    for task in TASKS:
        present = [exact[level] for level in task.levels if level in exact]
        assert (task.name in results["tasks"]) == bool(present)
        if present:
            tasks.append(sum(present) / len(present))
            assert results["tasks"][task.name]["score"] == pytest.approx(float(tasks[-1]), abs=1e-12)
    assert results["macro"] == pytest.approx(float(sum(tasks) / len(tasks)), abs=1e-11)
    assert results["micro"] == pytest.approx(float(scored.tenths.mean() * 10), abs=1e-11)
    assert sum(level["n_unparsed"] for level in results["levels"].values()) == results["n_unparsed"]


@given(rows_of_a_run, st.integers(0, 2**32), st.booleans())
def test_results_do_not_depend_on_the_order_of_rows(rows, seed: int, by_scene: bool) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    results = []
    for variant in (rows, shuffled):
        scored, scenes, pruned = _run(variant)
        table = summarize(scored, pruned, scenes if by_scene else None, draws=20)
        del table["scores"]
        results.append(json.dumps(table))
    assert results[0] == results[1]


@given(rows_of_a_run)
def test_debiased_is_the_run_without_pruned_rows(rows) -> None:
    scored, scenes, pruned = _run(rows)
    kept = [row for row in rows if not row[3]]
    debiased = summarize(scored, pruned, scenes, draws=10)["debiased"]
    if not kept:
        assert debiased == {"n": 0}
        return
    alone, scenes, _ = _run(kept)
    expected = summarize(alone, None, scenes, draws=10)
    assert debiased == {key: expected[key] for key in debiased}


def test_average_chooses_overall_and_is_named() -> None:
    scored = score_answers(["2", "A", "A"], ["2", "B", "B"], ["object_counting", *["route_planning"] * 2])
    macro, micro = summarize(scored, draws=0), summarize(scored, draws=0, average="micro")
    assert (macro["overall"], macro["average"]) == (50.0, "macro")
    assert (micro["overall"], micro["average"]) == (pytest.approx(100 / 3), "micro")
    assert "object_abs_distance" in macro["missing"]


def test_bootstrap_draws_whole_scenes() -> None:
    """All questions of a scene agree here, so an interval over questions would be far too narrow."""
    scenes = [f"s{i // 25}" for i in range(200)]
    answers = ["A" if int(scene[1:]) % 2 else "B" for scene in scenes]
    scored = score_answers(answers, ["A"] * 200, ["route_planning"] * 200)
    by_scene = summarize(scored, scenes=scenes, draws=2000)
    by_question = summarize(scored, draws=2000)
    widths = [results["interval"]["macro"][1] - results["interval"]["macro"][0] for results in (by_scene, by_question)]
    assert by_scene["macro"] == by_question["macro"] == 50.0
    assert (by_scene["clustered_by"], by_question["clustered_by"]) == ("scene", "question")
    # Standard errors of a proportion of one half over 8 scenes and over 200 questions.
    assert widths[0] == pytest.approx(2 * 1.96 * 50 / math.sqrt(8), rel=0.15)
    assert widths[1] == pytest.approx(2 * 1.96 * 50 / math.sqrt(200), rel=0.15)


def test_one_scene_gives_no_interval() -> None:
    """Resampling a single scene always gives that scene: an interval of width zero would be a lie."""
    kinds = ["route_planning", "route_planning", "object_rel_distance", "object_rel_distance"]
    scored = score_answers(["A", "B", "A", "B"], ["A"] * 4, kinds)
    results = summarize(scored, scenes=["a", "a", "a", "b"], draws=50)
    assert results["tasks"]["route_planning"]["interval"] is None
    assert results["tasks"]["object_rel_distance"]["interval"] is not None and results["interval"] is not None
    assert summarize(scored, scenes=["a"] * 4, draws=50)["interval"] is None


def test_bootstrap_is_a_function_of_its_seed() -> None:
    rng = np.random.default_rng(0)
    answers = rng.choice(list("ABCD"), 300).tolist()
    scored = score_answers(answers, ["A"] * 300, ["obj_appearance_order"] * 300)
    same = [summarize(scored, draws=100, seed=3)["interval"] for _ in range(2)]
    assert same[0] == same[1] != summarize(scored, draws=100, seed=4)["interval"]
    assert same[0]["macro"][0] < summarize(scored, draws=0)["macro"] < same[0]["macro"][1]


def test_averages_leave_out_what_is_missing_in_a_draw() -> None:
    totals, counts = np.zeros((2, 10)), np.zeros((2, 10))
    totals[0, 0], counts[0, 0] = 5, 1
    counts[1, 4], counts[1, 0], totals[1, 0] = 2, 1, 10
    tasks, levels, macro, micro = averages(totals, counts)
    assert np.isnan(levels[0, 1:]).all() and np.isnan(tasks[0, 1:]).all()
    assert macro.tolist() == [50.0, 50.0]
    assert micro.tolist() == [50.0, pytest.approx(100 / 3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["A"], ["A", "B"], ["route_planning"] * 2), "lengths differ: 1 predictions, 2 references, 2 question_types"),
        ((["A"], ["A"], ["route_plan"]), "row 0: question_type 'route_plan' is unknown"),
        ((["A"], ["A"], [None]), "row 0: question_type None is unknown"),
        ((["3"], ["0"], ["object_counting"]), "row 0: ground truth 0.0 is not a positive"),
        ((["3"], [math.nan], ["object_counting"]), "row 0: ground truth nan is not a positive"),
        ((["3"], ["three"], ["object_counting"]), "row 0: ground truth 'three' is not a number"),
        ((["A"], ["chair"], ["route_planning"]), "row 0: ground truth 'chair' is no option letter"),
        ((["A"], [None], ["route_planning"]), "row 0: ground truth None is no option letter"),
        ((["A", ["A"]], ["A", "A"], ["route_planning"] * 2), r"row 1: prediction \['A'\] is a list"),
    ],
)
def test_bad_rows_are_named(arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_answers(*arguments)


def test_bad_ids_and_options_are_named() -> None:
    good = (["A", "B"], ["A", "B"], ["route_planning"] * 2)
    with pytest.raises(ValueError, match="id 7 is in rows 0 and 1"):
        score_answers(*good, ids=[7, 7])
    with pytest.raises(ValueError, match=r"row 1 \(id 8\): question_type 'x'"):
        score_answers(good[0], good[1], ["route_planning", "x"], ids=[7, 8])
    with pytest.raises(ValueError, match="extraction 'lenient' is unknown"):
        score_answers(*good, extraction="lenient")
    scored = score_answers(*good)
    for options, message in [
        ({"average": "mean"}, "average 'mean' is unknown"),
        ({"pruned": [True]}, "2 predictions but 1 pruned"),
        ({"pruned": [True, None]}, "row 1: pruned is None"),
        ({"scenes": ["a"]}, "2 predictions but 1 scenes"),
        ({"draws": -1}, "draws is -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            summarize(scored, **options)
    with pytest.raises(ValueError, match="no question to score"):
        summarize(score_answers([], [], []))


def test_empty_answers_score_zero_and_are_counted() -> None:
    predictions = [None, math.nan, "", "nan", "inf", "I see no room", "2", 2]
    scored = score_answers(predictions, ["2"] * 8, ["object_counting"] * 8, ids=range(8))
    assert scored.scores.tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    assert scored.parsed.tolist() == [False] * 6 + [True] * 2
    results = summarize(scored, draws=0)
    assert (results["macro"], results["n"], results["n_unparsed"]) == (25.0, 8, 6)
