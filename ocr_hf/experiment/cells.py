"""An experiment as cells: each runs alone, is done once, survives a kill, and may run on another machine.

A folder of results holds `plan.json`, what is to be run, and one JSON file for each cell that is done. A cell is begun
by whoever takes its lock; its file appears when all of it has been measured, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ocr_hf.data.atomic import write_json
from ocr_hf.data.file_lock import LockedError, file_lock

PLAN = "plan.json"
RESULTS_OF = "0.1.0"
"""Version of the package from which on a cell gives the same result: it is raised with whatever changes training, clips
or scoring so that the results of cells change. `--repeat` of a stored cell shows whether it holds."""


@dataclass(frozen=True)
class Cell:
    """One piece of an experiment.

    name : with / between its parts, as in rl/ocr/3; needs : names of the cells that must be done before
    settings : all that decides its result, as JSON can hold it
    """

    name: str
    settings: Mapping[str, Any]
    needs: tuple[str, ...] = ()


class CellError(ValueError):
    """A cell can't be run; the message says why and what to do."""


class Results:
    """The results of one experiment in a folder.

    held : of cells that another process was found at, who that is, in a sentence

    Args:
        folder: of the results; made where there is none.
        name: of the experiment.
        cells: all of them.

    Raises:
        CellError: the folder holds results of another plan or version.
    """

    def __init__(self, folder: Path, name: str, cells: Sequence[Cell]) -> None:
        self.folder, self.name = folder, name
        self.cells = {cell.name: cell for cell in cells}
        self.held: dict[str, str] = {}
        plan = {
            "experiment": name,
            "ocr_hf": RESULTS_OF,
            "cells": {cell.name: {"needs": list(cell.needs), "settings": dict(cell.settings)} for cell in cells},
        }
        # As JSON gives it back, so that tuples and lists compare
        self.plan = json.loads(json.dumps(plan))
        file = folder / PLAN
        if not file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(file, self.plan)
            return
        known = json.loads(file.read_text(encoding="utf-8"))
        if known == self.plan:
            return
        # Looked for on the disk: another experiment's cells have other names
        if any((folder / "cells").rglob("*.json")):
            raise CellError(
                f"{file} is another plan than this version's ({_difference(known, self.plan)}), and cells of it have "
                "been run; give another folder, or remove this one to begin anew"
            )
        write_json(file, self.plan)

    def _file(self, name: str) -> Path:
        return self.folder / "cells" / f"{name}.json"

    def done(self) -> Iterator[str]:
        """Yield the names of the cells that have a result."""
        return (name for name in self.cells if self._file(name).is_file())

    def read(self, name: str) -> dict[str, Any]:
        """Return a cell's result; raise CellError where it hasn't been run."""
        if not self._file(name).is_file():
            raise CellError(f"cell {name} has no result in {self.folder}; run it first (--cells {name})")
        return json.loads(self._file(name).read_text(encoding="utf-8"))

    def unmet(self, gate: str) -> list[str]:
        """Return the names of what a gate's result says isn't met; raise CellError where it hasn't been run."""
        return [name for name, fine in self.read(gate).get("met", {}).items() if not fine]

    def check_gate(self, gate: str) -> None:
        """Raise CellError where a gate isn't met, but for a rehearsal, which decides nothing."""
        if (missed := self.unmet(gate)) and not self.cells[gate].settings["rehearsal"]:
            raise CellError(
                f"gate {gate} isn't met ({', '.join(missed)}), so no reinforcement learning starts; see its result"
            )

    def model(self, name: str, work: Path) -> Path:
        """Return the folder of the model that a cell has trained, in a folder of work or published with the results.

        Raises CellError where it is in neither.
        """
        folders = [folder / "models" / name for folder in (work, self.folder)]
        for folder in folders:
            if (folder / "config.json").is_file():
                return folder
        raise CellError(
            f"the model of cell {name} is not in {folders[0]}: its result was made elsewhere; copy the model there, or "
            f"remove the result and run the cell here (--cells {name})"
        )

    def chosen(self, patterns: Sequence[str]) -> list[Cell]:
        """Return the cells whose names match one of the patterns (rl/ocr/*); raise CellError where none does."""
        found = [cell for cell in self.cells.values() if any(fnmatchcase(cell.name, pattern) for pattern in patterns)]
        if not found:
            raise CellError(f"no cell matches {', '.join(patterns)}; there are {', '.join(list(self.cells)[:6])}, ...")
        return found

    def run(self, cell: Cell, work: Callable[[Cell], dict[str, Any]]) -> dict[str, Any] | None:
        """Run a cell unless it is done, and return its result; None where another process is at it.

        Args:
            cell: of this plan.
            work: makes the result, as JSON can hold it.

        Raises:
            CellError: a cell that it needs isn't done.
        """
        if self._file(cell.name).is_file():
            return self.read(cell.name)
        for needed in cell.needs:
            if not self._file(needed).is_file():
                raise CellError(f"cell {cell.name} needs {needed}, which has no result; run that first")
        try:
            with file_lock(self._file(cell.name).with_suffix(".lock")):
                # Whoever held the lock a moment ago may have done it
                if not self._file(cell.name).is_file():
                    write_json(self._file(cell.name), work(cell))
        except LockedError as error:
            file = self._file(cell.name).with_suffix(".lock")
            gone = f", as {file} says; if that process is gone, remove the file" if error.elsewhere else ""
            self.held[cell.name] = f"cell {cell.name} is being run by {error}{gone}"
            return None
        return self.read(cell.name)


def _difference(known: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    if known.get("experiment") != plan["experiment"]:
        return f"of the experiment {known.get('experiment')}, here {plan['experiment']}"
    if known.get("ocr_hf") != plan["ocr_hf"]:
        return f"ocr_hf {known.get('ocr_hf')}, here {plan['ocr_hf']}"
    cells = known.get("cells", {})
    changed = [name for name in plan["cells"] if cells.get(name) != plan["cells"][name]]
    changed += [name for name in cells if name not in plan["cells"]]
    return f"cell {changed[0]} differs"
