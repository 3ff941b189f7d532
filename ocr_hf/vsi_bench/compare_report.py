"""`ocr-hf compare`: stored runs side by side, as comparison.json, comparison.md and a plot.

Every run is compared with the first, paired by question; intervals and p-values come from a bootstrap over scenes, for
letters McNemar's exact test stands beside them, and both are corrected over the tasks by Holm's method. Runs that were
asked twins are compared by pairs of videos as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.vsi_bench.bootstrap import DRAWS
from ocr_hf.vsi_bench.compare import OVERALL, PAIRS, RESERVED, Comparison, compare_runs
from ocr_hf.vsi_bench.markdown_table import interval_text, table
from ocr_hf.vsi_bench.measure_text import measure_table
from ocr_hf.vsi_bench.plots import picture, plot_differences
from ocr_hf.vsi_bench.stored_runs import StoredRun, on_common_questions, read_run
from ocr_hf.vsi_bench.tasks import TASKS
from ocr_hf.vsi_bench.twin_scores import RELATIONS

PLOT = "comparison"
PAIRS_PLOT = "comparison-pairs"
OWN = ("model", "model_revision", "revision", "predictions", "read_as", "parameters", "hardware", "libraries")
"""Settings that tell the runs apart; others should not differ."""
BESIDES = ("audit", "strength", "recovery_strengths", "recovery_draws")
"""Settings of audits, which change nothing about the plain run."""
_TASKS = {task.name: task.title for task in TASKS}
TITLES = {OVERALL: "Overall", **_TASKS}
PAIR_TITLES = {OVERALL: "All pairs", **{relation: relation.capitalize() for relation in RELATIONS}, **_TASKS}
"""What `pair_rows` gives, in the order of tables and plots."""


def write_comparison(
    folders: Sequence[Path], out: Path, common: bool = False, debiased: bool = False, draws: int = DRAWS
) -> dict[str, Any]:
    """Compare runs with the first of them; write comparison.json, comparison.md and the plots into `out`.

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
    named = {name: entry["tasks"] for name, entry in found["differences"].items()}
    plot_differences(named, TITLES, found["baseline"], out / PLOT)
    if found["pairs"]:
        named = {name: pair_rows(parts) for name, parts in found["pairs"]["differences"].items()}
        plot_differences(named, PAIR_TITLES, found["baseline"], out / PAIRS_PLOT)
    with replacing(out / "comparison.md") as temporary:
        temporary.write_text(render_comparison(found), encoding="utf-8")
    write_json(out / "comparison.json", found)
    return found


def _names(folders: Sequence[Path]) -> list[str]:
    """Return a name for each run: the shortest ends of the paths that differ, and that no reference is called."""
    parts = [path.resolve().parts for path in folders]
    if len(set(parts)) < len(parts):
        twice = next(path for path in folders if parts.count(path.resolve().parts) > 1)
        raise ValueError(f"{twice} is given twice; give each run once")
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        # A folder may be called "random"; with the one above it the name is nobody else's
        if len(set(names)) == len(names) and not set(names) & set(RESERVED):
            break
    return names


def _results(runs: Mapping[str, StoredRun], comparison: Comparison, draws: int) -> dict[str, Any]:
    names = list(runs)
    return {
        "baseline": names[0],
        "n": len(comparison.rows),
        "n_clusters": len(set(comparison.clusters)),
        "draws": draws,
        "scores": _table(comparison, draws),
        "differences": {name: _difference(comparison, names[0], name, draws) for name in names[1:]},
        "pairs": _pairs(comparison, names, draws),
        "measure": {name: run.results.get("measure") for name, run in runs.items()},
        "settings": {name: dict(run.results["settings"]) for name, run in runs.items()},
        "differing": differing_settings(runs),
    }


def _pairs(comparison: Comparison, names: Sequence[str], draws: int) -> dict[str, Any] | None:
    """Return the pairs of videos that were asked, each kind as whole comparisons are stored; None without twins."""
    parts = comparison.by_pair()
    if not parts:
        return None
    return {
        "n": {kind: len(part.rows) for kind, part in parts.items()},
        "n_clusters": len(set(parts[PAIRS].clusters)),
        "scores": {kind: _table(part, draws) for kind, part in parts.items()},
        "differences": {
            name: {kind: _difference(part, names[0], name, draws) for kind, part in parts.items()} for name in names[1:]
        },
    }


def _table(comparison: Comparison, draws: int) -> dict[str, dict[str, Any]]:
    scores = comparison.table(draws)
    return {name: {key: asdict(entry) for key, entry in found.items()} for name, found in scores.items()}


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


