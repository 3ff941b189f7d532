"""The words and tables of the report on the reference checkpoint, from figures alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_hf.vsi_bench.compare import OVERALL, REFERENCES, Comparison, Estimate, Table, beats
from ocr_hf.vsi_bench.markdown_table import table as markdown
from ocr_hf.vsi_bench.measure_text import measure_table
from ocr_hf.vsi_bench.stored_runs import StoredRun
from ocr_hf.vsi_bench.tasks import TASKS

TITLES = {
    "grpo": "**OCR-GRPO**",
    "sft": "its SFT start",
    "black": "OCR-GRPO, black frames",
    "text-only": "text-only model",
    "untrained": "untrained",
    "text_statistic": "text statistic",
    "always_a": 'constants, "A"',
    "most_frequent": "most frequent",
    "random": "random",
}
PARTS = {
    "full": "Unseen rooms",
    "debiased": "Unseen rooms, debiased part",
    "house": "The house",
}
BASELINES = ("text-only", *REFERENCES)
"""What the checkpoint has to beat; the text-only model was trained and is evaluated without video."""
_TASKS = {OVERALL: "overall", **{task.name: task.title for task in TASKS}}
_SETTINGS = ("frames", "max_pixels", "prompt", "extraction", "max_new_tokens", "batch_size", "dtype", "seed")


def render(
    parts: Mapping[str, Comparison], runs: Mapping[str, StoredRun], figures: Mapping[str, str], draws: int, version: int
) -> str:
    """Return the report as Markdown.

    parts : full, and where they are there debiased and house; runs : system -> its run on the rooms
    figures : of curves and examples, the file or why there is none; version : of the benchmark
    """
    tables = {name: part.table(draws) for name, part in parts.items()}
    blocks = [
        f"# ocr-vsi-tiny on ocr-vsi-test, version {version}",
        "The reference checkpoint of ocr-hf, trained by SFT and then by OCR-GRPO (OCR = Object-Centric 3D Rollout, not "
        "text recognition), asked about rooms that no training has seen. Made by "
        "`python -m recipes.ocr_vsi_tiny.report`.",
        _verdict(parts["full"], tables, draws),
        *(_part(name, parts[name], tables[name]) for name in parts),
        _looking(parts["full"], tables["full"], draws),
        _gain(parts, draws),
        _audits(runs),
        measure_table({TITLES[name]: run.results.get("measure") for name, run in runs.items()}),
        _query_lock(runs),
        _pictures(figures),
        _settings(runs),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _verdict(part: Comparison, tables: Mapping[str, Table], draws: int) -> str:
    figures = tables["full"]
    mine = figures["grpo"][OVERALL]
    won, lost = _won(figures)
    against = ", ".join(TITLES[name] for name in BASELINES if name in figures)
    lines = [
        f"- **{mine.score:.1f}** {_bounds(mine.interval)} overall (macro average over the tasks, n = {mine.n:,}).",
        f"- Overall it {_does(_beats_all(figures, OVERALL))} every baseline ({against}) with non-overlapping 95 % "
        "intervals.",
        f"- So does it in {len(won)} of {len(won) + len(lost)} tasks: {', '.join(won) or 'none'}. Not in: "
        f"{', '.join(lost) or 'none'}.",
    ]
    for name in ("debiased", "house"):
        if name in tables and "text-only" in tables[name]:
            lines.append(f"- {PARTS[name]}: {_on_part(tables[name])}")
    if "sft" in figures:
        gain = part.difference("sft", "grpo", draws)[OVERALL]
        lines.append(f"- OCR-GRPO minus its SFT start: {_signed(gain)} points{_zero(gain)}.")
    if "black" in figures and "text-only" in figures:
        left = part.difference("text-only", "black", draws)[OVERALL]
        lines.append(f"- On black frames it scores {_signed(left)} against the text-only model{_zero(left)}.")
    missing = [TITLES[name] for name in ("text-only", "untrained", "sft", "black") if name not in figures]
    if missing:
        lines.append(f"- Not evaluated: {', '.join(missing)}.")
    return "## In short\n\n" + "\n".join(lines)


def _won(figures: Table) -> tuple[list[str], list[str]]:
    """Return the titles of the tasks in which the checkpoint beats every baseline, and of the others."""
    evaluated = [task for task in TASKS if task.name in figures["grpo"]]
    won = [task.title for task in evaluated if _beats_all(figures, task.name)]
    return won, [task.title for task in evaluated if task.title not in won]


def _on_part(figures: Table) -> str:
    mine, (won, lost) = figures["grpo"][OVERALL], _won(figures)
    return (
        f"{mine.score:.1f} {_bounds(mine.interval)} overall, {_does(_beats_all(figures, OVERALL))} every baseline "
        f"there, and in {len(won)} of {len(won) + len(lost)} tasks."
    )


def _part(name: str, part: Comparison, figures: Table) -> str:
    over = "scenes" if len({row["scene_name"] for row in part.rows}) > 1 else "clips (there is one scene)"
    rows = []
    for key, title in _TASKS.items():
        if key in figures["grpo"]:
            cells = [_cell(figures[system].get(key)) for system in _order(figures)]
            rows.append([title, f"{figures['grpo'][key].n:,}", *cells])
    header = ["", "n", *(TITLES[system] for system in _order(figures))]
    text = f"Scores in per cent with 95 % bootstrap intervals over {len(set(part.clusters))} {over}."
    if name == "full":
        text += (
            " The text-only model has the same size and training without video, and is asked without. The text "
            "statistic is fitted to the test questions themselves, scene by scene left out: no baseline, but what the "
            "words give away at most. Constants and most frequent answers are chosen on these very questions."
        )
    if name == "debiased":
        text += (
            " Left out is what the text statistic gets right most easily, until it is no better than chance or half of "
            "a question type is gone; so it and the constants are low here by construction."
        )
    return f"## {PARTS[name]}\n\n{text}\n\n{markdown(header, rows)}"


def _looking(part: Comparison, figures: Table, draws: int) -> str:
    if "black" not in figures:
        return ""
    against = [name for name in ("black", "text-only") if name in figures]
    found = {name: part.difference(name, "grpo", draws) for name in against}
    rows, blind = [], []
    for key, title in _TASKS.items():
        if key in found["black"]:
            looks = _above_zero(found["black"][key])
            blind += [] if looks or key == OVERALL else [title]
            won = "yes" if _beats_all(figures, key) else "no"
            rows.append([title, *(_signed(found[name][key]) for name in against), "yes" if looks else "**no**", won])
    header = ["", *(f"minus {TITLES[name]}" for name in against), "looks", "beats all baselines"]
    text = (
        "A model that looks scores more with the video than on black frames: differences in points, paired by "
        "question, with 95 % intervals. *Looks* means that the whole interval is above 0."
    )
    plain = (
        f"**The model does not look in: {', '.join(blind)}.** What it scores there it could score without the video."
        if blind
        else "In every task the video helps it."
    )
    return f"## Where it looks\n\n{text}\n\n{markdown(header, rows)}\n\n{plain}"


def _gain(parts: Mapping[str, Comparison], draws: int) -> str:
    found = {name: part.difference("sft", "grpo", draws) for name, part in parts.items() if "sft" in part.systems}
    if not found:
        return ""
    keys = [key for key in _TASKS if any(key in part for part in found.values())]
    rows = [[_TASKS[key], *(_signed(part.get(key)) for part in found.values())] for key in keys]
    text = "OCR-GRPO minus its SFT start, in points, paired by question, with 95 % intervals."
    header = ["", *(PARTS[name].lower() for name in found)]
    return f"## What OCR-GRPO changed\n\n{text}\n\n{markdown(header, rows)}"


def _audits(runs: Mapping[str, StoredRun]) -> str:
    audited = {name: run.results["audits"] for name, run in runs.items() if name in ("grpo", "sft")}
    rows = []
    for name, audits in audited.items():
        for audit, entry in audits.items():
            figure = Estimate(entry["difference"], entry["difference_interval"], entry["n"])
            scores = (f"{entry[key]:.1f}" for key in ("vanilla_macro", "macro"))
            rows.append([TITLES[name], audit, *scores, _signed(figure), f"{entry['n']:,}"])
    if not rows:
        return ""
    text = (
        "Macro averages on the questions that an audit can be asked of. docs/query_lock.md says what each one changes."
    )
    header = ["", "audit", "vanilla", "audited", "difference", "n"]
    return f"## Audits\n\n{text}\n\n{markdown(header, rows)}"


def _query_lock(runs: Mapping[str, StoredRun]) -> str:
    rows = []
    for name, run in runs.items():
        lock = run.results["query_lock"]
        if lock and lock["index"] is not None:
            changes = (f"{lock[key]:.1f}" for key in ("change_queried", "change_context"))
            index = _signed(Estimate(lock["index"], lock["interval"], lock["n"]))
            rows.append([TITLES[name], index, *changes, f"{lock['n']:,}"])
    if not rows:
        return ""
    text = "How much more answers change when the queried objects are noised than when as many context pixels are."
    text += " The former measure: it can't tell a locked model from a good one that has to see the named objects; "
    text += "docs/measure.md has why, and the measure that replaces it."
    header = ["", "former query-lock index", "queried, % changed", "context, % changed", "n"]
    return f"## Query-lock index (former measure)\n\n{text}\n\n{markdown(header, rows)}"


def _pictures(figures: Mapping[str, str]) -> str:
    sections = []
    for key, title, alt in (
        ("curves", "Learning curves", "Held-out score, loss and rewards of SFT and OCR-GRPO over the steps"),
        ("examples", "Examples", "Vanilla and noisy frames with question, truth and both answers"),
    ):
        file = figures[key]
        body = f"![{alt}]({file})" if file.endswith(".png") else f"Left out: {file}."
        if key == "examples" and file.endswith(".png"):
            body = f"One question a task, drawn by a hash of its id: nobody chose them.\n\n{body}"
        sections.append(f"## {title}\n\n{body}")
    return "\n\n".join(sections)


def _settings(runs: Mapping[str, StoredRun]) -> str:
    first = runs["grpo"].results["settings"]
    rows: list[list[Any]] = [[name, f"`{first[name]}`"] for name in _SETTINGS if first.get(name) is not None]
    rows.append(["data", f"`{first['data']}`, {first['data_revision']}"])
    for name, run in runs.items():
        settings = run.results["settings"]
        rows.append([TITLES[name], f"`{settings['model']}`, {settings['parameters']:,} parameters, "
                     f"{settings['model_revision']}"])  # fmt: skip
    return f"## Settings\n\n{markdown(['setting', 'value'], rows, '---')}"


def _order(figures: Table) -> list[str]:
    return [name for name in TITLES if name in figures]


def _beats_all(figures: Table, key: str) -> bool:
    """True if the checkpoint's interval lies above that of every baseline there is, the text-only model among them."""
    found = beats(figures, "grpo", key, BASELINES)
    return "text-only" in found and all(found.values())


def _does(yes: bool) -> str:
    return "beats" if yes else "does **not** beat"


def _above_zero(figure: Estimate) -> bool:
    return figure.interval is not None and figure.interval[0] > 0.0


def _zero(figure: Estimate) -> str:
    if figure.interval is None:
        return ", without an interval"
    inside = figure.interval[0] <= 0.0 <= figure.interval[1]
    return ", an interval that holds 0: no difference is shown" if inside else ""


def _cell(figure: Estimate | None) -> str:
    return "–" if figure is None else f"{figure.score:.1f} {_bounds(figure.interval)}".strip()


def _signed(figure: Estimate | None) -> str:
    if figure is None:
        return "–"
    bounds = figure.interval and f" [{figure.interval[0]:+.1f}, {figure.interval[1]:+.1f}]"
    return f"{figure.score:+.1f}{bounds or ''}"


def _bounds(interval: tuple[float, float] | None) -> str:
    return f"[{interval[0]:.1f}, {interval[1]:.1f}]" if interval else ""
