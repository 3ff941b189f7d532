"""From answers to the files of a finished run: predictions.parquet, plots, report.md, results.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.vsi_bench.audits import VANILLA, Arm
from ocr_hf.vsi_bench.benchmark import Benchmark, Row
from ocr_hf.vsi_bench.benchmark_files import file_sha256
from ocr_hf.vsi_bench.compare import paired_difference
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.measure import measure
from ocr_hf.vsi_bench.plots import plot_results
from ocr_hf.vsi_bench.predictions import Run
from ocr_hf.vsi_bench.prompts import build_prompt
from ocr_hf.vsi_bench.query_lock import query_lock
from ocr_hf.vsi_bench.references import published_rows, reference_rows
from ocr_hf.vsi_bench.report import render_report
from ocr_hf.vsi_bench.rule_table import check_rule_fits, rule_rows
from ocr_hf.vsi_bench.scoring import Scored, as_text, score_answers
from ocr_hf.vsi_bench.summary import summarize
from ocr_hf.vsi_bench.tasks import TASKS, Task
from ocr_hf.vsi_bench.twin_scores import blind_tables, twin_table

FORMAT_VERSION = 1
PREDICTIONS = "predictions.parquet"
VSI_BENCH_SIZE = 5130
Answers = Mapping[tuple[str, Any], Mapping[str, Any]]

SCHEMA = pa.schema(
    [
        ("audit", pa.string()),
        ("id", pa.int64()),
        ("dataset", pa.string()),
        ("scene_name", pa.string()),
        ("question_type", pa.string()),
        ("question", pa.string()),
        ("options", pa.list_(pa.string())),
        ("ground_truth", pa.string()),
        ("pruned", pa.bool_()),
        ("prompt", pa.string()),
        ("prediction", pa.string()),
        ("answer", pa.string()),
        ("score", pa.float64()),
        ("num_frames", pa.int32()),
        ("sampled_fps", pa.float64()),
        ("grid_thw", pa.list_(pa.int32())),
        ("changed_px", pa.int64()),
        ("asked_px", pa.int64()),
        ("error", pa.string()),
    ]
)
"""Columns of predictions.parquet; `audit` is "vanilla" for the plain run, `answer` what the extraction read."""


def write_results(
    out: Path,
    rows: Sequence[Row],
    batches: Sequence[tuple[str, Sequence[Row]]],
    answers: Answers,
    config: EvalConfig,
    settings: Mapping[str, Any],
    benchmark: Benchmark | None = None,
) -> dict:
    """Score all answers, write the three files (results.json last) and return the results.

    benchmark : whose tasks and prompts these are; None for VSI-Bench's
    """
    tasks, prompt = (TASKS, build_prompt) if benchmark is None else (benchmark.tasks, benchmark.prompt)
    asked: dict[str, set] = {}
    for audit, batch in batches:
        asked.setdefault(audit, set()).update(row["id"] for row in batch)
    tables: list[dict] = []
    scored: dict[str, tuple[list[Row], Scored]] = {}
    for audit, ids in asked.items():
        part = [row for row in rows if row["id"] in ids]
        given = [answers[audit, row["id"]] for row in part]
        scored[audit] = part, _score(part, given, config)
        tables += _prediction_rows(audit, part, given, scored[audit][1], config, prompt)
    results = {
        "format_version": FORMAT_VERSION,
        **_summary(*scored[VANILLA], config, tasks),
        **({"task_titles": {task.name: task.title for task in tasks}} if tasks != TASKS else {}),
        "frames_given": sorted({answers[VANILLA, row["id"]].get("num_frames", 0) for row in rows}),
        "n_errors": sum("error" in answers[VANILLA, row["id"]] for row in rows),
        "references": reference_rows(rows, tasks),
        "published": published_rows() if _is_full_vsi_bench(rows) else [],
        "audits": {
            audit: _audit(audit, scored, config, tasks) for audit in asked if audit != VANILLA and not Arm.of(audit)
        },
        "measure": measure(scored, answers, config),
        "query_lock": _query_lock(scored, answers, config),
        **_twins(scored, config),
        **_rules(scored[VANILLA], tasks, [answers[VANILLA, row["id"]]["prediction"] for row in rows], config),
        "settings": dict(settings),
    }
    _write_predictions(out, tables)
    results["predictions_sha256"] = file_sha256(out / PREDICTIONS)
    _write_report(out, results)
    return results


def score_predictions(
    run: Run, config: EvalConfig, out: Path, settings: Mapping[str, Any], questions: Sequence[Row] = ()
) -> dict:
    """Score predictions that another harness made; write results.json and report.md and return the results.

    questions : the benchmark's, from which the reference rows are computed, and which go into predictions.parquet; none
        where they aren't known

    Raises ValueError, before anything is written, where the extraction reads none of the answers and another would.
    """
    columns = run.predictions, run.references, run.question_types
    if not config.rules:
        check_rule_fits(*columns, str(config.extraction))
    answered = {str(item) for item in run.ids or ()}
    rows = [row for row in questions if str(row["id"]) in answered]
    scored = score_answers(*columns, str(config.extraction), run.ids)
    summary = summarize(scored, run.pruned, run.scenes, config.average, config.draws, seed=config.seed)
    del summary["scores"]
    results = {
        "format_version": FORMAT_VERSION,
        **summary,
        "n_unanswered": len(run.unanswered),
        "unanswered": config.missing,
        "n_elsewhere": run.elsewhere,
        "references": reference_rows(rows) if rows else {},
        "published": published_rows() if _is_full_vsi_bench(rows) else [],
        "audits": {},
        "measure": measure({VANILLA: _in_order(rows, run, scored)}, {}, config),
        "query_lock": None,
        **_twins({VANILLA: _in_order(rows, run, scored)}, config),
        **({"rules": rule_rows(*columns, config.rules, run.recorded)} if config.rules else {}),
        "settings": dict(settings),
    }
    out.mkdir(parents=True, exist_ok=True)
    if rows:
        # So that answers from elsewhere can be compared as those of a run can
        asked, part = _in_order(rows, run, scored)
        texts = dict(zip(map(str, run.ids or ()), run.predictions, strict=True))
        given = [{"prediction": as_text(texts[str(row["id"])])} for row in asked]
        _write_predictions(out, _prediction_rows(VANILLA, asked, given, part, config, build_prompt))
    _write_report(out, results)
    return results


def _rules(
    run: tuple[list[Row], Scored], tasks: Sequence[Task], predictions: Sequence[object], config: EvalConfig
) -> dict[str, Any]:
    """Return the plain run under the other rules that were asked for."""
    if not config.rules:
        return {}
    if tasks != TASKS:
        raise ValueError("the rules of other harnesses are known for VSI-Bench's questions only; leave out --rules")
    rows = run[0]
    truths, types = ([row[name] for row in rows] for name in ("ground_truth", "question_type"))
    return {"rules": rule_rows(predictions, truths, types, config.rules)}


def _twins(scored: Mapping[str, tuple[list[Row], Scored]], config: EvalConfig) -> dict[str, Any]:
    """Return the scores of twins, plain, under audits and without looking; nothing where none were asked."""
    rows, plain = scored[VANILLA]
    if not rows or "video" not in rows[0]:
        return {}
    audited = {
        audit: twin_table(part, found.scores, config.draws, config.seed)
        for audit, (part, found) in scored.items()
        if audit != VANILLA and not Arm.of(audit)
    }
    table = twin_table(rows, plain.scores, config.draws, config.seed)
    return {"twins": table and {**table, "audits": audited, "blind": blind_tables(rows)}}


def _in_order(rows: Sequence[Row], run: Run, scored: Scored) -> tuple[list[Row], Scored]:
    """Return rows in the order in which a run answers them, and their scores."""
    by_id = {str(row["id"]): row for row in rows}
    places = [place for place, name in enumerate(run.ids or ()) if str(name) in by_id]
    return [by_id[str(run.ids[place])] for place in places], scored.take(places)


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return predictions as a table; ids that aren't all integers are stored as text."""
    schema, place = SCHEMA, SCHEMA.get_field_index("id")
    if not all(isinstance(row["id"], int) for row in rows):
        schema = SCHEMA.set(place, pa.field("id", pa.string()))
        rows = [{**row, "id": str(row["id"])} for row in rows]
    return pa.Table.from_pylist(list(rows), schema)


