"""report.md: the results of a run for people, rendered from results.json alone."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ocr_hf.vsi_bench.markdown_table import bounds_text, interval_text, table
from ocr_hf.vsi_bench.measure_text import measure_section
from ocr_hf.vsi_bench.summary import AVERAGES
from ocr_hf.vsi_bench.tasks import QUESTION_TYPES, TASKS

_REFERENCES = {
    "random": "chance (expected)",
    "most_frequent": "most frequent answer",
    "always_a": 'best constant, always "A"',
    "text_statistic": "statistic of the words",
}
_AUDITS = {
    "text_only": "no video",
    "black": "black frames",
    "shuffled": "frames in random order",
    "repeat": "the same again, in other batches",
    "queried_erased": "queried objects erased",
    "queried_noised": "queried objects noised",
    "context_noised": "as many context pixels noised",
}
_FLAGS = (
    "model",
    "endpoint",
    "image_format",
    "revision",
    "data",
    "data_revision",
    "split",
    "limit",
    "frames",
    "fps",
    "max_frames",
    "frames_as",
    "max_pixels",
    "min_pixels",
    "prompt",
    "extraction",
    "max_new_tokens",
    "batch_size",
    "dtype",
    "audit",
    "strength",
    "recovery_strengths",
    "recovery_draws",
    "seed",
)


def render_report(results: Mapping[str, Any], plots: Mapping[str, str] | None = None) -> str:
    """Return the report as Markdown; `plots` are the lines that show the plots, as `plot_results` returns them."""
    plots = plots or {}
    settings = results["settings"]
    parts = [
        f"# {_benchmark(results)}: {settings.get('model') or settings.get('predictions')}",
        _headline(results),
        *_warnings(results),
        _scores(results),
        plots.get("tasks"),
        _rules(results),
        _twins(results),
        plots.get("pairs"),
        _audits(results),
        plots.get("audits"),
        measure_section(results),
        _query_lock(results),
        _published(results),
        _settings(settings),
        "Made by ocr-hf, the toolkit for Object-Centric 3D Rollout (OCR; not text recognition).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(results: Mapping[str, Any]) -> str:
    average = results["average"]
    interval = interval_text(results["interval"] and results["interval"][average])
    other = "micro" if average == "macro" else "macro"
    text = (
        f"**{results['overall']:.1f}** {interval} · {average} average, {results['extraction']} extraction, "
        f"n = {results['n']:,}. {other.capitalize()} average {results[other]:.1f}."
    )
    missing = results.get("n_unanswered")
    if missing and results.get("unanswered", "leave-out") == "zero":
        text += f" **{missing:,} of these have no answer and score 0.**"
    elif missing:
        text += f" **Without {missing:,} questions that have no answer (missing leave-out).**"
    debiased = results["debiased"]
    if debiased and debiased["n"] and debiased["n"] < results["n"]:
        text += f" Debiased ({debiased['n']:,} questions) {debiased[average]:.1f}."
    return text


def _warnings(results: Mapping[str, Any]) -> list[str]:
    notes = []
    if results["missing"]:
        notes.append(f"no question of {', '.join(results['missing'])}: the macro average is over the other tasks")
    is_zero = results.get("unanswered") == "zero"
    unread = results["n_unparsed"] - (results["n_unanswered"] if is_zero else 0)
    if unread:
        notes.append(f"{unread:,} answers could not be read and score 0")
    if results.get("n_errors"):
        notes.append(f"{results['n_errors']:,} questions have a video that could not be read; they score 0")
    if results.get("n_unanswered") and not is_zero:
        notes.append(f"{results['n_unanswered']:,} questions have no prediction and are left out")
    if results.get("n_elsewhere"):
        notes.append(
            f"{results['n_elsewhere']:,} predictions are for questions that aren't asked; they are passed over"
        )
    if results["extraction"] != "official":
        notes.append("the extraction is not the benchmark's own: not comparable with official scores")
    asked = results["settings"].get("frames")
    if asked and any(given < asked for given in results.get("frames_given", [])):
        notes.append(f"some videos have fewer than {asked} frames: given were {results['frames_given']}")
    notes += [f"**worse than {name}, which scores {score:.1f}**" for name, score in _better_blind(results)]
    if results["clustered_by"] != "scene":
        notes.append("no scene is known, so questions were drawn one by one and intervals are too narrow")
    return ["\n".join(f"> {note[0].upper()}{note[1:]}.  " for note in notes)] if notes else []


def _better_blind(results: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return what answers without looking and scores more than the run."""
    average = results["average"]
    blind = {f"this model with {_AUDITS[name]}": results["audits"].get(name) for name in ("text_only", "black")}
    blind |= {_REFERENCES[name]: entry for name, entry in results["references"].items()}
    return [(name, row[average]) for name, row in blind.items() if row and row[average] > results["overall"]]


