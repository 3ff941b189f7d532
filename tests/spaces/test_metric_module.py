"""The `evaluate` module of VSI-Bench: one scorer, loadable offline without ocr-hf, and from the Hub by revision."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ocr_hf.hub.push_plan import plan_push
from ocr_hf.hub.upload import push
from tests.hub_server.fixture import hub_api, hub_client, local_hub  # noqa: F401
from tests.spaces.pushed import write_pushed
from tests.without_our_package import PREAMBLE

ROOT = Path(__file__).resolve().parents[2]
SPACE = ROOT / "spaces" / "vsi_bench"
MODULES = [
    *("tasks.py", "extract.py", "harness_rules.py", "rules.py", "scoring.py", "bootstrap.py", "summary.py"),
    *("prediction_files.py", "predictions.py"),
]


def test_the_scorer_is_kept_once_and_pushed_byte_for_byte() -> None:
    files = {file.path: file.source for file in plan_push("metric", SPACE, "org/vsi_bench").files}
    for name in MODULES:
        original = ROOT / "ocr_hf" / "vsi_bench" / name
        assert files[name].read_bytes() == original.read_bytes()
        assert len((SPACE / name).read_text().splitlines()) == 3, "a file that stands for a module holds no code"
    code = {path: source.read_text() for path, source in files.items() if path.endswith(".py")}
    assert not [path for path, text in code.items() if re.search(r"^\s*(from|import) ocr_hf", text, re.MULTILINE)]


CHECKS = """
import doctest
import json
import sys

import evaluate

readme, shared = sys.argv[1:]
found = {}
scope = {}
printed = []
exec(readme, {"print": lambda *words: printed.append(" ".join(map(str, words)))})
found["readme"] = printed

metric = evaluate.load("spaces/vsi_bench")
good = dict(predictions=["3"], references=["4"], question_types=["object_counting"], draws=0)
found["accepted"] = []
for change in (
    dict(predictions=["3", "4"]), dict(references=["4", "5"]), dict(question_types=["object_counting"] * 2),
    dict(references=["x"]), dict(references=["nan"]), dict(question_types=["size"]), dict(ids=[1, 2]),
    dict(extraction="lenient"), dict(average="mean"), dict(pruned=[]),
):
    try:
        metric.compute(**{**good, **change})
        found["accepted"].append(str(change))
    except ValueError:
        pass
    assert metric.compute(**good)["overall"] == 60.0, "a refused call must not spoil the next one"
two = dict(predictions=["3", None], references=["4", "4"], question_types=["object_counting"] * 2, draws=0)
found["unparsed"] = metric.compute(**two)["n_unparsed"]
found["only None"] = metric.compute(**{**good, "predictions": [None]})["scores"]
spaced = dict(predictions=[" A", " 4"], references=["A", "4"], question_types=["route_planning", "object_counting"])
found["spaced"] = metric.compute(**spaced, draws=0)["scores"]
found["rules"] = metric.compute(**{**good, "predictions": ["There are 4"], "extraction": "lmms_eval@0.7.3"})["scores"]
examples = doctest.DocTestParser().get_doctest(metric.inputs_description, {"evaluate": evaluate}, "inputs", None, 0)
runner = doctest.DocTestRunner()
runner.run(examples)
found["doctest"] = [runner.tries, runner.summarize(verbose=False).failed]

if shared:
    import pandas
    rows = pandas.read_parquet(shared)
    constants = dict(object_counting="2", object_abs_distance="1.9", object_size_estimation="93",
                     room_size_estimation="16.2")
    results = metric.compute(
        predictions=[constants.get(kind, "A") for kind in rows.question_type], references=rows.ground_truth.tolist(),
        question_types=rows.question_type.tolist(), ids=rows.id.tolist(), pruned=rows.pruned.tolist(),
        scenes=(rows.dataset + "/" + rows.scene_name).tolist(), draws=100)
    found["official"] = [round(results["overall"], 6), results["debiased"]["n"], results["n_scenes"]]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def readme_example() -> str:
    return re.search(r"```python\n(.*?)```", (SPACE / "README.md").read_text(), re.DOTALL)[1]


@pytest.fixture(scope="module", params=["pushed", "checkout"])
def found(request, tmp_path_factory: pytest.TempPathFactory, readme_example: str) -> dict:
    """What a process without network and cache found: with the pushed files and no ocr_hf, or in the checkout."""
    folder, preamble = ROOT, ""
    if request.param == "pushed":
        folder, preamble = tmp_path_factory.mktemp("pushed"), PREAMBLE
        write_pushed("metric", SPACE, folder / "spaces" / "vsi_bench")
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path_factory.mktemp("home")),
        "OMP_NUM_THREADS": "1",
    }
    official = ROOT.parent / "shared" / "vsi_bench" / "test.parquet"
    arguments = [readme_example, str(official) if official.is_file() else ""]
    command = [sys.executable, "-c", preamble + CHECKS, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_the_readme_example_runs_offline(found: dict, readme_example: str) -> None:
    assert found["readme"] == [re.search(r"^# (.*)$", readme_example, re.MULTILINE)[1]]


def test_bad_input_is_refused_and_leaves_the_metric_usable(found: dict) -> None:
    assert found["accepted"] == [] and found["unparsed"] == 1


def test_answers_may_be_missing_spaced_or_read_by_another_rule(found: dict) -> None:
    assert found["only None"] == [0.0] and found["spaced"] == [1.0, 1.0] and found["rules"] == [1.0]


def test_the_documented_example_holds(found: dict) -> None:
    assert found["doctest"] == [3, 0]


def test_scores_the_official_set_as_the_package_does(found: dict, shared: Path) -> None:
    assert found["official"] == [33.974153, 2362, 288]


def test_loads_from_the_hub_by_revision(hub_api, hub_client) -> None:  # noqa: F811
    done = push(plan_push("metric", SPACE, "org/vsi_bench"), hub_api())
    assert set(done.changed) >= {"README.md", "app.py", "requirements.txt", "vsi_bench.py", *MODULES}
    source = f"""
import evaluate
metric = evaluate.load("org/vsi_bench", revision={done.commit!r})
print(metric.compute(predictions=["3"], references=["4"], question_types=["object_counting"], draws=0)["overall"])
"""
    assert hub_client(PREAMBLE + source).split() == ["60.0"]
