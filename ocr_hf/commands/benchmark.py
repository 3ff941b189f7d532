"""`ocr-hf benchmark`: build ocr-vsi-test or ocr-vsi-twins, check that it is the frozen one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Name(StrEnum):
    """The benchmarks of our own."""

    TEST = "ocr-vsi-test"
    TWINS = "ocr-vsi-twins"


def main(
    name: Annotated[Name, typer.Option(help="which benchmark")] = Name.TEST,
    out: Annotated[Path | None, typer.Option(help="folder for the parts; left out: outputs/NAME")] = None,
    house: Annotated[
        Path | None,
        typer.Option(help="ocr-vsi-test: folder with house.glb and instances.json; left out: no part house"),
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
    """Build a frozen benchmark of unseen rooms (OCR = Object-Centric 3D Rollout), and check it.

    ocr-vsi-test asks VSI-Bench's questions; ocr-vsi-twins asks each before and after an edit of the scene. A killed
    build is continued by the same command; a finished one is only checked.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ocr_hf.vsi_bench import ocr_vsi_test, ocr_vsi_twins

    console = Console(soft_wrap=True, highlight=False)
    if name is Name.TEST:
        benchmark, configs = ocr_vsi_test.OCR_VSI_TEST, ocr_vsi_test.parts(house, models)
    elif house is not None:
        raise ValueError(f"--house {house} goes with --name ocr-vsi-test; leave it out")
    else:
        benchmark, configs = ocr_vsi_twins.OCR_VSI_TWINS, ocr_vsi_twins.parts(models)
    if "furnished" not in configs:
        console.print(
            "Part furnished is left out: install the Debian package sweethome3d-furniture, or give --models FOLDER."
        )
    if house is None and name is Name.TEST:
        console.print("Part house is left out: give --house FOLDER with house.glb and instances.json.")
    record = None if freeze else benchmark.read_record()
    columns = (TextColumn("building"), BarColumn(), MofNCompleteColumn(), TextColumn("clips"), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("clips", total=sum(one.num_scenes * one.clips_per_scene for one in configs.values()))
        folders = benchmark.build(
            out or Path("outputs") / name.value,
            configs,
            record,
            training=training or (),
            num_proc=num_proc,
            on_clip=lambda _: progress.advance(task),
        )
    if freeze:
        record = benchmark.freeze(folders, freeze)
        for part, folder in folders.items():
            benchmark.mark_pruned(folder, record[part])
    for part, folder in folders.items():
        entry = record[part]
        count = entry[benchmark.rows]
        debiased = f", {count - len(entry['pruned']):,} debiased" if entry.get("pruned") else ""
        console.print(
            f"{folder}: {count:,} {benchmark.rows}{debiased}, {entry['scenes']} scenes, {entry['clips']} clips"
            f"{'' if freeze else '; as frozen'} (SHA-256 {entry['sha256'][:16]})"
        )
