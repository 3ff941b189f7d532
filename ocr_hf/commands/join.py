"""`ocr-hf join`: make the clips that recipes name of one's own copy of the scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocr_hf.settings.command_options import options


@options(tuple, mistakes=(RuntimeError,))
def main(
    recipes: Annotated[str, typer.Argument(help="repository of recipes, as ORG/NAME, or folder")],
    root: Annotated[Path, typer.Option(help="folder with your copy of the scans")],
    out: Annotated[Path, typer.Option(help="folder to write; it must not exist yet")] = Path("ocr-vsi"),
    revision: Annotated[str | None, typer.Option(help="branch, tag or commit of the repository")] = None,
    num_proc: Annotated[int, typer.Option(help="worker processes; the result doesn't depend on it")] = 1,
    executor: Annotated[str | None, typer.Option(help="as of `ocr-hf build`: local, ray or slurm")] = None,
    sbatch: Annotated[list[str] | None, typer.Option(help="as of `ocr-hf build`: KEY=VALUE; repeat it")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue an interrupted run")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="throw away an earlier run and start anew")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the statistics as one JSON object")] = False,
) -> None:
    """Make the ocr-vsi folder that recipes of scans name, of your own copy of the scans.

    Its videos and questions are those of the builder, which is checked (OCR = Object-Centric 3D Rollout).
    """
    from ocr_hf.commands.build import check_executor, make_folder
    from ocr_hf.data.join_scans import find_recipes, join_config

    check_executor(executor, sbatch)
    config = join_config(find_recipes(recipes, revision), root)
    again = ["ocr-hf", "join", recipes, "--root", root, *(["--revision", revision] if revision else [])]
    ways = {"num_proc": num_proc, "resume": resume, "overwrite": overwrite}
    make_folder(config, out, again, executor=executor, sbatch=sbatch, as_json=as_json, **ways)
