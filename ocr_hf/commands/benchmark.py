"""`ocr-hf benchmark`: build ocr-vsi-test, check that it is the frozen one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def main(
    out: Annotated[Path, typer.Option(help="folder for the parts")] = Path("outputs/ocr-vsi-test"),
    house: Annotated[
        Path | None, typer.Option(help="folder with house.glb and instances.json; left out: no part house")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="folder of furniture models; left out: the installed ones, or no part furnished")
    ] = None,
    training: Annotated[
        list[Path] | None, typer.Option(help="training data that must share no scene with it; may be repeated")
    ] = None,
    num_proc: Annotated[int, typer.Option(help="worker processes; the result doesn't depend on it")] = 1,
    freeze: Annotated[
        Path | None, typer.Option(help="write what is built to this record instead of checking it (for a new version)")
    ] = None,
) -> None:
    """Build ocr-vsi-test, frozen questions about unseen rooms (OCR = Object-Centric 3D Rollout), and check it.

    A killed build is continued by the same command; a finished one is only checked.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ocr_hf.vsi_bench.ocr_vsi_test import build_benchmark, mark_pruned, parts, read_record
    from ocr_hf.vsi_bench.ocr_vsi_test import freeze as write_record

    console = Console(soft_wrap=True, highlight=False)
    configs = parts(house, models)
    if "furnished" not in configs:
        console.print(
            "Part furnished is left out: install the Debian package sweethome3d-furniture, or give --models FOLDER."
        )
    if house is None:
        console.print("Part house is left out: give --house FOLDER with house.glb and instances.json.")
    record = None if freeze else read_record()
    columns = (TextColumn("building"), BarColumn(), MofNCompleteColumn(), TextColumn("clips"), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("clips", total=sum(one.num_scenes * one.clips_per_scene for one in configs.values()))
        folders = build_benchmark(
            out,
            configs,
            record,
            training=training or (),
            num_proc=num_proc,
            on_clip=lambda _: progress.advance(task),
        )
    if freeze:
        record = write_record(folders, freeze)
        for name, folder in folders.items():
            mark_pruned(folder, record[name]["pruned"])
    for name, folder in folders.items():
        entry = record[name]
        debiased = f", {entry['questions'] - len(entry['pruned']):,} debiased" if entry["pruned"] else ""
        console.print(
            f"{folder}: {entry['questions']:,} questions{debiased}, {entry['scenes']} scenes, {entry['clips']} clips"
            f"{'' if freeze else '; as frozen'} (SHA-256 {entry['sha256'][:16]})"
        )
