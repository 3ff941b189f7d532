"""`ocr-hf eval`: run a model on VSI-Bench or ocr-vsi, or score predictions made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocr_hf.settings.command_options import options

if TYPE_CHECKING:
    from ocr_hf.vsi_bench.eval_config import EvalConfig


def _kinds() -> list[type]:
    from ocr_hf.vsi_bench.eval_config import EvalConfig

    return [EvalConfig]


@options(_kinds, plugins=True, mistakes=(RuntimeError,))
def main(
    config: EvalConfig,
    *,
    out: Annotated[Path, typer.Option(help="folder for answers, results and report; an earlier run is continued")] = (
        Path("eval")
    ),
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="score this file instead of asking a model: lmms-eval's, VLMEvalKit's, EASI's or your own (.jsonl, "
            ".json, .csv, .tsv, .parquet, .xlsx, .gz)"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print what results.json holds, and nothing else")] = False,
) -> None:
    """Ask a video language model the questions of VSI-Bench, or score its predictions.

    Scores are VSI-Bench's official ones. OCR means Object-Centric 3D Rollout, not text recognition.
    """
    from rich.console import Console

    from ocr_hf.vsi_bench.measure_text import measure_lines

    results = _score(predictions, config, out) if predictions else _run(config, out)
    if results is None:
        return
    if as_json:
        typer.echo((out / "results.json").read_text(encoding="utf-8"))
        return
    console = Console()
    console.print(_table(results))
    missing = results.get("n_unanswered")
    if missing:
        done = "they score 0" if results["unanswered"] == "zero" else "they are left out (missing leave-out)"
        console.print(f"{missing:,} questions have no answer; {done}", highlight=False)
    if results.get("rules"):
        console.print(_rule_table(results))
    for name, audit in results["audits"].items():
        console.print(f"audit {name}: {audit['macro']:.1f}, {audit['difference']:+.1f} to vanilla (n = {audit['n']:,})")
    if results.get("twins"):
        pairs = results["twins"]["pairs"]
        console.print(f"pairs, right before and after an edit: {pairs['macro']:.1f} (n = {pairs['n']:,})")
    for line in measure_lines(results["measure"]):
        console.print(line, highlight=False, soft_wrap=True)
    lock = results["query_lock"]
    if lock and lock["index"] is not None:
        console.print(
            f"former query-lock index {lock['index']:+.1f} (n = {lock['n']:,}); it can't tell a locked model from one "
            "that must see the named objects, the measure (docs/measure.md) can",
            soft_wrap=True,
        )
    console.print(f"Everything is in {out}: report.md, results.json", soft_wrap=True, highlight=False)


def _table(results: dict) -> Any:
    """Return a table of the tasks, with chance beside them where it is known."""
    from rich.table import Table

    from ocr_hf.vsi_bench.report import task_titles

    average = results["average"]
    chance = results["references"].get("random")
    name = results["settings"]["data"] if results.get("task_titles") else "VSI-Bench"
    title = f"{name}, {results['extraction']} extraction, {average} average"
    table = Table("", "score", "95 % interval", "chance", "n", "unread", title=title)
    entries = [("overall", {**results, "score": results["overall"]}, chance and chance[average])]
    if results["interval"]:
        entries[0][1]["interval"] = results["interval"][average]
    for task, heading in task_titles(results).items():
        if task in results["tasks"]:
            entries.append((heading, results["tasks"][task], chance and chance["tasks"][task]))
    for name, entry, guess in entries:
        interval = entry["interval"]
        table.add_row(
            name,
            f"{entry['score']:.1f}",
            f"{interval[0]:.1f} – {interval[1]:.1f}" if interval else "–",
            f"{guess:.1f}" if guess is not None else "–",
            f"{entry['n']:,}",
            f"{entry['n_unparsed']:,}",
            end_section=name == "overall",
        )
    return table


def _rule_table(results: dict) -> Any:
    """Return a table of the run's averages under each rule; a star marks the average that the harness publishes."""
    from rich.table import Table

    is_recorded = any(row["reproduces"] for row in results["rules"])
    table = Table(title="Your number under each rule (* is what its harness publishes)")
    for name in ("rule", "macro", "micro", "unread", *(["reproduces"] if is_recorded else [])):
        table.add_column(name, no_wrap=True)
    table.add_column("published tables by it")
    for row in results["rules"]:
        made = row["reproduces"]
        table.add_row(
            row["rule"],
            *(f"{row[name]:.1f}{'*' if name == row['average'] else ''}" for name in ("macro", "micro")),
            f"{row['n_unparsed']:,}",
            *([f"{made['n']:,} of {made['of']:,}" if made else "–"] if is_recorded else []),
            "\n".join(row["published"]) or "–",
        )
    return table


def _run(config: EvalConfig, out: Path) -> dict | None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ocr_hf.vsi_bench.processes import current_processes
    from ocr_hf.vsi_bench.runner import run_evaluation

    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TextColumn("batches"), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), disable=current_processes().rank > 0)
    task = progress.add_task("batches", total=None)

    def show(done: int, total: int) -> None:
        progress.start()  # not before the first batch: a mistake in the settings should stand alone
        progress.update(task, completed=done, total=total)

    try:
        return run_evaluation(config, out, show, lambda cost: progress.console.print(f"{cost}", highlight=False))
    finally:
        if progress.live.is_started:
            progress.stop()


def _score(path: Path, config: EvalConfig, out: Path) -> dict:
    from ocr_hf.data.atomic import write_json
    from ocr_hf.vsi_bench.benchmark_files import file_sha256
    from ocr_hf.vsi_bench.open_benchmark import open_benchmark
    from ocr_hf.vsi_bench.prediction_files import read_rows
    from ocr_hf.vsi_bench.predictions import pair, without_pruned
    from ocr_hf.vsi_bench.provenance import library_versions
    from ocr_hf.vsi_bench.results import score_predictions
    from ocr_hf.vsi_bench.runner import RUN, check_no_run

    settings: dict[str, Any] = {"predictions": str(path), "extraction": config.extraction, "seed": config.seed}
    if config.data is None:
        # What isn't asked can't be missing: the file alone tells the questions
        run, questions = pair(read_rows(path)), []
        if config.split == "debiased":
            run = without_pruned(run)
        elif config.split != "full":
            raise ValueError(f"split is '{config.split}', which predictions alone don't tell; add --data")
        if config.split != "full":
            settings["split"] = config.split
    else:
        benchmark = open_benchmark(config.data, config.data_revision, config.split)
        questions = benchmark.take(config.split, config.limit)
        run = pair(read_rows(path), questions, config.missing, benchmark.rows)
        settings |= {"data": config.data, "data_revision": benchmark.revision, "split": config.split}
        settings |= {"limit": config.limit, "missing": config.missing}
    settings |= {"read_as": run.looks_like, "average": config.average, "rules": list(config.rules)}
    settings |= {"predictions_sha256": file_sha256(path), "libraries": library_versions()}
    check_no_run(out)
    results = score_predictions(run, config, out, settings, questions)
    write_json(out / RUN, settings)
    return results
