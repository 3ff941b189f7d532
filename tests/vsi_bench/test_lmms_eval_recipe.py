"""The lmms-eval task folder, read as lmms-eval reads it (which is not installed here), scores as ocr-hf does."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ocr_hf.vsi_bench.prompts import build_prompt
from ocr_hf.vsi_bench.scoring import score_answers
from ocr_hf.vsi_bench.summary import summarize
from tests.vsi_bench.conftest import questions

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "recipes" / "lmms_eval" / "vsi_bench_official"


class Loader(yaml.SafeLoader):
    """lmms-eval's: `!function module.name` is looked up in module.py beside the YAML file."""


def function(loader: Loader, node: yaml.Node):
    module_name, name = loader.construct_scalar(node).rsplit(".", 1)
    spec = importlib.util.spec_from_file_location(module_name, FOLDER / f"{module_name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


Loader.add_constructor("!function", function)


def load(name: str) -> dict:
    task = yaml.load((FOLDER / name).read_text(), Loader)
    included = yaml.load((FOLDER / task.pop("include")).read_text(), Loader)
    return included | task


@pytest.fixture(scope="module")
def task() -> dict:
    return load("vsi_bench_official.yaml")


def test_both_splits_are_tasks(task) -> None:
    assert task["task"] == "vsi_bench_official" and task["dataset_name"] == "full"
    debiased = load("vsi_bench_official_debiased.yaml")
    assert debiased["task"] == "vsi_bench_official_debiased" and debiased["dataset_name"] == "debiased"
    assert task["generation_kwargs"]["max_new_tokens"] == 16 and task["generation_kwargs"]["do_sample"] is False


@pytest.mark.parametrize(("caller", "style"), [("default", "official"), ("gemini_api", "official_api")])
def test_prompts_are_ours(task, caller: str, style: str) -> None:
    for row in questions():
        assert task["doc_to_text"](row, task["lmms_eval_specific_kwargs"][caller]) == build_prompt(row, style)


def test_figures_are_ours(task) -> None:
    rows = questions()
    said = ["B", "A.", "2", "1 thing", "(B)"]
    results = [task["process_results"](row, [said[i % 5]]) for i, row in enumerate(rows)]
    scored = score_answers(
        [said[i % 5] for i in range(30)], [r["ground_truth"] for r in rows], [r["question_type"] for r in rows]
    )
    expected = summarize(scored, scenes=[f"{row['dataset']}/{row['scene_name']}" for row in rows])
    figures = {
        item["metric"]: item["aggregation"]([r[item["metric"]] for r in results]) for item in task["metric_list"]
    }
    assert set(results[0]) == set(figures)
    assert figures["overall"] == expected["macro"] > 0 and figures["micro"] == expected["micro"]
    assert [figures["overall_low"], figures["overall_high"]] == expected["interval"]["macro"]
    assert figures["n_unparsed"] == expected["n_unparsed"] > 0
    assert all(figures[name] == entry["score"] for name, entry in expected["tasks"].items())


def test_a_partial_run_is_no_crash(task) -> None:
    """lmms-eval's own task stops with a KeyError where a direction level is absent."""
    row = next(row for row in questions() if row["question_type"] == "object_rel_direction_easy")
    result = task["process_results"](row, ["B"])
    figures = {item["metric"]: item["aggregation"]([result[item["metric"]]]) for item in task["metric_list"]}
    assert figures["overall"] == figures["object_rel_direction"] == 100.0
    assert math.isnan(figures["route_planning"]) and math.isnan(figures["overall_low"])


def test_missing_videos_are_named(task, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    row = questions()[0]
    with pytest.raises(FileNotFoundError, match="question 0: there is no .*arkitscenes/41069025.mp4"):
        task["doc_to_visual"](row)
    path = tmp_path / "vsibench" / "arkitscenes" / "41069025.mp4"
    path.parent.mkdir(parents=True)
    path.touch()
    assert task["doc_to_visual"](row) == [str(path)]


def test_the_scorer_needs_nothing_but_numpy() -> None:
    """An environment made for lmms-eval has none of our other dependencies."""
    code = (
        "import sys\n"
        "class Only:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'transformers', 'datasets', 'jaxtyping', 'pyarrow', 'av'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Only())\n"
        "import ocr_hf.vsi_bench.prompts, ocr_hf.vsi_bench.scoring, ocr_hf.vsi_bench.summary\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
