"""`ocr-hf convert-scan`: write a scan, or a recording in another layout, as the folder of a recorded scene."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_LAYOUT = "nerfstudio, colmap, tum, open3d: "


def main(
    scene: Annotated[Path, typer.Argument(help="the scan's folder, as it was downloaded or recorded")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="the data set: scannet, scannetpp, arkitscenes, or scenezoo for what that reads; or the layout: "
            "nerfstudio, colmap, tum, open3d",
        ),
    ],
    out: Annotated[Path, typer.Option(help="folder in which the scene's is made")] = Path("recordings"),
    every: Annotated[int, typer.Option(help="of how many frames one is taken (data sets)")] = 1,
    labels: Annotated[
        Path | None,
        typer.Option(help="table (JSON, YAML, CSV, TSV) that maps the scan's labels to categories (data sets)"),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(help="scannetpp: iphone or dslr; arkitscenes: lowres_wide, vga_wide or wide; scenezoo: its own"),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="scenezoo: its name of the data set: matterport3d, ...")] = None,
    scan: Annotated[str | None, typer.Option(help="scenezoo: the scan's name in it")] = None,
    metadata: Annotated[
        Path | None, typer.Option(help="arkitscenes: raw/metadata.csv, unless it lies in a folder above")
    ] = None,
    boxes: Annotated[Path | None, typer.Option(help=f"{_LAYOUT}boxes.json, in the world of the poses")] = None,
    up: Annotated[str | None, typer.Option(help=f"{_LAYOUT}axis of the world that points up: +z, -y, ...")] = None,
    units: Annotated[str | None, typer.Option(help=f"{_LAYOUT}m, cm, mm, in or ft; m unless given")] = None,
    fps: Annotated[float | None, typer.Option(help="pictures a second (nerfstudio, colmap, open3d)")] = None,
    intrinsics: Annotated[
        str | None, typer.Option(help="FX,FY,CX,CY in pixels (tum and open3d without camera_intrinsic.json)")
    ] = None,
    depth_unit_m: Annotated[float | None, typer.Option(help=f"{_LAYOUT}metres of one step of the depth maps")] = None,
    licence: Annotated[str | None, typer.Option(help=f"{_LAYOUT}what the card says of it: an SPDX id")] = None,
    attribution: Annotated[list[str] | None, typer.Option(help=f"{_LAYOUT}whom the card names")] = None,
) -> None:
    """Write a scan as a folder for `ocr-hf build --source recorded` (OCR = Object-Centric 3D Rollout).

    Frames are read one at a time. Scans of rooms that VSI-Bench tests on are refused.
    """
    from ocr_hf.data.convert_scan import SOURCES, convert_scan
    from ocr_hf.registry import unknown_choice
    from ocr_hf.scenes.recorded.camera_layouts import LAYOUTS

    of_scans = {
        "labels": labels,
        "camera": camera,
        "metadata": metadata,
        "dataset": dataset,
        "scan": scan,
        "every": every if every != 1 else None,
    }
    of_layouts = {
        "boxes": boxes,
        "up": up,
        "units": units,
        "fps": fps,
        "intrinsics": intrinsics,
        "depth_unit_m": depth_unit_m,
        "licence": licence,
        "attribution": attribution or None,
    }
    if source not in (*SOURCES, *LAYOUTS):
        raise ValueError(unknown_choice("from", source, (*SOURCES, *LAYOUTS)))
    kind, others = ("data sets", of_scans) if source in LAYOUTS else ("other layouts", of_layouts)
    wrong = next((name for name, value in others.items() if value is not None), None)
    if wrong:
        raise ValueError(f"--{wrong.replace('_', '-')} goes with {kind}, not with {source}; leave it out")
    if source in LAYOUTS:
        _convert_layout(source, scene, out, {name: value for name, value in of_layouts.items() if value is not None})
        return
    done = convert_scan(source, scene, out, every, labels, camera, metadata, dataset, scan)
    lost = f", {done.lost} of them without a pose" if done.lost else ""
    typer.echo(f"{done.folder}: {done.objects} objects, {done.frames} frames{lost}")
    for note in done.notes:
        typer.echo(f"note: {note}")


def _convert_layout(layout: str, folder: Path, out: Path, given: dict[str, object]) -> None:
    from ocr_hf.data.record_layout import write_recording

    for name, what in (("boxes", "boxes.json of its objects"), ("up", "the axis that points up, such as +z")):
        if name not in given:
            raise ValueError(f"--from {layout} needs --{name}, {what}; no layout has it (docs/your-own-scans.md)")
    if "intrinsics" in given:
        given["intrinsics"] = _matrix(str(given["intrinsics"]))
    written, left_out = write_recording(folder, layout, given.pop("boxes"), out, **given)
    lost = "".join(f"; left out: {count} {reason}" for reason, count in left_out.items())
    typer.echo(f"{written}{lost}")


def _matrix(text: str) -> list[list[float]]:
    """Return the 3 x 3 matrix of FX,FY,CX,CY."""
    try:
        fx, fy, cx, cy = map(float, text.split(","))
    except ValueError as error:
        raise ValueError(f"intrinsics is '{text}'; give four numbers FX,FY,CX,CY in pixels of the pictures") from error
    return [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]
