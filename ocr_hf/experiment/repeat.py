"""Repeating a cell whose result is stored, and comparing the two: what anyone can do who doubts a figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_hf.experiment.cells import CellError, Results
from ocr_hf.experiment.run_cells import EXPERIMENTS

TOLERANCE = 5.0
"""Points by which accuracies may differ. On one machine nothing differs; other processors round otherwise, and a draw
that comes out differently changes the rest of a training."""
TESTED = 200
"""Rooms of each part of the test that are asked: a multiple of every batch in which answers are drawn, so that the
first ones draw the same."""


@dataclass(frozen=True)
class Compared:
    """One view of the test: rooms asked; accuracy of the stored and of the new answers, and equal answers, percent."""

    view: str
    rooms: int
    stored: float
    now: float
    equal: float

    @property
    def agrees(self) -> bool:
        """Whether the accuracies differ by no more than `TOLERANCE`."""
        return abs(self.stored - self.now) <= TOLERANCE


def repeat(results: Results, work: Path, name: str, processes: int = 1) -> list[Compared]:
    """Run a cell again that has a result, ask its model the first `TESTED` rooms of each part of the test, and compare.

    The stored result and the models of other cells stay as they are.

    Args:
        results: of the experiment.
        work: folder of data and models, for rooms that have to be filmed and, under `repeated`, for the model.
        name: of the cell.
        processes: that film rooms.

    Raises:
        CellError: there is no such cell, it has no result or trains no model, or the model before it is nowhere.
    """
    if name not in results.cells:
        raise CellError(f"no cell is named {name}; --list shows all")
    cell, stored = results.cells[name], results.read(name)
    if "asked" not in stored:
        raise CellError(f"cell {name} trains no model but is computed from other cells; repeat one of sft/ or rl/")
    do = EXPERIMENTS[results.name][1](results, work, processes, tests=TESTED)
    do.prepare([cell])
    return list(compare(stored, do(cell)))


def compare(stored: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Compared]:
    """Yield what both results have asked, over the rooms that both have asked about, which are the first ones."""
    for view, asked in now.get("asked", {}).items():
        said = asked["letters"]
        before = stored["asked"][view]["letters"][: len(said)]
        truth = asked.get("truth") or now["truth"][view.split("/")[0]]
        yield Compared(view, len(said), _equal(before, truth), _equal(said, truth), _equal(said, before))


def _equal(a: str, b: str) -> float:
    return 100.0 * sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
