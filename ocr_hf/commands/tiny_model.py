"""`ocr-hf tiny-model`: build a small video language model offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocr_hf.models.tiny import PRESETS, build_tiny, tiny_families


def main(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
    size: Annotated[str, typer.Option(help=f"Rough number of parameters: {', '.join(PRESETS)}.")] = "1M",
    family: Annotated[str, typer.Option(help=f"Model family: {', '.join(tiny_families())}.")] = "qwen2_5_vl",
    reference: Annotated[
        Path | None, typer.Option(help="Folder with a real Qwen2.5-VL's config and tokenizer, kept but for the widths.")
    ] = None,
    context: Annotated[int, typer.Option(help="Longest sequence, in tokens.")] = 4096,
    seed: Annotated[int, typer.Option(help="Seed of the random weights.")] = 0,
) -> None:
    """Build a small video language model with random weights, its tokenizer and processors, without a network."""
    from rich.console import Console

    folder = build_tiny(out, size, family, reference, context, seed)
    Console().print(f"wrote a {family} of about {size} parameters to [bold]{folder}[/bold]")