def _benchmark(results: Mapping[str, Any]) -> str:
    return results["settings"]["data"] if results.get("task_titles") else "VSI-Bench"


def task_titles(results: Mapping[str, Any]) -> dict[str, str]:
    """Return task -> title of the benchmark that was asked; VSI-Bench's where results name no others."""
    return results.get("task_titles") or {task.name: task.title for task in TASKS}


def _scores(results: Mapping[str, Any]) -> str:
    names = list(task_titles(results))
    header = ["", "Overall", *task_titles(results).values()]
    rows = [
        ["**this run**", *_cells(results["overall"], results["tasks"], bold=True, names=names)],
        ["95 % interval", bounds_text(results["interval"] and results["interval"][results["average"]])]
        + [bounds_text((results["tasks"].get(name) or {}).get("interval")) for name in names],
        ["n (unread)", _counts(results), *(_counts(results["tasks"].get(name)) for name in names)],
    ]
    debiased = results["debiased"]
    if debiased and debiased["n"]:
        rows.append(["debiased", *_cells(debiased[results["average"]], debiased["tasks"], names=names)])
    for name in ("text_only", "black"):
        if name in results["audits"]:
            audit = results["audits"][name]
            rows.append(
                [f"this model, {_AUDITS[name]}", *_cells(audit[results["average"]], audit["tasks"], names=names)]
            )
    for name, reference in results["references"].items():
        rows.append([_REFERENCES[name], *_cells(reference[results["average"]], reference["tasks"], names=names)])
    levels = ", ".join(
        f"{name.rsplit('_', 1)[1]} {entry['score']:.1f} (n = {entry['n']:,})"
        for name, entry in results["levels"].items()
        if name.startswith("object_rel_direction")
    )
    note = f"\n\nRelative direction: {levels}." if levels else ""
    others = ", ".join(
        f"{name} {entry['score']:.1f} (n = {entry['n']:,})"
        for name, entry in results["levels"].items()
        if name not in QUESTION_TYPES and not results.get("task_titles")
    )
    note += f"\n\nQuestion types beyond VSI-Bench's, in no average: {others}." if others else ""
    if results["references"]:
        note += "\n\nThe last rows are computed from the answers of these very questions, without any model."
    return f"## Scores\n\n{table(header, rows)}{note}"


def _rules(results: Mapping[str, Any]) -> str:
    """Return the same answers under the rules of other harnesses."""
    if not results.get("rules"):
        return ""
    is_recorded = any(row["reproduces"] for row in results["rules"])
    header = ["rule", "macro", "micro", "unread", *(["reproduces"] if is_recorded else []), "published tables by it"]
    rows = []
    for row in results["rules"]:
        averages = [f"**{row[name]:.1f}**" if name == row["average"] else f"{row[name]:.1f}" for name in AVERAGES]
        made = row["reproduces"]
        recorded = [f"{made['n']:,} of {made['of']:,}" if made else "–"] if is_recorded else []
        published = ", ".join(row["published"]) or "–"
        rows.append([f"`{row['rule']}`", *averages, f"{row['n_unparsed']:,}", *recorded, published])
    text = "The same answers, read and compared as each harness does. Bold is the average that the harness publishes."
    if is_recorded:
        text += " *Reproduces*: how many of the scores that the file itself records are those of the rule."
    text += " What the rules are, and where each fact is from: docs/extractions.md."
    return f"## Your number under each rule\n\n{text}\n\n{table(header, rows)}"


def _twins(results: Mapping[str, Any]) -> str:
    """Return the scores of pairs: right before and after an edit of the scene."""
    twins = results.get("twins")
    if not twins:
        return ""
    rows = [["**this run**", *_pair_cells(twins)]]
    interval = twins["pairs"]["interval"]
    rows.append(["95 % interval", bounds_text(interval and interval["macro"]), *[""] * (len(TASKS) + 2)])
    rows += [[f"this model, {_AUDITS[name]}", *_pair_cells(table)] for name, table in twins["audits"].items()]
    rows += [[_REFERENCES[name], *_pair_cells(table)] for name, table in twins["blind"].items()]
    text = (
        "A `changes` pair is a question about a video and about the same walk after an edit of the scene that changes "
        "the answer; it scores what its worse answer scores. A `keeps` pair is the same question with an edit that "
        "leaves the answer as it was; it counts only where the `changes` pair of that question does. Who doesn't look "
        "gives one answer to both videos and gets no pair of letters right."
    )
    counts = {name: twins[name]["n"] for name in ("changes", "keeps") if name in twins}
    text += " Pairs: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()) + "."
    header = ["", "Pairs", *(task.title for task in TASKS), "Changes", "Keeps"]
    return f"## Pairs of videos\n\n{text}\n\n{table(header, rows)}"


