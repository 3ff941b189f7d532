"""`ocr-hf pull`: fetch one commit of a repository, checked, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def main(
    kind: Annotated[str, typer.Argument(help="dataset, model, metric or space")],
    repo: Annotated[str, typer.Argument(help="repository, as ORG/NAME")],
    out: Annotated[Path | None, typer.Argument(help="new folder; default: the repository's name")] = None,
    revision: Annotated[str, typer.Option(help="branch, tag or commit")] = "main",
    without: Annotated[list[str] | None, typer.Option(help='paths not to fetch, as "*.bin"; may be repeated')] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print what was fetched as one JSON object")] = False,
) -> None:
    """Fetch a data set, model, metric or Space from the Hub (OCR = Object-Centric 3D Rollout).

    The revision is resolved to one commit, every file is checked against that commit's checksums, and the folder
    appears when all of it is there. A pull that broke resumes when run again.
    """
    from huggingface_hub import HfApi
    from rich.console import Console

    from ocr_hf.hub.download import pull
    from ocr_hf.hub.push_plan import KINDS

    if kind not in KINDS:
        raise ValueError(f"'{kind}' can't be pulled; choose one of {', '.join(KINDS)}")
    console = Console(stderr=as_json, soft_wrap=True, highlight=False)
    done = pull(
        kind,
        repo,
        out or Path(repo.rpartition("/")[2]),
        HfApi(),
        revision=revision,
        without=without or (),
        notify=lambda text: console.print(f"[dim]{text}[/dim]"),
    )
    if as_json:
        typer.echo(json.dumps({**asdict(done), "folder": str(done.folder)}))
        return
    if done.left_out:
        console.print(f"Left out: {', '.join(done.left_out[:5])} ({len(done.left_out)} files).")
    console.print(f"{done.folder}: {len(done.files)} files, {done.bytes / 1e6:.1f} MB, all checksums match.")
    console.print(f"commit {done.commit}   (add --revision {done.commit} to get the same again)")
