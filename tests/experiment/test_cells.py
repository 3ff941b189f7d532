"""Cells of an experiment: done once, whole or not at all, by one process, under one plan."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest

from ocr_hf.experiment import planted_cells, run_cells
from ocr_hf.experiment.cells import Cell, CellError, Results
from ocr_hf.experiment.planted_data import PARTS
from ocr_hf.experiment.shards import SHARD, load_first, load_shards

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
    done = tmp_path / "cells" / "sft" / "0.json"
    for left in ("", json.dumps({"host": socket.gethostname(), "pid": os.getpid()})):
        # Killed before it said who it was; a process of today has the number of the one that was killed
        done.unlink()
        lock.write_text(left)
        assert results.run(CELLS[0], lambda cell: {"score": 3}) == {"score": 3} and not lock.exists()
    done.unlink()
    lock.write_text(json.dumps({"host": "elsewhere", "pid": os.getpid()}))
    assert results.run(CELLS[0], lambda cell: {"score": 4}) is None
    assert f"by process {os.getpid()} on elsewhere, as {lock} says; if that process is gone" in results.held["sft/0"]


RACE = """
import sys, time
from pathlib import Path
from tests.experiment.test_cells import CELLS, open_results
folder, begin = Path(sys.argv[1]), float(sys.argv[2])
def work(cell):
    with open(folder / "ran", "a") as out:
        out.write("x")
    time.sleep(0.3)
    return {}
results = open_results(folder)
time.sleep(max(0.0, begin - time.time()))
while results.run(CELLS[0], work) is None:
    time.sleep(0.01)
"""


def test_of_many_that_find_a_left_over_lock_one_runs_the_cell(tmp_path: Path) -> None:
    open_results(tmp_path)
    lock = tmp_path / "cells" / "sft" / "0.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1}))
    command = [sys.executable, "-c", RACE, tmp_path, str(time.time() + 5.0)]
    root = Path(__file__).parents[2]
    racing = [subprocess.Popen(list(map(str, command)), cwd=root) for _ in range(4)]
    assert [process.wait(300) for process in racing] == [0, 0, 0, 0]
    assert (tmp_path / "ran").read_text() == "x"


def test_a_cell_that_was_done_while_its_lock_was_waited_for_is_not_run_again(tmp_path: Path, monkeypatch) -> None:
    @contextmanager
    def lock(path: Path):
        path.with_suffix(".json").parent.mkdir(parents=True)
        path.with_suffix(".json").write_text('{"score": 7}')
        yield

    monkeypatch.setattr("ocr_hf.experiment.cells.file_lock", lock)
    assert open_results(tmp_path).run(CELLS[0], lambda cell: pytest.fail("run again")) == {"score": 7}


def test_who_is_waited_for_is_said_once(tmp_path: Path, monkeypatch, caplog) -> None:
    class Quick:
        def __init__(self, results, work) -> None:
            pass

        def __call__(self, cell):
            return {"seconds": 1.0}

    module = SimpleNamespace(cells=lambda scale: CELLS, QUICK=None, FULL=None)
    monkeypatch.setitem(run_cells.EXPERIMENTS, "trial", (module, Quick, None))
    lock = tmp_path / "cells" / "sft" / "0.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    waits = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            lock.unlink()

    monkeypatch.setattr(run_cells.time, "sleep", wait)
    lines = run_cells._run("trial", tmp_path, tmp_path, True, [cell.name for cell in CELLS])
    assert sorted(line.split(":")[0] for line in lines) == sorted(cell.name for cell in CELLS) and len(waits) == 3
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("waiting: cell sft/0 is being run by process 1 on elsewhere") and "remove the file" in said


def test_another_plan_is_refused_once_cells_have_run(tmp_path: Path, monkeypatch) -> None:
    changed = (Cell("sft/0", {"steps": 4}), *CELLS[1:])
    open_results(tmp_path)
    results = open_results(tmp_path, changed)  # nothing has run: the plan may change
    results.run(changed[0], lambda cell: {})
    with pytest.raises(CellError, match="cell sft/0 differs"):
        open_results(tmp_path)
    with pytest.raises(CellError, match="of the experiment trial, here other"):
        Results(tmp_path, "other", (Cell("a/0", {}),))
    before = (tmp_path / "plan.json").stat().st_mtime_ns
    open_results(tmp_path, changed)
    assert (tmp_path / "plan.json").stat().st_mtime_ns == before, "an equal plan isn't written again"
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


def _numbers(part, folder: Path, processes: int) -> datasets.Dataset:
    return load_shards(folder / part.name, part.count, _shard, processes)


def _shard(start: int, count: int, file: Path) -> list[dict]:
    return [{"room": room} for room in range(start, start + count)]


def test_first_rooms_do_not_stand_in_for_the_whole_part(tmp_path: Path) -> None:
    """A shard of fewer rooms under the whole part's name would be taken for it later on."""
    part = replace(PARTS["conflict"], count=SHARD + 10)
    few = load_first(_numbers, part, tmp_path, 1, 7)
    assert few["room"] == list(range(7)) and not (tmp_path / part.name).exists()
    assert load_first(_numbers, part, tmp_path, 1, None)["room"] == list(range(SHARD + 10))
    (tmp_path / f"{part.name}-first-7" / "00000.parquet").unlink()
    assert load_first(_numbers, part, tmp_path, 1, 7)["room"] == list(range(7))
    assert not (tmp_path / f"{part.name}-first-7" / "00000.parquet").exists(), "what is made is used"
