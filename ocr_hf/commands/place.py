"""`ocr-hf place`: tell plain `load_dataset` that a folder was copied, moved or edited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def main(folder: Annotated[Path, typer.Argument(help="ocr-vsi folder")]) -> None:
    """Renew the key by which `load_dataset` caches the rows of a folder, after it was copied, moved or edited.

    OCR means Object-Centric 3D Rollout, not text recognition.
    """
    from ocr_hf.data.place import PLACE, record_place
    from ocr_hf.data.schema import read_manifest

    read_manifest(folder)
    new = record_place(folder)
    typer.echo(f"{folder / PLACE}: {'renewed' if new else 'up to date'}; load_dataset gives this folder's rows")
