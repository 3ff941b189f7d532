"""The experiments that there are, and running their cells on several processes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from types import ModuleType
from typing import Any

from ocr_hf.data.workers import worker_pool
from ocr_hf.experiment import planted_cells, planted_report, recoverable_cells, recoverable_report
from ocr_hf.experiment.cells import CellError, Results

logger = logging.getLogger(__name__)

EXPERIMENTS: dict[str, tuple[ModuleType, Callable[..., Any], ModuleType]] = {
    planted_cells.NAME: (planted_cells, planted_cells.PlantedLock, planted_report),
    recoverable_cells.NAME: (recoverable_cells, recoverable_cells.Recoverable, recoverable_report),
}
"""Name -> the module with its plan (cells, FULL, QUICK), who runs its cells, the module that reports."""

WAIT_S = 5.0
"""Before it is looked again whether a cell that others run is done."""


def open_experiment(name: str, out: Path, quick: bool) -> Results:
    """Return the results of an experiment in a folder.

    Args:
        name: of the experiment.
        out: folder of results.
        quick: the rehearsal.

    Raises:
        CellError: the folder holds results of another plan.
    """
    if name not in EXPERIMENTS:
        raise CellError(f"there is no experiment {name!r}; choose one of {', '.join(EXPERIMENTS)}")
    plan = EXPERIMENTS[name][0]
    return Results(out, name, plan.cells(plan.QUICK if quick else plan.FULL))


def report_on(results: Results, out: Path) -> str:
    """Write the report of what is done into a folder and return the verdict in one sentence."""
    report = EXPERIMENTS[results.name][2]
    return report.sentence(report.write_report(results, out))


def run_all(
    name: str,
    out: Path,
    work: Path,
    quick: bool,
    chosen: Sequence[str],
    processes: int,
    on_cell: Callable[[str], None] = lambda line: None,
) -> None:
    """Run cells, each after those it needs.

    Args:
        name: of the experiment.
        out: folder of results.
        work: folder of data and models.
        quick: the rehearsal.
        chosen: names of cells.
        processes: of which each runs cells.
        on_cell: told a line for each cell that was done.

    Raises:
        CellError: a cell can't be run; others that were running are finished first.
    """
    results = open_experiment(name, out, quick)
    done = set(results.done())
    EXPERIMENTS[name][1](results, work, processes).prepare([results.cells[cell] for cell in chosen if cell not in done])
    if processes == 1:
        _run(name, out, work, quick, chosen, on_cell)
        return
    with worker_pool(processes) as pool:
        jobs = [pool.submit(_run, name, out, work, quick, chosen) for _ in range(processes)]
        for job in as_completed(jobs):
            for line in job.result():
                on_cell(line)


def _run(
    name: str, out: Path, work: Path, quick: bool, chosen: Sequence[str], on_cell: Callable[[str], None] | None = None
) -> list[str]:
    """Run what is chosen and not done, as one of several processes; return a line for each cell that this one did."""
    results = open_experiment(name, out, quick)
    do = EXPERIMENTS[name][1](results, work)
    lines: list[str] = []
    told: set[str] = set()
    waiting = [results.cells[cell] for cell in chosen]
    while waiting:
        left = []
        for cell in waiting:
            done = set(results.done())
            if cell.name in done:
                continue
            if any(needed in chosen and needed not in done for needed in cell.needs):
                left.append(cell)
                continue
            found = results.run(cell, do)
            if found is None:
                left.append(cell)
                continue
            lines.append(f"{cell.name}: {found['seconds']:.0f} s")
            if on_cell is not None:
                on_cell(lines[-1])
        if len(left) == len(waiting):
            # All of them are run by other processes, or need what these run
            for cell in left:
                if (held := results.held.get(cell.name)) and held not in told:
                    told.add(held)
                    logger.warning("waiting: %s", held)
            time.sleep(WAIT_S)
        waiting = left
    return lines
