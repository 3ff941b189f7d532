"""Report on the released checkpoint: what it scores, against what, in which tasks the video helps and in which not.

    python -m recipes.ocr_vsi_tiny.report --data outputs/ocr-vsi-test --logs outputs/ocr-vsi-tiny

RESULTS/MODEL/rooms, RESULTS/MODEL/house   folders of `ocr-hf eval`; models as in MODELS
RESULTS/logs/STAGE.jsonl                   copied from the training's folder, so that the report can be made anew
RESULTS/report.md, learning_curves.png, examples.png
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ocr_hf.data.atomic import replacing
from ocr_hf.vsi_bench.bootstrap import DRAWS
from ocr_hf.vsi_bench.compare import Comparison, compare_runs
from ocr_hf.vsi_bench.ocr_vsi_test import OCR_VSI_TEST
from ocr_hf.vsi_bench.stored_runs import StoredRun, check_same_questions, read_run
from recipes.ocr_vsi_tiny.examples import pick_examples, plot_examples
from recipes.ocr_vsi_tiny.learning_curves import plot_curves, read_logs
from recipes.ocr_vsi_tiny.report_text import render

MODELS = {"grpo": "ocr-vsi-tiny", "sft": "sft", "text-only": "text-only", "untrained": "untrained"}
"""System in the tables -> its folder under RESULTS. Only the first must be there."""
STAGES = ("sft", "grpo")
VERSION_FILE = "benchmark.json"


def write_report(results: Path, data: Path | None = None, logs: Path | None = None, draws: int = DRAWS) -> Path:
    """Write report.md and its pictures into `results`; return report.md. Equal input gives equal files.

    data : the benchmark's folder with `rooms`, from which example frames are drawn; None leaves them out
    logs : the training's folder, whose STAGE/log.jsonl are copied; None takes the copies of an earlier call
    Raises FileNotFoundError where the checkpoint wasn't evaluated, ValueError where models answered other questions.
    """
    rooms, house = (_runs(results, part) for part in ("rooms", "house"))
    if "grpo" not in rooms:
        folder = results / MODELS["grpo"] / "rooms"
        raise FileNotFoundError(f"{folder} holds no results.json; evaluate the checkpoint with `ocr-hf eval` first")
    parts = {"full": _compare(rooms)}
    if all(row["pruned"] is not None for row in rooms["grpo"].rows):
        parts["debiased"] = _compare(rooms, pruned=False)
    if "grpo" in house:
        parts["house"] = _compare(house)
    if logs is not None:
        _keep_logs(logs, results)
    figures = _pictures(results, rooms["grpo"], data)
    path = results / "report.md"
    with replacing(path) as temporary:
        temporary.write_text(render(parts, rooms, figures, draws, _version(results)), encoding="utf-8")
    return path


def _version(results: Path) -> int:
    """Return the version of the benchmark that was asked: results of an older one say so in VERSION_FILE."""
    path = results / VERSION_FILE
    return json.loads(path.read_text(encoding="utf-8"))["version"] if path.is_file() else OCR_VSI_TEST.version


def _runs(results: Path, part: str) -> dict[str, StoredRun]:
    """Return the runs there are of a part, all of the same questions."""
    folders = {system: results / name / part for system, name in MODELS.items()}
    runs = {system: read_run(folder) for system, folder in folders.items() if (folder / "results.json").is_file()}
    if runs:
        check_same_questions(list(runs.values()))
    return runs


def _compare(runs: Mapping[str, StoredRun], pruned: bool | None = None) -> Comparison:
    """Compare a part: the text-only model without video, the checkpoint also on black frames."""
    systems = dict(runs)
    if "black" in runs["grpo"].answers:
        systems["black"] = runs["grpo"]
    return compare_runs(systems, {"text-only": "text_only", "black": "black"}, pruned)


def _keep_logs(logs: Path, results: Path) -> None:
    for stage in STAGES:
        source = logs / stage / "log.jsonl"
        if not source.is_file():
            raise FileNotFoundError(f"{source}: no such file; --logs takes the folder that training wrote")
        (results / "logs").mkdir(parents=True, exist_ok=True)
        with replacing(results / "logs" / f"{stage}.jsonl") as temporary:
            shutil.copyfile(source, temporary)


def _pictures(results: Path, run: StoredRun, data: Path | None) -> Mapping[str, str]:
    """Make the pictures there are data for; return picture -> file name, or why it is left out."""
    pictures = {"curves": "no training logs were given (--logs)", "examples": "no benchmark folder was given (--data)"}
    stages = read_logs(results / "logs", STAGES)
    if stages:
        plot_curves(stages, results / "learning_curves.png")
        pictures["curves"] = "learning_curves.png"
    if data is not None:
        examples = pick_examples(run, data / "rooms")
        pictures["examples"] = "the checkpoint was not evaluated with --audit queried_noised"
        if examples:
            plot_examples(examples, results / "examples.png")
            pictures["examples"] = "examples.png"
    return pictures


def main(
    results: Annotated[
        Path, typer.Option(help="folder with MODEL/rooms and MODEL/house, as `ocr-hf eval --out` wrote them")
    ] = Path("results/ocr-vsi-test"),
    data: Annotated[
        Path | None, typer.Option(help="folder of ocr-vsi-test, for example frames; left out: none are drawn")
    ] = None,
    logs: Annotated[
        Path | None, typer.Option(help="folder that training wrote; its logs are copied beside the report")
    ] = None,
) -> None:
    """Write report.md, learning curves and examples of ocr-vsi-tiny (OCR = Object-Centric 3D Rollout).

    Models are the folders ocr-vsi-tiny (after OCR-GRPO), sft, text-only and untrained; only the first must be there.
    """
    try:
        path = write_report(results, data, logs)
    except (ValueError, OSError) as error:
        raise SystemExit(f"report: {error}") from error
    text = path.read_text(encoding="utf-8")
    typer.echo(text.partition("## In short\n\n")[2].partition("\n\n##")[0])
    typer.echo(f"Everything is in {path}")


if __name__ == "__main__":
    typer.run(main)
