"""The `evaluate` module of VSI-Bench: one scorer, loadable offline without ocr-hf, and from the Hub by revision."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub_server.fixture import hub_api, hub_client, local_hub  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
SPACE = ROOT / "spaces" / "vsi_bench"
COPIES = ["tasks.py", "extract.py", "scoring.py", "bootstrap.py", "summary.py", "predictions.py"]
WITHOUT_OCR_HF = """
import sys
import ocr_hf  # only for its cure of torchvision on machines without CUDA
for name in ("vsi_bench", "data", "models"):
    sys.modules["ocr_hf." + name] = None
"""


@pytest.mark.parametrize("name", COPIES)
def test_the_space_carries_the_package_scorer_byte_for_byte(name: str) -> None:
    source = ROOT / "ocr_hf" / "vsi_bench" / name
    assert (SPACE / name).read_bytes() == source.read_bytes(), f"run: cp ocr_hf/vsi_bench/{name} spaces/vsi_bench/"


def test_all_modules_that_evaluate_must_copy_are_imported() -> None:
    """evaluate copies what the main file imports relatively, on lines without comments; what those import too."""
    main = (SPACE / "vsi_bench.py").read_text()
    direct = set(re.findall(r"^from \.(\w+) import [^#\n(]+$", main, re.MULTILINE))
    needed = set(direct)
    for name in direct:
        needed |= set(re.findall(r"^from \.(\w+) import", (SPACE / f"{name}.py").read_text(), re.MULTILINE))
    assert direct == needed == {"tasks", "extract", "scoring", "bootstrap", "summary"}


def offline(source: str, home: Path) -> str:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_OCR_HF + source], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_example_runs_offline_without_the_package(tmp_path: Path) -> None:
    readme = (SPACE / "README.md").read_text()
    example = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    promised = re.search(r"^# (.*)$", example, re.MULTILINE)[1]
    assert offline(example, tmp_path).strip() == promised


BAD_INPUTS = """
import evaluate
metric = evaluate.load("spaces/vsi_bench")
good = dict(predictions=["3"], references=["4"], question_types=["object_counting"], draws=0)
for change in (
    dict(predictions=["3", "4"]), dict(references=["4", "5"]), dict(question_types=["object_counting"] * 2),
    dict(references=["x"]), dict(references=["nan"]), dict(question_types=["size"]), dict(ids=[1, 2]),
    dict(extraction="lenient"), dict(average="mean"), dict(pruned=[]),
):
    try:
        metric.compute(**{**good, **change})
        print("accepted", change)
    except ValueError as error:
        print("refused")
    assert metric.compute(**good)["overall"] == 60.0, "a refused call must not spoil the next one"
two = dict(predictions=["3", None], references=["4", "4"], question_types=["object_counting"] * 2, draws=0)
print(metric.compute(**two)["n_unparsed"])
doc = metric.inputs_description
import doctest
examples = doctest.DocTestParser().get_doctest(doc, {"evaluate": evaluate}, "inputs", None, 0)
runner = doctest.DocTestRunner()
runner.run(examples)
assert runner.summarize(verbose=False).failed == 0 and runner.tries == 3
"""


def test_bad_input_is_refused_and_leaves_the_metric_usable(tmp_path: Path) -> None:
    assert offline(BAD_INPUTS, tmp_path).split() == ["refused"] * 10 + ["1"]


def test_agrees_with_the_package_on_the_full_set(tmp_path: Path, shared: Path) -> None:
    source = f"""
import evaluate, pandas
rows = pandas.read_parquet({str(shared / "vsi_bench" / "test.parquet")!r})
constants = dict(object_counting="2", object_abs_distance="1.9", object_size_estimation="93",
                 room_size_estimation="16.2")
results = evaluate.load("spaces/vsi_bench").compute(
    predictions=[constants.get(kind, "A") for kind in rows.question_type], references=rows.ground_truth.tolist(),
    question_types=rows.question_type.tolist(), ids=rows.id.tolist(), pruned=rows.pruned.tolist(),
    scenes=(rows.dataset + "/" + rows.scene_name).tolist(), draws=100)
print(f"{{results['overall']:.6f}} {{results['debiased']['n']}} {{results['n_scenes']}}")
"""
    assert offline(source, tmp_path).split() == ["33.974153", "2362", "288"]


def test_loads_from_the_hub_by_revision(hub_api, hub_client) -> None:  # noqa: F811
    api = hub_api()
    api.create_repo("org/vsi_bench", repo_type="space", space_sdk="gradio")
    commit = api.upload_folder(
        repo_id="org/vsi_bench", repo_type="space", folder_path=SPACE, ignore_patterns=["**/__pycache__/**"]
    ).oid
    files = set(api.list_repo_files("org/vsi_bench", repo_type="space"))
    assert {"README.md", "app.py", "requirements.txt", "vsi_bench.py", *COPIES} <= files
    source = f"""
import evaluate
metric = evaluate.load("org/vsi_bench", revision={commit!r})
print(metric.compute(predictions=["3"], references=["4"], question_types=["object_counting"], draws=0)["overall"])
"""
    assert hub_client(WITHOUT_OCR_HF + source).split() == ["60.0"]
