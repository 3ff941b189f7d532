"""`ocr-hf reference-report`: what the reference checkpoint's evaluation says, in one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def main(
    results: Annotated[
        Path, typer.Option(help="folder with MODEL/rooms and MODEL/house, as `ocr-hf eval --out` wrote them")
    ] = Path("results/ocr-vsi-test"),
    data: Annotated[
        Path | None, typer.Option(help="folder of ocr-vsi-test, for example frames; left out: none are drawn")
    ] = None,
    logs: Annotated[
        Path | None, typer.Option(help="folder that train-reference wrote; its logs are copied beside the report")
    ] = None,
) -> None:
    """Write report.md, learning curves and examples of the reference checkpoint (OCR = Object-Centric 3D Rollout).

    Models are the folders ocr-vsi-tiny (after OCR-GRPO), sft, text-only and untrained; only the first must be there.
    """
    from ocr_hf.reference.report import write_report

    path = write_report(results, data, logs)
    text = path.read_text(encoding="utf-8")
    typer.echo(text.partition("## In short\n\n")[2].partition("\n\n##")[0])
    typer.echo(f"Everything is in {path}")
