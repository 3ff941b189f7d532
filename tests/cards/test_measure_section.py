"""The measure of query lock in cards: all that was asked, with its place in results.json, and who is as good blind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocr_hf.cards.check import check_model_card
from ocr_hf.cards.measure_values import measure_values
from ocr_hf.cards.model_card import write_model_card
from ocr_hf.cards.numbers import stated_numbers
from ocr_hf.cards.sourced import Renderer, Sourced
from ocr_hf.vsi_bench.recovery import context_recovery
from tests.cards.measured import make_measured, make_results

REPO = "org/ocr-model"
TITLE = "#### Query lock: the measure"
COUNT, ROUTE = "object_counting", "route_planning"


def recovery(vanilla: float, black: float, queried: float, matched: float, n: int = 1000) -> dict[str, Any]:
    """What results.json says of a model that is right with these probabilities."""
    rng = np.random.default_rng(0)
    columns = [(rng.random((*shape, n)) < share).astype(float) for share, shape in (
        (vanilla, ()), (black, ()), (queried, (2, 1)), (matched, (2, 1))
    )]  # fmt: skip
    types = [ROUTE if number % 2 else COUNT for number in range(n)]
    found = context_recovery(types, [f"s{number // 20}" for number in range(n)], *columns, [0.5, 1.0], 200)
    return {**found, "n_unmatched": 37, "unmatched": {COUNT: 37}, "noise_draws": 1, "matched_pixels": 0.98}


def rate(score: float, n: int) -> dict[str, Any]:
    return {"score": score, "interval": [score - 3.125, score + 3.125], "n": n}


def summary(macro: float, n: int) -> dict[str, Any]:
    tasks = {COUNT: rate(macro - 1.25, n // 2), ROUTE: rate(macro + 1.25, n // 2)}
    return {"macro": macro, "micro": macro, "interval": {"macro": [macro - 2.5, macro + 2.5]}, "n": n, "tasks": tasks}


def stays(unchanged: float, n: int) -> dict[str, Any]:
    interval = [unchanged - 1.75, unchanged + 1.75]
    return {"unchanged": unchanged, "interval": interval, "n": n, "tasks": {COUNT: rate(unchanged, n)}}


def full_measure() -> dict[str, Any]:
    names = ("vanilla", "sensitivity", "specificity")
    return {
        "recovery": recovery(0.9, 0.3, 0.4, 0.85),
        "twins": {name: summary(macro, 222) for name, macro in zip(names, (71.25, 33.25, 62.75), strict=True)},
        "hallucination": {**stays(44.375, 333), "answered": 99.0, "on_black": 51.875},
        "floor": stays(99.625, 555),
    }


def card(root: Path, **changed: Any) -> str:
    """Return the card of a model whose results.json has these entries."""
    folders = make_measured(root)
    path = folders["evaluation"] / "results.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    text = write_model_card(folders["model"], REPO, evaluations=[folders["evaluation"]]).readme
    assert list(check_model_card(folders["model"])) == [], "every number has its place in results.json"
    return text


def section(text: str) -> str:
    """Return the section on the measure, without what follows it."""
    return text[text.index(TITLE) :].split("**Former query-lock index")[0]


def test_the_section_states_every_part(tmp_path: Path) -> None:
    measure = full_measure()
    text = section(card(tmp_path, measure=measure))
    last = measure["recovery"]["overall"]["strengths"][-1]
    for key, whose in (("R_queried", "the named objects"), ("R_matched", "matched objects of the context")):
        low, high = last[key]["interval"]
        row = f"| context recovery R, {whose} noised | {last[key]['value']:.2f} | {low:.2f} to {high:.2f} | 1,000 |"
        assert row in text
    gain = measure["recovery"]["overall"]["gain"]
    assert f"| gain of the video over black frames, points | {gain['score']:.1f} |" in text
    assert "an edit that changes the answer, % | 33.2 | 30.8 to 35.8 | 222 |" in text
    assert "an edit that keeps it, % | 62.8 | 60.2 to 65.2 | 222 |" in text
    assert "named objects erased, % | 44.4 | 42.6 to 46.1 | 333 |" in text
    assert "the same on black frames, % | 51.9 | - | 333 |" in text
    assert "in other batches, % | 99.62 | 97.88 to 101.38 | 555 |" in text
    assert "of strength 1 (draws of it: 1): one where" in text
    assert "37 questions whose named objects have no match" in text
    assert "Parts that were not asked" not in text and "Not clear of" not in text and "undefined" not in text


def test_the_section_goes_by_task(tmp_path: Path) -> None:
    measure = full_measure()
    lines = section(card(tmp_path, measure=measure)).splitlines()
    place = lines.index("| task | R queried | R matched | sensitivity | specificity | stay when erased, % |")
    assert lines[place + 1] == "|---|---:|---:|---:|---:|---:|"
    count, route = lines[place + 2 : place + 4]
    entry = measure["recovery"]["tasks"][COUNT]["strengths"][-1]["R_queried"]
    low, high = entry["interval"]
    assert count.startswith(f"| Obj. Count | {entry['value']:.2f} [{low:.2f} to {high:.2f}] |")
    assert count.endswith("| 32.0 [28.9 to 35.1] | 61.5 [58.4 to 64.6] | 44.4 [41.2 to 47.5] |")
    assert route.startswith("| Route Plan |") and route.endswith("| 64.0 [60.9 to 67.1] | - |")
    assert not lines[place + 4], "tasks that nobody asked have no row"


def test_without_the_measure_there_is_no_section(tmp_path: Path) -> None:
    """Results of earlier versions have none; runs that asked no part have four times None."""
    old = card(tmp_path / "old")
    none = card(tmp_path / "none", measure=dict.fromkeys(("recovery", "twins", "hallucination", "floor")))
    assert TITLE not in old and "Former query-lock index" in old
    assert TITLE not in none and "the measure" not in none.split("Former query-lock index")[0]


def test_parts_that_were_not_asked_are_named_and_have_no_row(tmp_path: Path) -> None:
    parts = full_measure() | {"recovery": None, "hallucination": None, "floor": None}
    text = section(card(tmp_path, measure=parts))
    assert "Parts that were not asked in this run: recovery, hallucination, floor." in text
    assert "| task | sensitivity | specificity |" in text
    assert "| context recovery" not in text and "| numerical floor" not in text and "R is the share" not in text
    del parts["twins"]["specificity"]  # no control was asked
    assert "specificity:" not in section(card(tmp_path / "no-control", measure=parts))


def test_a_model_that_gains_nothing_has_no_r(tmp_path: Path) -> None:
    measure = full_measure() | {"recovery": recovery(0.4, 0.45, 0.42, 0.4)}
    text = section(card(tmp_path, measure=measure))
    why = measure["recovery"]["overall"]["strengths"][-1]["R_queried"]["undefined"]
    assert "| context recovery R, the named objects noised | undefined | - | 1,000 |" in text
    assert f"R is undefined here, since {why}." in text
    empty = {"n": 0, "overall": None, "tasks": {}, "n_unmatched": 41, "unmatched": {}, "noise_draws": 2}
    text = section(card(tmp_path / "none", measure={**measure, "recovery": {**empty, "matched_pixels": None}}))
    assert "41 questions whose named objects have no match" in text and "| context recovery" not in text


def unbeaten(**changed: Any) -> list[tuple[str, float, str]]:
    results = make_results(np.random.Generator(np.random.Philox(0)))
    results |= {"overall": 50.0, "interval": {"macro": [47.0, 53.0]}, "references": {}, "measure": full_measure()}
    stored = json.loads(json.dumps(results | changed))
    found = measure_values(Sourced(stored, "results.json"), Renderer())["unbeaten"]
    return [(row["title"], row["score"].value, row["where"]) for row in found]


def black(difference: float, interval: list[float] | None) -> dict[str, Any]:
    return {"black": {"macro": 48.0, "difference": difference, "difference_interval": interval}}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"references": {"random": {"macro": 46.9}}}, []),
        # Within the interval is not beaten, though the run scores more
        ({"references": {"random": {"macro": 47.1}}}, [("guessing", 47.1, "on single questions")]),
        ({"audits": black(-2.0, [-4.0, -0.1])}, []),
        ({"audits": black(-2.0, [-4.0, 0.1])}, [("this model on black frames", 48.0, "on the same questions")]),
        ({"audits": black(-2.0, None)}, []),
        ({"twins": {"blind": {"always_a": {"changes": {"macro": 30.7}}}}}, []),
        (
            {"twins": {"blind": {"text_statistic": {"changes": {"macro": 30.8}}}}},
            [("a statistic of the words", 30.8, "in sensitivity")],
        ),
    ],
)
def test_who_is_not_beaten_without_looking(changed: dict, expected: list) -> None:
    assert unbeaten(**changed) == expected


def test_the_section_says_who_is_not_beaten(tmp_path: Path) -> None:
    references = {"always_a": {"macro": 99.5, "micro": 99.5, "tasks": {}}}
    text = section(card(tmp_path, measure=full_measure(), references=references))
    told = "> **Not clear of answers without looking:** the best constant answer scores 99.5 on single questions."
    assert f"{told} Where that isn't beaten, no figure below shows that this model looks." in text
    assert "99.5" in stated_numbers(text) and text.index(told) < text.index("| part |")
