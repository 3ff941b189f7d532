"""The measure of query lock in a card: every part that a run has asked, and who does as well without looking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ocr_hf.cards.sourced import Figure, Literal, Renderer, Sourced
from ocr_hf.vsi_bench.tasks import TASKS

BLIND = {
    "random": "guessing",
    "most_frequent": "the most frequent answer",
    "always_a": "the best constant answer",
    "text_statistic": "a statistic of the words",
}
"""What answers without looking, as a card names it."""
OWN_BLIND = {"text_only": "this model without video", "black": "this model on black frames"}
"""Audits under which the model itself sees nothing."""
PARTS = ("recovery", "twins", "hallucination", "floor")
_UNDEFINED = Literal("undefined")


def measure_values(results: Sourced, renderer: Renderer) -> dict[str, Any] | None:
    """Return what the card's section on the measure shows; None where a run has asked no part or is older than it.

    Every part that was asked is there, whichever way it came out.
    """
    parts = {name: results.get("measure", name) for name in PARTS}
    asked = {name: part for name, part in parts.items() if part is not None}
    if not asked:
        return None
    recovery = asked.get("recovery")
    strengths = recovery.overall.strengths.values() if recovery and recovery.get("overall") else []
    return {
        "rows": [row for name, part in asked.items() for row in _ROWS[name](part, renderer)],
        "not_asked": [name for name in parts if name not in asked],
        "strength": strengths[-1].strength if strengths else None,
        "draws": recovery.noise_draws if strengths else None,
        "undefined": strengths[-1].R_queried.get("undefined") if strengths else None,
        "unmatched": recovery.n_unmatched if recovery and recovery.n_unmatched.value else None,
        "columns": [Literal(title) for title, _ in _columns(asked)],
        "tasks": _tasks(asked, renderer),
        "unbeaten": list(_unbeaten(results)),
    }


def _recovery(part: Sourced, renderer: Renderer) -> Iterator[dict[str, Any]]:
    if part.get("overall") is None:
        return
    last = part.overall.strengths.values()[-1]
    yield _row("gain of the video over black frames, points", part.overall.gain, "score", part.n, renderer)
    for key, whose in (("R_queried", "the named objects"), ("R_matched", "matched objects of the context")):
        yield _row(f"context recovery R, {whose} noised", last[key], "value", part.n, renderer, 2)


def _twins(part: Sourced, renderer: Renderer) -> Iterator[dict[str, Any]]:
    told = {
        "vanilla": "right before the edit, %",
        "sensitivity": "sensitivity: right before and after an edit that changes the answer, %",
        "specificity": "specificity: right before and after an edit that keeps it, %",
    }
    for name, title in told.items():
        entry = part.get(name)
        if entry is not None:
            interval = entry.get("interval", "macro")
            yield _row(title, entry, "macro", entry.n, renderer, interval=interval)


def _hallucination(part: Sourced, renderer: Renderer) -> Iterator[dict[str, Any]]:
    yield _row("hallucination: answers that stay with the named objects erased, %", part, "unchanged", part.n, renderer)
    if part.get("on_black") is not None:
        yield {**_row("the same on black frames, %", part, "on_black", part.n, renderer), "interval": Literal("-")}


def _floor(part: Sourced, renderer: Renderer) -> Iterator[dict[str, Any]]:
    title = "numerical floor: answers that stay when the same is asked again in other batches, %"
    yield _row(title, part, "unchanged", part.n, renderer, 2)


_ROWS = {"recovery": _recovery, "twins": _twins, "hallucination": _hallucination, "floor": _floor}


def _row(
    title: str, entry: Sourced, key: str, n: Figure, renderer: Renderer, digits: int = 1, interval: Any = None
) -> dict[str, Any]:
    figure, bounds = entry.get(key), interval or entry.get("interval")
    return {
        "title": title,
        "text": _UNDEFINED if figure is None else renderer.show(figure, f".{digits}f"),
        "interval": _bounds(bounds, renderer, digits) if bounds and figure is not None else Literal("-"),
        "n": renderer.show(n, ",d"),
    }


def _bounds(bounds: Sourced, renderer: Renderer, digits: int) -> Literal:
    return Literal(" to ".join(renderer.show(bound, f".{digits}f") for bound in bounds))


def _columns(asked: dict[str, Sourced]) -> list[tuple[str, Any]]:
    """Return (title, how a task's entry is found) of the table by task."""
    found: list[tuple[str, Any]] = []
    if "recovery" in asked:
        for side in ("queried", "matched"):
            found.append((f"R {side}", lambda task, side=side: _last(asked["recovery"].get("tasks", task), side)))
    if "twins" in asked:
        for name in ("sensitivity", "specificity"):
            found.append((name, lambda task, name=name: asked["twins"].get(name, "tasks", task)))
    if "hallucination" in asked:
        found.append(("stay when erased, %", lambda task: asked["hallucination"].get("tasks", task)))
    return found


def _last(entry: Sourced | None, side: str) -> Sourced | None:
    """Return a task's R at the strongest noise."""
    return entry and entry.strengths.values()[-1][f"R_{side}"]


def _tasks(asked: dict[str, Sourced], renderer: Renderer) -> list[dict[str, Any]]:
    rows = []
    for task in TASKS:
        entries = [find(task.name) for _, find in _columns(asked)]
        if any(entry is not None for entry in entries):
            rows.append({"title": Literal(task.title), "cells": [_cell(entry, renderer) for entry in entries]})
    return rows


def _cell(entry: Sourced | None, renderer: Renderer) -> Literal:
    """Return a score or an R with its interval."""
    if entry is None:
        return Literal("-")
    key, digits = ("score", 1) if "score" in entry else ("value", 2)
    figure, bounds = entry.get(key), entry.get("interval")
    if figure is None:
        return _UNDEFINED
    text = renderer.show(figure, f".{digits}f")
    return Literal(f"{text} [{_bounds(bounds, renderer, digits)}]" if bounds else text)


def _unbeaten(results: Sourced) -> Iterator[dict[str, Any]]:
    """Yield what answers without looking and isn't clearly worse: no part of the measure can tell looking from it."""
    for name, title in OWN_BLIND.items():
        entry = results.get("audits", name)
        if entry is not None:
            bounds = entry.get("difference_interval")
            most = bounds[1] if bounds else entry.difference
            if most.value >= 0.0:
                yield {"title": title, "score": entry.macro, "where": "on the same questions"}
    average = results.average.value
    least = _least(results.overall, results.get("interval", average))
    for name, title in BLIND.items():
        score = results.get("references", name, average)
        if score is not None and score.value >= least:
            yield {"title": title, "score": score, "where": "on single questions"}
    sensitivity = results.get("measure", "twins", "sensitivity")
    if sensitivity is not None:
        least = _least(sensitivity.macro, sensitivity.get("interval", "macro"))
        for name, title in BLIND.items():
            # Sensitivity is the score of the pairs whose edit changes the answer
            score = results.get("twins", "blind", name, "changes", "macro")
            if score is not None and score.value >= least:
                yield {"title": title, "score": score, "where": "in sensitivity"}


def _least(score: Figure, bounds: Sourced | None) -> float:
    return bounds[0].value if bounds else score.value
