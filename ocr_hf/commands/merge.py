"""`ocr-hf merge`: one model out of an adapter and its base, or out of what FSDP left in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def main(
    source: Annotated[str, typer.Argument(help="checkpoint-N with weights in parts, or an adapter: folder or Hub id")],
    out: Annotated[Path, typer.Argument(help="new folder")],
    revision: Annotated[str | None, typer.Option(help="branch, tag or commit of an adapter on the Hub")] = None,
    dtype: Annotated[str, typer.Option(help="for adapters: auto, float32, bfloat16 or float16")] = "auto",
    keep_adapter: Annotated[
        bool, typer.Option("--keep-adapter", help="write an adapter that is in parts by itself, without its base")
    ] = False,
) -> None:
    """Make a model that loads by its folder alone (OCR = Object-Centric 3D Rollout).

    Of an adapter: its base with the adapter added. Of a checkpoint that FSDP wrote in parts (SHARDED_STATE_DICT): whole
    weights with configuration and processor; use your own checkpoints only, since their list of parts is a pickle. A
    run that ends does this by itself.
    """
    from rich.console import Console

    from ocr_hf.models.merge import merge

    folder = merge(source, out, revision, dtype, keep_adapter)
    Console().print(f"wrote {'the adapter' if keep_adapter else 'one model'} of {source} to [bold]{folder}[/bold]")
