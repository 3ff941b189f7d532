"""`ocr-hf card`: render a model's card from its measured files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def main(
    path: Annotated[Path, typer.Argument(help="model folder; the card is written into it")],
    repo: Annotated[str, typer.Option(help="repository that the card is for, as ORG/NAME")],
    results: Annotated[
        list[Path] | None, typer.Option(help="folder written by `ocr-hf eval` for this model; may be repeated")
    ] = None,
    training: Annotated[
        list[Path] | None, typer.Option(help="output folder of a training stage, in order; may be repeated")
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="folder of a data set that it was trained on; may be repeated")
    ] = None,
    compare: Annotated[
        list[Path] | None, typer.Option(help="as --results, of another model asked the same; may be repeated")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="of the weights; needed for a base model from the Hub")] = None,
    revision: Annotated[str, typer.Option(help="branch or tag that the card's snippet names")] = "main",
) -> None:
    """Render a model's card from its measured files (OCR = Object-Centric 3D Rollout).

    Every number comes from a results file, a training state or a data set's manifest, which are copied into the folder
    beside the card; sources/card.json lists number by number where it is from. `ocr-hf push` checks it.
    """
    from rich.console import Console

    from ocr_hf.cards.model_card import write_model_card

    card = write_model_card(
        path,
        repo,
        evaluations=results or (),
        training=training or (),
        data=data or (),
        comparisons=compare or (),
        licence=licence,
        revision=revision,
    )
    console = Console(soft_wrap=True, highlight=False)
    files = {entry["file"] for entry in card.printed}
    console.print(f"{path / 'README.md'}: {len(card.printed)} values from {len(files)} files")
    console.print(f"ocr-hf push model {path} --repo {repo}", style="bold", markup=False)
