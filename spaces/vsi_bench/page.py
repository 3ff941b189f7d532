"""The metric's results as HTML: headline figures and one bar per task with its interval. No input of the user's text
reaches the page: only figures and names from the benchmark."""

from __future__ import annotations

from collections.abc import Mapping

TITLES = {
    "object_counting": ("Object count", "MRA"),
    "object_abs_distance": ("Absolute distance", "MRA"),
    "object_size_estimation": ("Object size", "MRA"),
    "room_size_estimation": ("Room size", "MRA"),
    "object_rel_distance": ("Relative distance", "accuracy"),
    "object_rel_direction": ("Relative direction", "accuracy"),
    "object_rel_direction_easy": ("easy", "accuracy"),
    "object_rel_direction_medium": ("medium", "accuracy"),
    "object_rel_direction_hard": ("hard", "accuracy"),
    "route_planning": ("Route planning", "accuracy"),
    "obj_appearance_order": ("Appearance order", "accuracy"),
}

CSS = """
.vsi { --bar: #6366f1; --track: rgba(128, 128, 128, .16);
  --muted: color-mix(in srgb, var(--body-text-color) 72%, transparent);
  font-variant-numeric: tabular-nums; }
.vsi .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem;
  margin-bottom: 1rem; }
.vsi .card { border: 1px solid var(--border-color-primary); border-radius: .75rem; padding: .8rem 1rem; }
.vsi .card.main { background: linear-gradient(135deg, #4f46e5, #7c3aed); border-color: transparent; }
.vsi .card.main, .vsi .card.main * { color: #fff !important; }
.vsi .card .name { font-size: .8rem; color: var(--muted); }
.vsi .card .figure { font-size: 1.9rem; font-weight: 650; line-height: 1.25; }
.vsi .card .note { font-size: .78rem; color: var(--muted); min-height: 1.2em; }
.vsi .row { display: grid; grid-template-columns: 13rem 1fr 3.4rem 6.4rem 5.2rem; align-items: center; gap: .75rem;
  padding: .38rem 0; border-bottom: 1px solid var(--border-color-primary); font-size: .92rem; }
.vsi .row.head { font-size: .75rem; color: var(--muted); border-bottom-width: 2px; }
.vsi .row.level { font-size: .84rem; color: var(--muted); } .vsi .row.level .label { padding-left: 1.2rem; }
.vsi .row small { color: var(--muted); margin-left: .35rem; }
.vsi .track { position: relative; height: .8rem; background: var(--track); border-radius: .4rem; }
.vsi .fill { position: absolute; inset: 0 auto 0 0; background: var(--bar); border-radius: .4rem; }
.vsi .level .track { height: .45rem; } .vsi .level .fill { opacity: .55; }
.vsi .whisker { position: absolute; top: 50%; height: 2px; margin-top: -1px; background: currentColor; opacity: .75; }
.vsi .whisker::before, .vsi .whisker::after { content: ""; position: absolute; top: -3px; height: 8px; width: 2px;
  background: currentColor; } .vsi .whisker::before { left: 0; } .vsi .whisker::after { right: 0; }
.vsi .number { text-align: right; font-weight: 600; } .vsi .side { text-align: right; color: var(--muted);
  font-size: .84rem; }
.vsi .absent { color: var(--muted); font-style: italic; }
.vsi .quote { margin-top: .9rem; font-size: .84rem; color: var(--muted); }
.pasted textarea { font-family: var(--font-mono); font-size: .8rem; white-space: pre; overflow-x: auto; }
@media (max-width: 700px) { .vsi .row { grid-template-columns: 8.5rem 1fr 3rem; } .vsi .row .side { display: none; } }
"""


def results_html(results: Mapping, unanswered: int = 0) -> str:
    """Return the page for the metric's results; `unanswered` questions had no prediction and score 0."""
    rows = [
        '<div class="row head"><span>Task</span><span></span><span class="number">Score</span>'
        '<span class="side">95 % interval</span><span class="side">n (unread)</span></div>'
    ]
    tasks, levels = results["tasks"], results["levels"]
    for name in TITLES:
        is_level = name.startswith("object_rel_direction_")
        entry = levels.get(name) if is_level else tasks.get(name)
        if not (is_level and "object_rel_direction" not in tasks):
            rows.append(_row(name, entry, "level" if is_level else ""))
    return f'<div class="vsi">{_cards(results)}{"".join(rows)}{_quote(results, unanswered)}</div>'


def _cards(results: Mapping) -> str:
    other = "micro" if results["average"] == "macro" else "macro"
    names = {"macro": "mean of the tasks", "micro": "mean of the questions"}
    cards = [
        _card(f"Overall ({results['average']})", results["overall"], _interval(results, results["average"]), "main"),
        _card(f"{other.capitalize()} average", results[other], names[other]),
    ]
    debiased = results["debiased"]
    if debiased and debiased["n"]:
        cards.append(_card("Debiased", debiased[results["average"]], f"{debiased['n']:,} questions not pruned"))
    cards.append(_card("Questions", f"{results['n']:,}", f"{results['n_unparsed']:,} without a readable answer"))
    return f'<div class="cards">{"".join(cards)}</div>'


def _card(name: str, figure: float | str, note: str, kind: str = "") -> str:
    shown = figure if isinstance(figure, str) else f"{figure:.1f}"
    return (
        f'<div class="card {kind}"><div class="name">{name}</div><div class="figure">{shown}</div>'
        f'<div class="note">{note}</div></div>'
    )


def _interval(results: Mapping, average: str) -> str:
    if not results["interval"]:
        return ""
    low, high = results["interval"][average]
    return f"95 %: {low:.1f} – {high:.1f}"


def _row(name: str, entry: Mapping | None, kind: str) -> str:
    title, metric = TITLES[name]
    label = f'<span class="label">{title}{"" if kind else f"<small>{metric}</small>"}</span>'
    if entry is None:
        return (
            f'<div class="row {kind}">{label}<span class="absent">no question</span><span class="number">–</span></div>'
        )
    whisker = interval = ""
    if entry["interval"]:
        low, high = entry["interval"]
        whisker = f'<span class="whisker" style="left:{low:.2f}%;width:{max(high - low, 0.2):.2f}%"></span>'
        interval = f"{low:.1f} – {high:.1f}"
    unread = f" ({entry['n_unparsed']:,})" if entry["n_unparsed"] else ""
    return (
        f'<div class="row {kind}">{label}<span class="track"><span class="fill" style="width:{entry["score"]:.2f}%">'
        f'</span>{whisker}</span><span class="number">{entry["score"]:.1f}</span><span class="side">{interval}</span>'
        f'<span class="side">{entry["n"]:,}{unread}</span></div>'
    )


def _quote(results: Mapping, unanswered: int) -> str:
    clusters = "scenes" if results["clustered_by"] == "scene" else "questions (no scene column: too narrow)"
    parts = [
        f"VSI-Bench, {results['extraction']} extraction, {results['average']} average, n = {results['n']:,}, "
        f"unread answers score 0, bootstrap over {clusters}."
    ]
    if results["missing"]:
        parts.append(f"Without a question: {', '.join(results['missing'])}; the overall is the mean of the others.")
    if unanswered:
        parts.append(f"{unanswered:,} questions have no prediction and score 0.")
    return f'<div class="quote">To quote with the number: {" ".join(parts)}</div>'
