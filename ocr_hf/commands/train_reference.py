"""`ocr-hf train-reference`: the reference checkpoint from nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


def main(
    out: Annotated[Path, typer.Option(help="folder for data, models and logs")] = Path("outputs/reference"),
    stage: Annotated[
        list[str] | None, typer.Option(help="data, sft, grpo or text-only, may be repeated; left out: all")
    ] = None,
    num_proc: Annotated[int, typer.Option(help="processes that build data; the result doesn't depend on it")] = 1,
    threads: Annotated[int, typer.Option(help="threads that train; 0 = as many as there are cores")] = 0,
    sft_steps: Annotated[int | None, typer.Option(help="steps of SFT, for trials")] = None,
    grpo_steps: Annotated[int | None, typer.Option(help="steps of OCR-GRPO, for trials")] = None,
    seed: Annotated[int, typer.Option(help="of weights, order and noise")] = 0,
) -> None:
    """Train ocr-vsi-tiny: build its rooms, SFT, OCR-GRPO (Object-Centric 3D Rollout), and its text-only rival.

    A finished stage is kept; run the command again to go on after an interruption.
    """
    import torch

    from ocr_hf.reference.config import ReferenceConfig
    from ocr_hf.reference.train import STAGES, train_reference

    if threads:
        torch.set_num_threads(threads)
    given = {"sft_steps": sft_steps, "grpo_steps": grpo_steps, "seed": seed}
    config = replace(ReferenceConfig(), **{name: value for name, value in given.items() if value is not None})
    train_reference(config, out, tuple(stage) if stage else STAGES, num_proc, typer.echo)
    typer.echo(f"done: models and logs are in {out}; evaluate with `ocr-hf eval`")
