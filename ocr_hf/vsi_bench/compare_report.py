"""`ocr-hf compare`: stored runs side by side, as comparison.json, comparison.md and a plot.

Every run is compared with the first, paired by question; intervals and p-values come from a bootstrap over scenes, for
letters McNemar's exact test stands beside them, and both are corrected over the tasks by Holm's method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.vsi_bench.bootstrap import DRAWS
from ocr_hf.vsi_bench.compare import OVERALL, Comparison, compare_runs
from ocr_hf.vsi_bench.markdown_table import interval_text, table
from ocr_hf.vsi_bench.measure_text import measure_table
from ocr_hf.vsi_bench.plots import picture, plot_differences
from ocr_hf.vsi_bench.stored_runs import StoredRun, on_common_questions, read_run
from ocr_hf.vsi_bench.tasks import TASKS

PLOT = "comparison"
OWN = ("model", "model_revision", "revision", "predictions", "read_as", "parameters", "hardware", "libraries")
"""Settings that tell the runs apart; others should not differ."""
BESIDES = ("audit", "strength", "recovery_strengths", "recovery_draws")
"""Settings of audits, which change nothing about the plain run."""
_TITLES = {OVERALL: "**Overall**", **{task.name: task.title for task in TASKS}}


def write_comparison(
    folders: Sequence[Path], out: Path, common: bool = False, debiased: bool = False, draws: int = DRAWS
) -> dict[str, Any]:
    """Compare runs with the first of them; write comparison.json, comparison.md and the plot into `out`.

    Args:
        folders: written by `ocr-hf eval`, at least two.
        out: where the files go.
        common: compare the questions that all runs answer, where some answer more.
        debiased: leave out the questions that the debiased split leaves out.
        draws: of the bootstrap.

    Returns:
        What comparison.json holds.

    Raises:
        FileNotFoundError: a folder is no finished run.
        ValueError: the runs can't be compared.
    """
    if len(folders) < 2:
        raise ValueError(f"there is {len(folders)} run to compare; give at least two folders of `ocr-hf eval`")
    read = [read_run(path) for path in folders]
    runs = dict(zip(_names(folders), on_common_questions(read, common), strict=True))
    if debiased and any(row["pruned"] is None for run in runs.values() for row in run.rows):
        raise ValueError(f"{folders[0]} doesn't say which questions the debiased split leaves out; compare all of them")
    comparison = compare_runs(runs, pruned=False if debiased else None)
    asked = len({row["id"] for run in read for row in run.rows})
    found = _results(runs, comparison, draws) | {"n_left_out": asked - len(comparison.rows), "debiased": debiased}
    out.mkdir(parents=True, exist_ok=True)
    plot_differences(found, out / PLOT)
    with replacing(out / "comparison.md") as temporary:
        temporary.write_text(render_comparison(found), encoding="utf-8")
    write_json(out / "comparison.json", found)
    return found


def _names(folders: Sequence[Path]) -> list[str]:
    """Return a name for each run: the shortest ends of the paths that differ."""
    parts = [path.resolve().parts for path in folders]
    if len(set(parts)) < len(parts):
        twice = next(path for path in folders if parts.count(path.resolve().parts) > 1)
        raise ValueError(f"{twice} is given twice; give each run once")
    length = next(n for n in range(1, 99) if len({own[-n:] for own in parts}) == len(parts))
    return ["/".join(own[-length:]) for own in parts]


def _results(runs: Mapping[str, StoredRun], comparison: Comparison, draws: int) -> dict[str, Any]:
    names = list(runs)
    scores = comparison.table(draws)
    return {
        "baseline": names[0],
        "n": len(comparison.rows),
        "n_clusters": len(set(comparison.clusters)),
        "draws": draws,
        "scores": {name: {key: asdict(entry) for key, entry in found.items()} for name, found in scores.items()},
        "differences": {name: _difference(comparison, names[0], name, draws) for name in names[1:]},
        "measure": {name: run.results.get("measure") for name, run in runs.items()},
        "settings": {name: dict(run.results["settings"]) for name, run in runs.items()},
        "differing": differing_settings(runs),
    }


def _difference(comparison: Comparison, first: str, second: str, draws: int) -> dict[str, Any]:
    """Return one run minus the baseline: by task, by scene, and the questions with letters that turned."""
    before, after = comparison.systems[first], comparison.systems[second]
    turned = {"gained": [], "lost": []}
    for row, one, other in zip(comparison.rows, before.tenths, after.tenths, strict=True):
        if {int(one), int(other)} == {0, 10} and row["options"]:
            turned["gained" if other > one else "lost"].append(row["id"])
    scenes = comparison.by_cluster(first, second)
    return {
        "tasks": {name: asdict(entry) for name, entry in comparison.difference(first, second, draws).items()},
        "scenes": {name: {"difference": entry.score, "n": entry.n} for name, entry in scenes.items()},
        "questions": turned,
    }


def differing_settings(runs: Mapping[str, StoredRun]) -> dict[str, dict[str, Any]]:
    """Return setting -> run -> value, of the settings that should be one and aren't."""
    settings = {
        name: {**run.results["settings"], "extraction": run.results["extraction"]} for name, run in runs.items()
    }
    every = dict.fromkeys(key for own in settings.values() for key in own if key not in OWN + BESIDES)
    found = {key: {name: own.get(key) for name, own in settings.items()} for key in every}
    return {key: values for key, values in found.items() if len(set(map(repr, values.values()))) > 1}


