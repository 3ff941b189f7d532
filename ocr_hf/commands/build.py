"""`ocr-hf build`: make an ocr-vsi folder."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocr_hf.registry import PLUGINS
from ocr_hf.settings.command_options import as_command_line, as_flags, options

if TYPE_CHECKING:
    from ocr_hf.data.build_config import BuildConfig


EXECUTORS = ("local", "ray", "slurm")
"""datatrove's; without one, processes of the command's own."""


def _kinds() -> list[type]:
    from ocr_hf.data.build_config import BuildConfig

    return [BuildConfig]


@options(_kinds, plugins=True, mistakes=(RuntimeError,))
def main(
    config: BuildConfig,
    *,
    out: Annotated[Path, typer.Option(help="folder to write; it must not exist yet")] = Path("ocr-vsi"),
    num_proc: Annotated[int, typer.Option(help="worker processes; the result doesn't depend on it")] = 1,
    executor: Annotated[
        str | None,
        typer.Option(
            help="datatrove's local, ray or slurm: one task a scene, logs in OUT.logs, failed scenes tried again "
            "(ocr-hf[scale])"
        ),
    ] = None,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(help="an option of Slurm's sbatch, KEY=VALUE: partition and time are needed; repeat it"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue an interrupted build")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="throw away an earlier build and start anew")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the statistics as one JSON object")] = False,
) -> None:
    """Make an ocr-vsi folder: videos of 3D scenes, vanilla and with noise on objects, with VSI-Bench questions.

    OCR means Object-Centric 3D Rollout (arXiv 2511.13190), not text recognition.
    """
    from rich.console import Console

    from ocr_hf.data.build_plan import too_many_to_push

    check_executor(executor, sbatch)
    if notice := too_many_to_push(config):
        Console(stderr=as_json).print(notice, style="yellow", highlight=False, soft_wrap=True)
    plugins = [word for module in os.environ.get(PLUGINS, "").split(",") if module for word in ("--plugin", module)]
    again = ["ocr-hf", "build", *plugins, *as_flags(config)]
    ways = {"num_proc": num_proc, "resume": resume, "overwrite": overwrite}
    make_folder(config, out, again, executor=executor, sbatch=sbatch, as_json=as_json, **ways)


def check_executor(executor: str | None, sbatch: list[str] | None) -> None:
    """Raise ValueError for an executor that there isn't, and for options of another."""
    from ocr_hf.registry import unknown_choice

    if executor not in (None, *EXECUTORS):
        raise ValueError(unknown_choice("executor", executor, EXECUTORS))
    if sbatch and executor != "slurm":
        raise ValueError(f"sbatch is {sbatch[0]}, which goes with --executor slurm; leave it out")


