"""Cells of an experiment: done once, whole or not at all, by one process, under one plan."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ocr_hf.experiment import planted_cells
from ocr_hf.experiment.cells import Cell, CellError, Results

CELLS = (Cell("sft/0", {"steps": 3}), Cell("rl/ocr/0", {"steps": 2}, ("sft/0",)), Cell("rl/grpo/0", {}, ("sft/0",)))


def open_results(folder: Path, cells=CELLS) -> Results:
    return Results(folder, "trial", cells)


def test_a_cell_is_done_once_and_read_back(tmp_path: Path) -> None:
    results, calls = open_results(tmp_path), []
    for _ in range(2):
        found = results.run(CELLS[0], lambda cell: calls.append(cell) or {"score": 1.5})
        assert found == {"score": 1.5}
    assert calls == [CELLS[0]] and list(open_results(tmp_path).done()) == ["sft/0"]


def test_a_cell_waits_for_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(CellError, match="cell rl/ocr/0 needs sft/0, which has no result; run that first"):
        open_results(tmp_path).run(CELLS[1], lambda cell: {})


def test_a_cell_that_fails_leaves_nothing(tmp_path: Path) -> None:
    results = open_results(tmp_path)
    with pytest.raises(OSError, match="disk"):
        results.run(CELLS[0], lambda cell: (_ for _ in ()).throw(OSError("disk")))
    assert not list(results.done()) and not list(tmp_path.rglob("*.lock"))
    assert results.run(CELLS[0], lambda cell: {"score": 1}) == {"score": 1}


def test_two_processes_do_not_run_one_cell(tmp_path: Path) -> None:
    results = open_results(tmp_path)
    again = []
    results.run(CELLS[0], lambda cell: again.append(open_results(tmp_path).run(CELLS[0], lambda _: {})) or {})
    assert again == [None]


def test_a_lock_of_a_killed_process_is_taken_over_and_of_another_host_is_not(tmp_path: Path) -> None:
    results = open_results(tmp_path)
    lock = tmp_path / "cells" / "sft" / "0.lock"
    lock.parent.mkdir(parents=True)
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    lock.write_text(json.dumps({"host": socket.gethostname(), "pid": int(ended.stdout)}))
    assert results.run(CELLS[0], lambda cell: {"score": 2}) == {"score": 2}
    (tmp_path / "cells" / "sft" / "0.json").unlink()
    lock.write_text(json.dumps({"host": "elsewhere", "pid": os.getpid()}))
    assert results.run(CELLS[0], lambda cell: {"score": 3}) is None


def test_another_plan_is_refused_once_cells_have_run(tmp_path: Path, monkeypatch) -> None:
    changed = (Cell("sft/0", {"steps": 4}), *CELLS[1:])
    open_results(tmp_path)
    results = open_results(tmp_path, changed)  # nothing has run: the plan may change
    results.run(changed[0], lambda cell: {})
    with pytest.raises(CellError, match="cell sft/0 differs"):
        open_results(tmp_path)
    monkeypatch.setattr("ocr_hf.experiment.cells.RESULTS_OF", "9.9")
    with pytest.raises(CellError, match=r"ocr_hf 0\.\d.*, here 9\.9"):
        open_results(tmp_path, changed)


def test_cells_are_chosen_by_patterns(tmp_path: Path) -> None:
    results = open_results(tmp_path)
    assert [cell.name for cell in results.chosen(["rl/*/0"])] == ["rl/ocr/0", "rl/grpo/0"]
    with pytest.raises(CellError, match=r"no cell matches rl/x; there are sft/0"):
        results.chosen(["rl/x"])


def test_the_plan_of_the_planted_lock_stays_as_it_was() -> None:
    # Cells of it have been run: a plan that changed would refuse them
    for scale, count, digest in (
        (planted_cells.FULL, 172, "9899ea6f118f8f40020ed6ad2e039e02a889ba4675ad19c7fe6fca13033f0421"),
        (planted_cells.QUICK, 39, "9944f289fd1d6a5a6809492290925669ef4dad0e57a7f48e88e8e06cb81da545"),
    ):
        plan = {
            cell.name: {"needs": list(cell.needs), "settings": dict(cell.settings)}
            for cell in planted_cells.cells(scale)
        }
        assert len(plan) == count
        assert hashlib.sha256(json.dumps(plan).encode()).hexdigest() == digest
