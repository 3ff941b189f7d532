"""`ocr-hf view`: draw a contact sheet of an ocr-vsi folder."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from ocr_hf.settings.extras import need


def main(
    folder: Annotated[str, typer.Argument(help="ocr-vsi folder, or ORG/NAME on the Hub")],
    out: Annotated[Path, typer.Option(help="picture to write")] = Path("sheet.png"),
    clips: Annotated[int, typer.Option(help="how many clips to draw")] = 2,
    columns: Annotated[int, typer.Option(help="frames of each clip")] = 5,
    split: Annotated[str | None, typer.Option(help="only this split")] = None,
    rerun: Annotated[Path | None, typer.Option(help="also write a rerun recording (.rrd); needs ocr-hf[view]")] = None,
) -> None:
    """Draw clips of a data set: vanilla frames with boxes, noisy frames with the regions outlined, and a map.

    OCR means Object-Centric 3D Rollout, not text recognition.
    """
    from ocr_hf.data.load import clips as clips_of
    from ocr_hf.data.load import load
    from ocr_hf.data.sheet import write_sheet

    if rerun is not None:
        need("view", "a rerun recording")  # before the picture is drawn
    if clips < 1 or columns < 1:
        raise ValueError(f"--clips is {clips} and --columns {columns}; give at least 1")
    typer.echo(f"picture: {write_sheet(folder, out, split=split, num_clips=clips, columns=columns)}")
    if rerun is not None:
        from ocr_hf.data.rerun_view import write_recording

        loaded = load(folder, "pairs", streaming=True)
        write_recording(islice(clips_of(loaded[split or next(iter(loaded))]), clips), rerun)
        typer.echo(f"recording: {rerun}   (open it with: rerun {rerun})")