def _write_predictions(out: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with replacing(out / PREDICTIONS) as temporary:
        pq.write_table(_table(rows), temporary, compression="zstd")


def _write_report(out: Path, results: dict) -> None:
    plots = plot_results(results, out)
    # The report first: results.json says that the run is finished
    with replacing(out / "report.md") as temporary:
        temporary.write_text(render_report(results, plots), encoding="utf-8")
    write_json(out / "results.json", results)


def _score(rows: Sequence[Row], answers: Sequence[Mapping[str, Any]], config: EvalConfig) -> Scored:
    return score_answers(
        [answer["prediction"] for answer in answers],
        [row["ground_truth"] for row in rows],
        [row["question_type"] for row in rows],
        str(config.extraction),
        [row["id"] for row in rows],
    )


def _scenes(rows: Sequence[Row]) -> list[str]:
    return [f"{row['dataset']}/{row['scene_name']}" for row in rows]


def _summary(rows: Sequence[Row], scored: Scored, config: EvalConfig, tasks: Sequence[Task]) -> dict:
    pruned = [row.get("pruned") for row in rows]
    # Half a column would give a debiased score of an unknown part of the benchmark
    known = None if any(flag is None for flag in pruned) else [bool(flag) for flag in pruned]
    summary = summarize(scored, known, _scenes(rows), config.average, config.draws, seed=config.seed, tasks=tasks)
    del summary["scores"]  # they are in predictions.parquet
    return summary


def _audit(
    audit: str, scored: Mapping[str, tuple[list[Row], Scored]], config: EvalConfig, tasks: Sequence[Task]
) -> dict:
    """Return an audit's table and its paired difference to the plain run on the same questions."""
    rows, changed = scored[audit]
    plain = _subset(scored[VANILLA], {row["id"] for row in rows})
    summary = _summary(rows, changed, config, tasks)
    # Paired on the same questions: an audit may not apply to all, so the whole run's average is no comparison
    difference = paired_difference(plain, changed, _scenes(rows), config.draws, seed=config.seed, tasks=tasks)
    return {
        **{name: summary[name] for name in ("macro", "micro", "interval", "n", "n_unparsed", "tasks", "missing")},
        "n_not_asked": len(scored[VANILLA][0]) - len(rows),
        "vanilla_macro": difference["first"],
        "difference": difference["difference"],
        "difference_interval": difference["interval"],
    }


def _subset(run: tuple[list[Row], Scored], ids: set) -> Scored:
    rows, scored = run
    return scored.take([number for number, row in enumerate(rows) if row["id"] in ids])


def _query_lock(scored: Mapping[str, tuple[list[Row], Scored]], answers: Answers, config: EvalConfig) -> dict | None:
    if "queried_noised" not in scored or "context_noised" not in scored:
        return None
    rows, context = scored["context_noised"]
    given = [answers["context_noised", row["id"]] for row in rows]
    # A question whose video failed has no count of noised pixels
    usable = [number for number, answer in enumerate(given) if "error" not in answer]
    parts = (_subset(scored[VANILLA], {row["id"] for row in rows}), scored["queried_noised"][1], context)
    return query_lock(
        [rows[number]["question_type"] for number in usable],
        [_scenes(rows)[number] for number in usable],
        *([part.answers[number] for number in usable] for part in parts),
        [given[number]["changed_px"] / given[number]["asked_px"] for number in usable],
        config.draws,
        seed=config.seed,
    )


def _prediction_rows(
    audit: str,
    rows: Sequence[Row],
    answers: Sequence[Mapping[str, Any]],
    scored: Scored,
    config: EvalConfig,
    prompt: Callable[[Row, str], str],
) -> list[dict]:
    return [
        {
            **{name: row.get(name) for name in SCHEMA.names if name in row},
            **{name: value for name, value in answer.items() if name in SCHEMA.names},
            "audit": audit,
            "prompt": prompt(row, config.prompt),
            "answer": text,
            "score": float(score),
        }
        for row, answer, text, score in zip(rows, answers, scored.answers, scored.scores, strict=True)
    ]


def _is_full_vsi_bench(rows: Sequence[Row]) -> bool:
    return len(rows) == VSI_BENCH_SIZE and {row["dataset"] for row in rows} == {"arkitscenes", "scannet", "scannetpp"}