def render_comparison(found: Mapping[str, Any]) -> str:
    """Return a comparison as Markdown."""
    baseline, names = found["baseline"], list(found["differences"])
    parts = [f"# {' and '.join(names)} compared with {baseline}", _what(found)]
    parts += [_differing(found), picture(PLOT, "Differences to the baseline by task, with 95 % intervals")]
    parts += [_difference_section(name, found) for name in names]
    parts += [_scores(found), measure_table(found["measure"])]
    parts.append("Made by ocr-hf, the toolkit for Object-Centric 3D Rollout (OCR; not text recognition).")
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(found: Mapping[str, Any]) -> str:
    left_out = f" {found['n_left_out']:,} more are not common or not debiased." if found["n_left_out"] else ""
    return (
        f"{found['n']:,} questions that all runs answer, in {found['n_clusters']:,} scenes or clips.{left_out} "
        "Differences "
        f"are in points, paired by question; intervals (95 %) and p from {found['draws']:,} bootstrap draws of scenes. "
        "*McNemar*: questions with letters that one run alone got right, with the exact p-value; it takes questions as "
        "independent, which those of one scene are not. *Holm*: p corrected over the tasks."
    )


def _differing(found: Mapping[str, Any]) -> str:
    if not found["differing"]:
        return ""
    names = list(found["settings"])
    rows = [[f"`{key}`", *(f"`{values[name]}`" for name in names)] for key, values in found["differing"].items()]
    text = "> **The runs were not asked in the same way.** A difference may be due to any of these settings."
    return f"{text}\n\n{table(['setting', *names], rows, '---')}"


def _difference_section(name: str, found: Mapping[str, Any]) -> str:
    tasks, scenes = found["differences"][name]["tasks"], found["differences"][name]["scenes"]
    rows = []
    for key, title in _TITLES.items():
        if key in tasks:
            entry, letters = tasks[key], tasks[key]["letters"]
            rows.append(
                [
                    title,
                    f"{entry['score']:+.1f}",
                    interval_text(entry["interval"]),
                    _p(entry["p"]),
                    _p(entry["corrected"]),
                ]
                + ([f"+{letters['gained']:,} -{letters['lost']:,}", _p(letters["p"])] if letters else ["–", "–"])
                + [_p(letters["corrected"]) if letters else "–", f"{entry['n']:,}"]
            )
    header = ["task", "difference", "95 % interval", "p", "p, Holm", "McNemar", "p", "p, Holm", "n"]
    better, worse = (sum(sign * entry["difference"] > 0 for entry in scenes.values()) for sign in (1, -1))
    text = f"By scene: better in {better:,}, worse in {worse:,}, equal in {len(scenes) - better - worse:,}."
    return f"## {name} minus {found['baseline']}\n\n{table(header, rows)}\n\n{text}"


def _scores(found: Mapping[str, Any]) -> str:
    rows = []
    for name, entries in found["scores"].items():
        cells = [entries.get(key) for key in _TITLES]
        rows.append([name, *(f"{cell['score']:.1f} {_interval(cell)}".strip() if cell else "–" for cell in cells)])
    return f"## Scores\n\n{table(['', *_TITLES.values()], rows)}"


def _interval(entry: Mapping[str, Any]) -> str:
    return interval_text(entry["interval"]) if entry["interval"] else ""


def _p(value: float | None) -> str:
    return "–" if value is None else "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")
