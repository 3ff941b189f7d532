"""`ocr-hf experiment`: run cells of an experiment on Object-Centric 3D Rollout, and report what they show."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ocr_hf.experiment.cells import Results


class Name(StrEnum):
    """The experiments."""

    PLANTED_LOCK = "planted-lock"
    RECOVERABLE = "recoverable"


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
    again: Annotated[
        str | None,
        typer.Option(
            "--repeat",
            help="run a cell again that has a result, and compare; exit 1 where accuracies differ by over 5 points",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="list the cells and which are done, and run none")] = False,
) -> None:
    """Run an experiment cell by cell (OCR = Object-Centric 3D Rollout); what is done is skipped.

    Cells may be run by several processes and machines that share the folder of results: each takes a lock. Needed cells
    run first where they are chosen too. At the end the report is written, of all cells that are done by then.
    """
    from ocr_hf.experiment.run_cells import open_experiment, report_on, run_all

    where = Path("outputs") / "experiment"
    work = work or where / (f"{name.value}-quick" if quick else name.value)
    out = out or (work / "results" if quick else Path("results") / "experiment" / name.value)
    results = open_experiment(name.value, out, quick)
    if show:
        done = set(results.done())
        for cell in results.cells:
            typer.echo(f"{'done' if cell in done else '    '}  {cell}")
        return
    if again is not None:
        _repeat(results, work, again, num_proc)
        return
    if not report:
        chosen = results.chosen(cells or ["*"])
        run_all(name.value, out, work, quick, [cell.name for cell in chosen], num_proc, on_cell=typer.echo)
    typer.echo(f"{report_on(results, out)}\nEverything is in {out}: report.md, verdict.json, cells")


def _repeat(results: Results, work: Path, cell: str, processes: int) -> None:
    from ocr_hf.experiment.repeat import TOLERANCE, repeat

    found = repeat(results, work, cell, processes)
    for one in found:
        typer.echo(
            f"{one.view}: {one.stored:.1f} % stored, {one.now:.1f} % now, "
            f"{one.equal:.1f} % of {one.rooms} answers equal"
        )
    unlike = [one.view for one in found if not one.agrees]
    if unlike:
        typer.echo(f"{cell} is not repeated within {TOLERANCE:g} points: {', '.join(unlike)}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{cell} is repeated within {TOLERANCE:g} points")