def _pair_cells(twins: Mapping[str, Any] | None) -> list[str]:
    if twins is None:
        return ["–"] * (len(TASKS) + 3)
    ends = [f"{twins[name]['macro']:.1f}" if name in twins else "–" for name in ("changes", "keeps")]
    return [*_cells(twins["pairs"]["macro"], twins["pairs"]["tasks"]), *ends]


def _cells(
    overall: float, tasks: Mapping[str, Any], bold: bool = False, names: Sequence[str] | None = None
) -> list[str]:
    scores = [tasks.get(name) for name in names or [task.name for task in TASKS]]
    plain = [None if score is None else score["score"] if isinstance(score, Mapping) else score for score in scores]
    shown = ["–" if score is None else f"{score:.1f}" for score in [overall, *plain]]
    return [f"**{text}**" for text in shown] if bold else shown


def _audits(results: Mapping[str, Any]) -> str:
    if not results["audits"]:
        return ""
    rows = []
    for name, audit in results["audits"].items():
        rows.append(
            [
                f"{name}: {_AUDITS[name]}",
                f"{audit['vanilla_macro']:.1f}",
                f"{audit['macro']:.1f}",
                f"{audit['difference']:+.1f}",
                bounds_text(audit["difference_interval"]),
                f"{audit['n']:,}",
            ]
        )
    text = (
        "Macro averages on the questions that the audit can be asked of. A model that looks at the scene loses score "
        "without it; one that keeps its score answers from the question alone."
    )
    header = ["audit", "vanilla", "audited", "difference", "95 % interval", "n"]
    return f"## Audits\n\n{text}\n\n{table(header, rows)}"


def _query_lock(results: Mapping[str, Any]) -> str:
    lock = results["query_lock"]
    if not lock:
        return ""
    if lock["index"] is None:
        return "## Query-lock index (former measure)\n\nNo question has enough context pixels to compare with."
    text = (
        f"**Former query-lock index {lock['index']:+.1f}** {interval_text(lock['interval'])}: answers change by "
        f"{lock['change_queried']:.1f} % when the queried objects are noised and by {lock['change_context']:.1f} % "
        f"when as many context pixels are (n = {lock['n']:,}; {lock['n_unmatched']:,} questions without enough context "
        "are left out).\n\nThis is the former measure, kept so that old reports can be compared. **It can't tell a "
        "locked model from "
        "a good one:** a perfect reasoner who has to see the named objects gets the same index, since noise on them "
        "takes "
        "both models' answers away. Definition: docs/query_lock.md; the measure above replaces it."
    )
    rows = [
        [task.title, *(f"{lock['tasks'][task.name][key]:.1f}" for key in ("change_queried", "change_context", "index"))]
        + [lock["tasks"][task.name]["n"]]
        for task in TASKS
        if task.name in lock["tasks"]
    ]
    header = ["task", "queried, %", "context, %", "index", "n"]
    return f"## Query-lock index (former measure)\n\n{text}\n\n{table(header, rows)}"


def _published(results: Mapping[str, Any]) -> str:
    if not results["published"]:
        return ""
    rows = [
        [row["system"], row["score"], row["frames"] or "not stated here", row.get("rule") or "not known here"]
        + [row["source"], row.get("note", "")]
        for row in results["published"]
    ]
    text = "As published; frames, resolution, prompt and extraction differ, so small differences mean nothing."
    header = ["system", "overall", "frames", "rule", "source", "note"]
    return f"## Published averages\n\n{text}\n\n{table(header, rows, '---')}"


def _settings(settings: Mapping[str, Any]) -> str:
    rows = [[name, f"`{_plain(value)}`"] for name, value in settings.items() if value not in (None, [], {})]
    text = f"## Settings\n\n{table(['setting', 'value'], rows, '---')}"
    if settings.get("model"):
        text += f"\n\nTo ask again:\n\n```\nocr-hf eval {_command(settings)} --out OUT\n```"
    return text


def _command(settings: Mapping[str, Any]) -> str:
    words: list[str] = []
    pinned = {"revision": settings.get("model_revision"), "data_revision": settings.get("data_revision")}
    for name in _FLAGS:
        # A folder's hash tells whether it is the same, but nothing can be fetched by it.
        value = settings.get(name) if name not in pinned else pinned[name] if _is_commit(pinned[name]) else None
        for item in value if isinstance(value, list | tuple) else [value]:
            if item is not None:
                words += [f"--{name.replace('_', '-')}", str(item)]
    return shlex.join(words)


def _is_commit(revision: Any) -> bool:
    return isinstance(revision, str) and len(revision) == 40 and set(revision) <= set("0123456789abcdef")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return str(value)


def _counts(entry: Mapping[str, Any] | None) -> str:
    if not entry:
        return "0"
    return f"{entry['n']:,}" + (f" ({entry['n_unparsed']:,})" if entry["n_unparsed"] else "")
