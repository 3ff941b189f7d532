"""`ocr-hf push`: check a folder, show what would be sent, send it as one commit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ocr_hf.hub.push_plan import PushPlan

_SHOWN = 12


def main(
    kind: Annotated[str, typer.Argument(help="dataset, model, metric or space")],
    path: Annotated[Path, typer.Argument(help="folder to push")],
    repo: Annotated[str, typer.Option(help="repository, as ORG/NAME; made if it isn't there")],
    private: Annotated[bool, typer.Option("--private", help="make a new repository private")] = False,
    revision: Annotated[str, typer.Option(help="branch to commit to; made from main if it isn't there")] = "main",
    tag: Annotated[str | None, typer.Option(help="name for the new commit, as v1")] = None,
    message: Annotated[str | None, typer.Option(help="first line of the commit")] = None,
    mirror: Annotated[bool, typer.Option("--mirror", help="delete files there that the folder doesn't hold")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check and show, send nothing")] = False,
    bring: Annotated[
        list[str] | None,
        typer.Option(help="with a Space: NAME=FOLDER brings a folder along, as models/locked=outputs/my-model"),
    ] = None,
    recipes_only: Annotated[
        bool,
        typer.Option(
            "--recipes-only",
            help="of a data set of scans, send how its clips are made of them, and nothing of the scans",
        ),
    ] = False,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="push a Space that brings no checkpoint and answers at random")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print what was pushed as one JSON object")] = False,
) -> None:
    """Publish a data set, model, metric or Space on the Hub (OCR = Object-Centric 3D Rollout).

    Checked first: the card, the files' format, licences (no frames of restricted scans), safetensors only, no secrets.
    A push that broke resumes when run again: what has arrived is not sent twice.
    """
    from huggingface_hub import HfApi, get_token
    from rich.console import Console

    from ocr_hf.hub.push_plan import plan_push
    from ocr_hf.hub.upload import push

    console = Console(stderr=as_json, soft_wrap=True, highlight=False)
    # The token in use is searched for as well: any other secret is known by its form only
    brought = _brought(bring or [])
    plan = plan_push(kind, path, repo, get_token(), brought, untrained=untrained, recipes_only=recipes_only)
    _show(plan, console)
    if dry_run:
        console.print("Dry run: nothing was sent.")
        if as_json:
            files = [{"path": file.path, "size": file.size} for file in plan.files]
            told = {"repo": plan.repo, "files": files, "left_out": plan.left_out, "notes": plan.notes, "sent": False}
            typer.echo(json.dumps(told))
        return
    done = push(
        plan,
        HfApi(),
        private=private,
        revision=revision,
        tag=tag,
        mirror=mirror,
        message=message,
        notify=lambda text: console.print(f"[dim]{text}[/dim]"),
    )
    if as_json:
        typer.echo(json.dumps({"repo": plan.repo, **asdict(done), "sent": True}))
        return
    if not done.changed and not done.deleted:
        console.print(f"Nothing had changed: {done.url} is at commit {done.commit[:8]}.")
    else:
        removed = f", {len(done.deleted)} removed" if done.deleted else ""
        console.print(f"Commit {done.commit[:8]}: {len(done.changed)} files new or changed{removed}.")
    if done.others:
        console.print(f"{len(done.others)} other files there were left alone, as {done.others[0]}.")
    console.print(done.url)
    console.print(done.load_line, style="bold", markup=False)


def _show(plan: PushPlan, console) -> None:
    from rich.table import Table

    table = Table(title=f"{plan.kind} {plan.folder} -> {plan.repo}", title_justify="left")
    table.add_column("file")
    table.add_column("size", justify="right")
    for file in plan.files[:_SHOWN]:
        table.add_row(file.path, _size(file.size))
    if len(plan.files) > _SHOWN:
        rest = plan.files[_SHOWN:]
        table.add_row(f"... and {len(rest)} more", _size(sum(file.size for file in rest)))
    table.add_section()
    table.add_row(f"{len(plan.files)} files", _size(plan.bytes))
    console.print(table)
    if plan.added:
        code = sum(file.path.endswith(".py") for file in plan.added)
        console.print(f"{len(plan.added)} of these files come from elsewhere, {code} of them code of ocr_hf.")
    for note in plan.notes:
        console.print(note, markup=False)
    if plan.left_out:
        console.print(f"Left out, a trainer's own state: {', '.join(plan.left_out[:5])} ({len(plan.left_out)} files)")


def _brought(given: list[str]) -> dict[str, Path]:
    found = {}
    for text in given:
        name, separator, folder = text.partition("=")
        if not (name and separator and folder):
            raise ValueError(f"--bring {text!r} is no NAME=FOLDER; write it as models/locked=outputs/my-model")
        found[name] = Path(folder)
    return found


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size} B"
