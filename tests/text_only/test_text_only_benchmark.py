"""The benchmark runs, asks what a build asks, and compares with VSI-Bench."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.own_sources import GENERATOR_VERSION
from ocr_hf.vsi_bench.tasks import TASKS


@pytest.fixture(scope="module")
def benchmark(root: Path) -> ModuleType:
    """benchmarks/text_only.py as a module."""
    found = importlib.util.spec_from_file_location("text_only_benchmark", root / "benchmarks" / "text_only.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_spreads_are_standard_deviation_over_mean(benchmark: ModuleType) -> None:
    sides = [("bed", 1.0), ("bed", 3.0)] * 4 + [("tv", 1.0)] * 7
    assert benchmark.spreads(sides) == {"bed": [8, 0.5]}


def test_stored_figures_are_there_for_those_without_vsi_bench(benchmark: ModuleType, tmp_path: Path) -> None:
    stored = benchmark.vsi_bench(tmp_path / "none.parquet", tmp_path, [8])
    assert list(stored["draws"]) == ["288", "60"] and len(stored["sizes"]) > 40
    for drawn in stored["draws"].values():
        tasks = benchmark.by_task(drawn["figures"])
        assert len(drawn["figures"]) == 10 and list(tasks) == [task.name for task in TASKS]
        assert None not in tasks.values() and all(counts["scenes"] in (60, 288) for counts in drawn["counts"])


def test_words_tell_about_as_much_as_in_vsi_bench(root: Path) -> None:
    """Of what was measured and stored: a change of the homes has to be measured anew."""
    stored = json.loads((root / "benchmarks/results/text_only.json").read_text())
    ours, real = stored["ours"]["288"], stored["vsi_bench"]["draws"]["288"]["figures"]
    for kind in ("object_counting", "object_abs_distance", "object_size_estimation", "room_size_estimation"):
        assert abs(ours[kind]["text_statistic"] - real[kind]["text_statistic"]) <= 0.03, kind
    assert stored["generator_version"] == GENERATOR_VERSION


@pytest.mark.slow
def test_it_asks_what_a_build_asks(benchmark: ModuleType, tmp_path: Path) -> None:
    """Without light, colours and smooth edges, from instance maps alone, it asks the questions of the build's rows."""
    config = BuildConfig(scenes=1, rooms=1, frames=8, width=64, height=48, seed=7)
    build_folder(config, tmp_path / "out")
    built = pq.read_table(tmp_path / "out/train/metadata.parquet").to_pylist()
    rows, _ = benchmark.ask(config, plan_scenes(config)[0])
    names = ("scene_name", "question_type", "question", "ground_truth")
    options = [row["options"] and list(row["options"]) for row in rows]
    assert [[row[name] for name in names] for row in rows] == [[row[name] for name in names] for row in built]
    assert options == [row["options"] for row in built]


@pytest.mark.slow
def test_the_short_form_ends_with_one_line_of_json(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/text_only.py", "--quick"], cwd=root, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == [task.name for task in TASKS]
    # With eight homes a rare type can be asked in too few of them
    assert all(len(pair) == 2 and (pair[0] is None or 0.0 <= pair[0] <= 1.0) for pair in found.values())
    assert sum(pair[0] is not None for pair in found.values()) >= 6
