"""The measure of query lock as a section of report.md: every part, or how to ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_hf.vsi_bench.markdown_table import interval_text, table
from ocr_hf.vsi_bench.tasks import TASKS

_HOW = {
    "recovery": "`--audit recovery`, on a split of ocr-vsi other than twins",
    "twins": "`--split twins`, on an ocr-vsi folder with twins",
    "hallucination": "`--audit queried_erased`, on a split of ocr-vsi other than twins",
    "floor": "`--audit repeat`",
}


def measure_section(results: Mapping[str, Any]) -> str:
    """Return the section; empty where a run has asked no part of the measure, or is older than it."""
    parts = results.get("measure") or {}
    if not any(parts.values()):
        return ""
    asked = [_TEXTS[name](part) for name, part in parts.items() if part]
    absent = [f"{name} ({_HOW[name]})" for name, part in parts.items() if not part]
    if absent:
        asked.append(f"Not asked in this run: {'; '.join(absent)}.")
    intro = (
        "How much the answers rest on the named objects alone. The parts belong together: each alone takes some good "
        "model for a bad one. docs/measure.md says what they tell apart, with simulated agents."
    )
    return "\n\n".join(["## Query lock: the measure", intro, *asked])


def measure_lines(parts: Mapping[str, Any]) -> list[str]:
    """Return one line of text for each part that was asked, for the command line."""
    lines = []
    if parts["recovery"] and parts["recovery"]["n"]:
        last = parts["recovery"]["overall"]["strengths"][-1]
        ratios = ", ".join(f"{name.replace('_', ' ')} {_ratio(last[name])}" for name in ("R_queried", "R_matched"))
        lines.append(f"recovery at strength {last['strength']:g}: {ratios} (n = {parts['recovery']['n']:,})")
    if parts["twins"]:
        names = [name for name in ("sensitivity", "specificity") if name in parts["twins"]]
        figures = ", ".join(f"{name} {_macro(parts['twins'][name])}" for name in names)
        lines.append(f"twins: {figures}")
    if parts["hallucination"]:
        lines.append(f"answers that stay with the named objects erased: {parts['hallucination']['unchanged']:.1f} %")
    if parts["floor"]:
        lines.append(
            f"numerical floor: {100.0 - parts['floor']['unchanged']:.2f} % of the answers differ when repeated"
        )
    return lines


def measure_table(measures: Mapping[str, Mapping[str, Any] | None]) -> str:
    """Return runs beside each other, one a row; "" where none has asked any part.

    Args:
        measures: run -> its results' `measure`, None for a run that is older than it.
    """
    rows = []
    for name, parts in measures.items():
        if not any((parts or {}).values()):
            continue
        recovery, twins, stays, floor = (parts[part] for part in ("recovery", "twins", "hallucination", "floor"))
        last = recovery["overall"]["strengths"][-1] if recovery and recovery["n"] else None
        rows.append(
            [name, *(_ratio(last[key]) if last else "–" for key in ("R_queried", "R_matched"))]
            + [_macro(twins[key]) if twins and key in twins else "–" for key in ("sensitivity", "specificity")]
            + [_figure({"score": stays["unchanged"], "interval": stays["interval"]}) if stays else "–"]
            + [f"{100.0 - floor['unchanged']:.2f}" if floor else "–"]
        )
    if not rows:
        return ""
    header = ["", "R queried", "R matched", "sensitivity", "specificity", "hallucination", "floor"]
    text = (
        "Recovery R at the strongest noise, the others in per cent of all questions that a run asked; –: not asked. "
        "What "
        "each part tells: docs/measure.md."
    )
    return f"## Query lock: the measure\n\n{text}\n\n{table(header, rows)}"


def _recovery(part: Mapping[str, Any]) -> str:
    left_out = (
        f"{part['n_unmatched']:,} questions whose named objects have no match are left out"
        if part["n_unmatched"]
        else "all questions have a match"
    )
    title = "### Context recovery"
    if not part["n"]:
        return f"{title}\n\nNo question can be compared: {left_out}."
    overall = part["overall"]
    text = (
        "R is the share of what the video gains over black frames that is left under noise: on the *queried* objects, "
        "or on as many *matched* objects of the context, of like share and visibility. R queried is low for a locked "
        "model and for a good one that has to see the named objects; the twins tell these apart. "
        f"n = {part['n']:,}; {left_out}. Matched objects have {part['matched_pixels']:.2f} of the queried ones' "
        "pixels on "
        f"average. {_draws(part)}\n\n"
        f"Vanilla {_figure(overall['vanilla'])}, black {_figure(overall['black'])}, gain {_figure(overall['gain'])}."
    )
    rows = [
        [f"{entry['strength']:g}", *(_figure(entry[name]) for name in ("queried", "matched"))]
        + [_ratio(entry[name]) for name in ("R_queried", "R_matched", "lock_gap")]
        for entry in overall["strengths"]
    ]
    header = ["strength", "score, queried", "score, matched", "R queried", "R matched", "R matched - R queried"]
    by_task = []
    for task in TASKS:
        entry = part["tasks"].get(task.name)
        missing = part["unmatched"].get(task.name, 0)
        if entry:
            last = entry["strengths"][-1]
            by_task.append(
                [task.title, f"{entry['n']:,} ({missing:,})", *(_figure(entry[name]) for name in ("vanilla", "black"))]
                + [_figure(last[name]) for name in ("queried", "matched")]
                + [_ratio(last[name]) for name in ("R_queried", "R_matched")]
            )
        elif missing:
            by_task.append([task.title, f"0 ({missing:,})", *["–"] * 6])
    strongest = f"{overall['strengths'][-1]['strength']:g}"
    tasks = table(["task", "n (no match)", "vanilla", "black", "queried", "matched", "R queried", "R matched"], by_task)
    notes = _undefined(part)
    return f"{title}\n\n{text}\n\n{table(header, rows)}\n\nBy task, at strength {strongest}:\n\n{tasks}{notes}"


def _draws(part: Mapping[str, Any]) -> str:
    if part["noise_draws"] < 2:
        return "The noise was drawn once."
    spreads = ", ".join(f"{entry['draw_spread']:.1f}" for entry in part["overall"]["strengths"])
    return f"The noise was drawn {part['noise_draws']} times; standard deviation over the draws {spreads} points."


def _undefined(part: Mapping[str, Any]) -> str:
    """Return why R is undefined, where it is."""
    reasons = {"overall": part["overall"]["strengths"][-1]["R_queried"]["undefined"]}
    reasons |= {
        task.title: part["tasks"][task.name]["strengths"][-1]["R_queried"]["undefined"]
        for task in TASKS
        if task.name in part["tasks"]
    }
    told = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
    return f"\n\nUndefined R: {'; '.join(told)}." if told else ""


def _twins(part: Mapping[str, Any]) -> str:
    columns = [name for name in ("vanilla", "sensitivity", "specificity") if name in part]
    rows = [["all", f"{part['sensitivity']['n']:,}", *(_macro(part[name]) for name in columns)]]
    for task in TASKS:
        if task.name in part["sensitivity"]["tasks"]:
            entries = [part[name]["tasks"].get(task.name) for name in columns]
            rows.append([task.title, f"{entries[1]['n']:,}", *(_figure(entry) if entry else "–" for entry in entries)])
    text = (
        "*Sensitivity*: right before and after an edit that changes the answer. *Specificity*: right before and "
        "after one "
        "that keeps it. Who never notices an edit has no sensitivity; neither figure can exceed the score before the "
        "edit."
    )
    return f"### Twins\n\n{text}\n\n{table(['task', 'n', *columns], rows)}"


def _hallucination(part: Mapping[str, Any]) -> str:
    black = part["on_black"]
    beside = f" On black frames {black:.1f} % stay." if black is not None else " Black frames were not asked."
    text = (
        f"**{part['unchanged']:.1f} %** {interval_text(part['interval'])} of the answers stay as they were with what "
        "the "
        f"question names erased from every frame (n = {part['n']:,}); {part['answered']:.1f} % can be read as an "
        f"answer.{beside} "
        "Who finds the answer in the context keeps it by right: read it beside R."
    )
    return f"### Hallucination\n\n{text}\n\n{_by_task(part)}"


def _floor(part: Mapping[str, Any]) -> str:
    differ = max(0.0, 100.0 - part["unchanged"])
    is_any = differ > 1e-9  # an average over tasks may be off by its rounding
    what = f"{differ:.2f} % of the answers differ" if is_any else "no answer differs"
    meaning = " Differences of this size mean nothing." if is_any else ""
    text = f"Asked again with the same frames in other batches, {what} (n = {part['n']:,}).{meaning}"
    return f"### Numerical floor\n\n{text}\n\n{_by_task(part)}"


def _by_task(part: Mapping[str, Any]) -> str:
    rows = [
        [task.title, f"{part['tasks'][task.name]['n']:,}", _figure(part["tasks"][task.name])]
        for task in TASKS
        if task.name in part["tasks"]
    ]
    return table(["task", "n", "answers that stay, %"], rows)


_TEXTS = {"recovery": _recovery, "twins": _twins, "hallucination": _hallucination, "floor": _floor}


def _figure(entry: Mapping[str, Any]) -> str:
    bounds = f" {interval_text(entry['interval'])}" if entry["interval"] else ""
    return f"{entry['score']:.1f}{bounds}"


def _macro(entry: Mapping[str, Any]) -> str:
    return _figure({"score": entry["macro"], "interval": entry["interval"] and entry["interval"]["macro"]})


def _ratio(entry: Mapping[str, Any]) -> str:
    return "undefined" if entry["value"] is None else f"{entry['value']:.2f} {interval_text(entry['interval'], 2)}"