def pair_rows(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's differences of pairs under the keys of PAIR_TITLES: all pairs, each kind, the tasks of all."""
    kinds = {kind: parts[kind]["tasks"][OVERALL] for kind in RELATIONS if kind in parts}
    return {**parts[PAIRS]["tasks"], **kinds}


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
    parts += [_differing(found), *_pair_sections(found)]
    parts.append(picture(PLOT, "Differences to the baseline by task, with 95 % intervals"))
    parts += [_difference_section(name, found) for name in names]
    parts += [f"## Scores\n\n{_scores(found['scores'], TITLES)}", measure_table(found["measure"])]
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
    entry = found["differences"][name]
    text = f"{_difference_table(entry['tasks'], TITLES)}\n\n{_by_scene(entry['scenes'])}"
    return f"## {name} minus {found['baseline']}\n\n{text}"


def _pair_sections(found: Mapping[str, Any]) -> list[str]:
    """Return what is said about pairs of videos, first of all: single questions pay who doesn't look."""
    pairs = found["pairs"]
    if not pairs:
        return []
    counts = ", ".join(f"{pairs['n'][kind]:,} {kind}" for kind in RELATIONS if kind in pairs["n"])
    text = (
        f"{pairs['n'][PAIRS]:,} pairs ({counts}) in {pairs['n_clusters']:,} scenes or clips: a question before and "
        "after an edit of the scene. A pair scores what its worse answer scores; one whose edit keeps the answer "
        "counts only where the edit that changes it was followed too. All is as below, with pairs for questions: "
        "*McNemar* counts pairs with letters that one run alone got right, and *Holm* corrects over the tasks, in each "
        "kind of pair by itself."
    )
    sections = [f"## Pairs of videos\n\n{text}", picture(PAIRS_PLOT, "Differences of pairs, with 95 % intervals")]
    for name, parts in pairs["differences"].items():
        body = f"{_difference_table(pair_rows(parts), PAIR_TITLES)}\n\n{_by_scene(parts[PAIRS]['scenes'])}"
        sections.append(f"### {name} minus {found['baseline']}, pairs\n\n{body}")
        kinds = {kind: parts[kind]["tasks"] for kind in RELATIONS if kind in parts}
        if len(kinds) > 1:
            sections.append(f"By task and kind of pair:\n\n{_kinds_table(kinds)}")
    scores = {name: pair_rows({kind: {"tasks": part[name]} for kind, part in pairs["scores"].items()})
              for name in pairs["scores"][PAIRS]}  # fmt: skip
    return [*sections, f"### Scores of pairs\n\n{_scores(scores, PAIR_TITLES)}"]


def _kinds_table(kinds: Mapping[str, Mapping[str, Any]]) -> str:
    header = ["task"]
    for kind in kinds:
        header += [kind, "95 % interval", "p, Holm", "McNemar", "p, Holm", "n"]
    rows = []
    for key, title in _TASKS.items():
        cells: list[str] = []
        for tasks in kinds.values():
            entry = tasks.get(key)
            if entry is None:
                cells += ["–"] * 6
            else:
                turned, _, corrected = _letters(entry)
                cells += [f"{entry['score']:+.1f}", interval_text(entry["interval"]), _p(entry["corrected"])]
                cells += [turned, corrected, f"{entry['n']:,}"]
        if any(cell != "–" for cell in cells):
            rows.append([title, *cells])
    return table(header, rows)


def _difference_table(tasks: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    rows = []
    for key, title in titles.items():
        if key in tasks:
            entry = tasks[key]
            rows.append(
                [
                    f"**{title}**" if key == OVERALL else title,
                    f"{entry['score']:+.1f}",
                    interval_text(entry["interval"]),
                    _p(entry["p"]),
                    _p(entry["corrected"]),
                ]
                + [*_letters(entry), f"{entry['n']:,}"]
            )
    return table(["task", "difference", "95 % interval", "p", "p, Holm", "McNemar", "p", "p, Holm", "n"], rows)


def _letters(entry: Mapping[str, Any]) -> list[str]:
    """Return what McNemar's test counted, its p and that after Holm."""
    found = entry["letters"]
    return [f"+{found['gained']:,} -{found['lost']:,}", _p(found["p"]), _p(found["corrected"])] if found else ["–"] * 3


def _by_scene(scenes: Mapping[str, Mapping[str, Any]]) -> str:
    better, worse = (sum(sign * entry["difference"] > 0 for entry in scenes.values()) for sign in (1, -1))
    return f"By scene: better in {better:,}, worse in {worse:,}, equal in {len(scenes) - better - worse:,}."


def _scores(scores: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> str:
    rows = []
    for name, entries in scores.items():
        cells = [entries.get(key) for key in titles]
        rows.append([name, *(f"{cell['score']:.1f} {_interval(cell)}".strip() if cell else "–" for cell in cells)])
    return table(["", *(f"**{title}**" if key == OVERALL else title for key, title in titles.items())], rows)


def _interval(entry: Mapping[str, Any]) -> str:
    return interval_text(entry["interval"]) if entry["interval"] else ""


def _p(value: float | None) -> str:
    return "–" if value is None else "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")
