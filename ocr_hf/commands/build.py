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


def _kinds() -> list[type]:
    from ocr_hf.data.build_config import BuildConfig

    return [BuildConfig]


@options(_kinds, plugins=True, mistakes=(RuntimeError,))
def main(
    config: BuildConfig,
    *,
    out: Annotated[Path, typer.Option(help="folder to write; it must not exist yet")] = Path("ocr-vsi"),
    num_proc: Annotated[int, typer.Option(help="worker processes; the result doesn't depend on it")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="continue an interrupted build")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="throw away an earlier build and start anew")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the statistics as one JSON object")] = False,
) -> None:
    """Make an ocr-vsi folder: videos of 3D scenes, vanilla and with noise on objects, with VSI-Bench questions.

    OCR means Object-Centric 3D Rollout (arXiv 2511.13190), not text recognition.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ocr_hf.data.build_folder import build_folder

    console = Console(stderr=as_json)
    columns = (TextColumn("building"), BarColumn(), MofNCompleteColumn(), TextColumn("clips"), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("clips", total=config.num_scenes * config.clips_per_scene)
            manifest = build_folder(
                config,
                out,
                num_proc=num_proc,
                resume=resume,
                overwrite=overwrite,
                on_clip=lambda _: progress.advance(task),
            )
    except (KeyboardInterrupt, OSError, RuntimeError):
        # What failed before the first clip leaves nothing to resume
        if not out.with_name(out.name + ".incomplete").exists():
            raise
        plugins = [word for module in os.environ.get(PLUGINS, "").split(",") if module for word in ("--plugin", module)]
        again = ["ocr-hf", "build", *plugins, *as_flags(config), "--out", out, "--num-proc", num_proc, "--resume"]
        console.print(f"Finished clips are kept. Continue with:\n  {as_command_line(again)}", soft_wrap=True)
        raise
    if as_json:
        typer.echo(json.dumps({"folder": str(out), **manifest["statistics"]}))
    else:
        _report(console, out, manifest)


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

    table = Table("split", "scenes", "clips", "questions", "noisy videos", "MB")
    for name, counts in manifest["statistics"]["splits"].items():
        numbers = [counts[key] for key in ("scenes", "clips", "rows", "noisy_videos")]
        table.add_row(name, *map(str, numbers), f"{counts['file_bytes']['pairs'] / 1e6:.1f}")
    console.print(table)
    for reason, count in manifest["statistics"]["skipped_clips"].items():
        console.print(f"left out {count} clips: {reason}")
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
        f'Load it:      from datasets import load_dataset; load_dataset("{out}")\n'
        f"Publish it:   ocr-hf push dataset {place} --repo ORG/{out.name}",
        soft_wrap=True,
        highlight=False,
    )