def make_folder(
    config: BuildConfig,
    out: Path,
    again: list[object],
    *,
    num_proc: int,
    executor: str | None,
    sbatch: list[str] | None,
    resume: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Build a folder and show what came of it, or how to go on.

    again : words of the command that does the same, without those of this function
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ocr_hf.data.build_folder import build_folder
    from ocr_hf.data.build_lock import final_folder

    console = Console(stderr=as_json)
    columns = (TextColumn("building"), BarColumn(), MofNCompleteColumn(), TextColumn("clips"), TimeRemainingColumn())
    ways = {"num_proc": num_proc, "resume": resume, "overwrite": overwrite}
    again = [*again, "--out", out, "--num-proc", num_proc, "--resume"]
    again += ["--executor", executor] if executor else []
    again += [word for option in sbatch or [] for word in ("--sbatch", option)]
    if executor == "slurm":
        manifest = _on_slurm(console, config, out, sbatch or [], as_command_line(again), as_json, **ways)
        if manifest is None:
            return
    else:
        try:
            if executor is not None:
                manifest = _on_executor(executor, config, out, **ways)
            else:
                with Progress(*columns, console=console) as progress:
                    task = progress.add_task("clips", total=config.num_scenes * config.clips_per_scene)
                    manifest = build_folder(config, out, on_clip=lambda _: progress.advance(task), **ways)
        except (KeyboardInterrupt, OSError, RuntimeError):
            # What failed before the first clip leaves nothing to resume
            place = final_folder(out)
            if place.with_name(place.name + ".incomplete").exists():
                console.print(f"Finished clips are kept. Continue with:\n  {as_command_line(again)}", soft_wrap=True)
            raise
    if as_json:
        typer.echo(json.dumps({"folder": str(out), **manifest["statistics"]}))
    else:
        _report(console, out, manifest)


def _on_executor(
    executor: str, config: BuildConfig, out: Path, num_proc: int, resume: bool, overwrite: bool
) -> dict[str, Any]:
    from ocr_hf.data.scale import build_locally, build_on_ray

    build = {"local": build_locally, "ray": build_on_ray}[executor]
    return build(config, out, workers=num_proc, resume=resume, overwrite=overwrite)


def _on_slurm(
    console: Any,
    config: BuildConfig,
    out: Path,
    sbatch: list[str],
    again: str,
    as_json: bool,
    num_proc: int,
    resume: bool,
    overwrite: bool,
) -> dict[str, Any] | None:
    """Hand in what isn't built yet, and say so; return the manifest of a complete folder instead."""
    from ocr_hf.data.schema import read_manifest
    from ocr_hf.data.slurm_jobs import submit_to_slurm

    wrong = next((option for option in sbatch if "=" not in option), None)
    if wrong:
        raise ValueError(f"sbatch is '{wrong}'; give KEY=VALUE, such as partition=cpu")
    options = dict(option.split("=", 1) for option in sbatch)
    done = submit_to_slurm(config, out, workers=num_proc, resume=resume, overwrite=overwrite, sbatch=options)
    if not done.jobs:
        return read_manifest(out)
    if as_json:
        typer.echo(json.dumps({"folder": str(out), "jobs": dict(done.jobs), "failed": dict(done.failed)}))
    for scene, why in done.failed.items():
        console.print(f"failed: {scene}: {why}", style="yellow", highlight=False, soft_wrap=True)
    for name, job in done.jobs.items():
        console.print(f"job {job}: {name} ({done.scripts[name]})", highlight=False, soft_wrap=True)
    console.print(
        f"{done.scenes} scenes are to be made. When the jobs have ended, see what failed and continue with:\n  {again}",
        soft_wrap=True,
        highlight=False,
    )
    return None


def _words_table(audit: dict[str, Any]) -> Any:
    """Return what words alone score, 0 to 1; the card explains it and has VSI-Bench's figures beside it."""
    from rich.table import Table

    table = Table("question type", "questions", "words alone", "best constant", "chance")
    for kind, figures in audit.items():
        scores = [figures[name] for name in ("text_statistic", "best_constant", "chance")]
        cells = ["-" if score is None else f"{score:.3f}" for score in scores]
        table.add_row(kind, str(figures["questions"]), figures["not_audited"] or cells[0], *cells[1:])
    return table


def _report(console: Any, out: Path, manifest: dict[str, Any]) -> None:
    from rich.table import Table

    from ocr_hf.hub.licences import restriction

    table = Table("split", "scenes", "clips", "questions", "noisy videos", "MB")
    for name, counts in manifest["statistics"]["splits"].items():
        numbers = [counts[key] for key in ("scenes", "clips", "rows", "noisy_videos")]
        table.add_row(name, *map(str, numbers), f"{counts['file_bytes']['pairs'] / 1e6:.1f}")
    console.print(table)
    for reason, count in manifest["statistics"]["skipped_clips"].items():
        console.print(f"left out {count} clips: {reason}")
    recorded = manifest["statistics"].get("recorded", {})
    for source, count in recorded.get("footprints", {}).items():
        console.print(f"footprints of {count} clips: {source}", highlight=False)
    for reason, count in recorded.get("dropped_frames", {}).items():
        console.print(f"frames {reason}, left out: {count}", highlight=False)
    for clip, notes in recorded.get("notes", {}).items():
        for note in notes:
            console.print(f"{clip}: {note}", style="yellow", highlight=False, soft_wrap=True)
    debias = manifest["statistics"].get("debias")
    if debias:
        for kind, count in debias["dropped_questions"].items():
            console.print(f"debiased: dropped {count} of {kind}", highlight=False)
        console.print(f"debiased: {debias['dropped_clips']} clips lost all of their questions", highlight=False)
    console.print(_words_table(manifest["statistics"].get("text_only", {})))
    left_out = manifest["statistics"]["questions_left_out"]
    for reason, count in sorted(left_out.items(), key=lambda item: -item[1]):
        console.print(f"not asked {count:>5} x {reason}", style="dim", highlight=False, soft_wrap=True)
    place = shlex.quote(str(out))
    console.print(
        f"Look at it:   ocr-hf view {place} --out {place}.png\n"
        f'Load it:      from datasets import load_dataset; load_dataset("{out}")',
        soft_wrap=True,
        highlight=False,
    )
    if manifest["config"]["source"] != "scans":  # who joined recipes publishes nothing new
        restricted = any(restriction(source["dataset"]) for source in manifest["statistics"]["sources"])
        only = " --recipes-only" if restricted else ""
        told = f"Publish it:   ocr-hf push dataset {place} --repo ORG/{out.name}{only}"
        console.print(told, soft_wrap=True, highlight=False)
