"""`ocr-hf experiment`: run cells of an experiment on Object-Centric 3D Rollout, and report what they show."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Name(StrEnum):
    """The experiments."""

    PLANTED_LOCK = "planted-lock"


def main(
    name: Annotated[Name, typer.Argument(help="which experiment")],
    out: Annotated[
        Path | None, typer.Option(help="folder of results; left out: results/experiment/NAME, or with --quick outputs")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="folder of data and models; left out: outputs/experiment/NAME")
    ] = None,
    cells: Annotated[
        list[str] | None, typer.Option(help="cells to run, as sft/* or rl/*/ocr/0; may be repeated; left out: all")
    ] = None,
    num_proc: Annotated[int, typer.Option(help="processes, of which each runs cells on one thread")] = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="a rehearsal with few rooms and steps: minutes; it decides nothing")
    ] = False,
    report: Annotated[bool, typer.Option("--report", help="write the report of what is done, and run no cell")] = False,
    show: Annotated[bool, typer.Option("--list", help="list the cells and which are done, and run none")] = False,
) -> None:
    """Run an experiment cell by cell (OCR = Object-Centric 3D Rollout); what is done is skipped.

    Cells may be run by several processes and machines that share the folder of results: each takes a lock. Needed cells
    run first where they are chosen too. At the end the report is written, of all cells that are done by then.
    """
    from ocr_hf.experiment.planted_report import sentence, write_report
    from ocr_hf.experiment.run_cells import open_experiment, run_all

    where = Path("outputs") / "experiment"
    work = work or where / (f"{name.value}-quick" if quick else name.value)
    out = out or (work / "results" if quick else Path("results") / "experiment" / name.value)
    results = open_experiment(name.value, out, quick)
    if show:
        done = set(results.done())
        for cell in results.cells:
            typer.echo(f"{'done' if cell in done else '    '}  {cell}")
        return
    if not report:
        chosen = results.chosen(cells or ["*"])
        run_all(name.value, out, work, quick, [cell.name for cell in chosen], num_proc, on_cell=typer.echo)
    typer.echo(f"{sentence(write_report(results, out))}\nEverything is in {out}: report.md, verdict.json, cells")
