"""A module of the user's adds a source, a mode, a question type and a strategy without a change here.

The module is the code of CONTRIBUTING.md's recipes, so the recipes are executed as well.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ocr_hf.registry import PLUGINS
from tests.train.clips import make_folder

BUILD = {"scenes": 2, "frames": 4, "seconds": 4.0, "width": 96, "height": 72}
OWN = {"source": "cubes", "source_options": {"size_m": 0.6}, "mode": "blackout", "question_types": ["object_height"]}


def recipes(root: Path) -> dict[str, str]:
    """Return file name -> the code blocks of CONTRIBUTING.md that name it in their first line."""
    text = (root / "CONTRIBUTING.md").read_text()
    files: dict[str, str] = {}
    for name, code in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        files[name] = files.get(name, "") + code
    return files


@pytest.fixture(scope="module")
def place(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the user's modules."""
    folder = tmp_path_factory.mktemp("plugins")
    for name, code in recipes(root).items():
        (folder / name).write_text(code)
    return folder


def run(place: Path, *words: object, plugins: str = "") -> subprocess.CompletedProcess:
    environment = os.environ | {
        "PYTHONPATH": f"{place}{os.pathsep}{Path(__file__).parents[1]}",
        PLUGINS: plugins,
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }
    done = subprocess.run(
        [sys.executable, *map(str, words)], env=environment, cwd=place, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def digests(folder: Path) -> dict[str, bytes]:
    files = [item for item in folder.rglob("*") if item.is_file() and item.name != ".huggingface.yaml"]
    # .huggingface.yaml is the local cache key of a folder's place: never published, and another one elsewhere
    return {str(item.relative_to(folder)): item.read_bytes() for item in files}


def test_recipes_are_found(root: Path) -> None:
    assert recipes(root).keys() == {"my_data.py", "my_strategy.py"}


@pytest.mark.slow
def test_a_data_set_of_ones_own_scenes_noise_and_questions(place: Path) -> None:
    """By flags in two worker processes and from YAML in one: the same bytes, and nothing of this machine in them."""
    (place / "build.yaml").write_text(yaml.safe_dump({"plugins": ["my_data"]} | BUILD | OWN))
    run(place, "-m", "ocr_hf.cli", "build", "--config", "build.yaml", "--out", "by_yaml")
    flags = ["--plugin", "my_data"]
    flags += [word for name, value in BUILD.items() for word in (f"--{name}", value)]
    flags += ["--source", "cubes", "--source-options", "size_m=0.6", "--mode", "blackout"]
    flags += ["--question-types", "object_height", "--num-proc", "2"]
    run(place, "-m", "ocr_hf.cli", "build", *flags, "--out", "by_flags")
    made = digests(place / "by_yaml")
    assert made == digests(place / "by_flags")
    assert not any(str(place).encode() in content for content in made.values())
    manifest = json.loads(made["ocr_vsi.json"])
    assert manifest["config"]["source_options"] == {"size_m": 0.6} and manifest["statistics"]["skipped_clips"] == {}
    rows = pyarrow_rows(place / "by_yaml" / "train" / "metadata.parquet")
    assert {row["question_type"] for row in rows} == {"object_height"}
    assert {row["ground_truth"] for row in rows} == {"60"}, "cubes of 0.6 m are 60 cm high"
    assert {(row["mode"], row["dataset"]) for row in rows} == {("blackout", "cubes")}


def test_help_and_questions_know_what_a_plugin_registers(place: Path) -> None:
    text = run(place, "-m", "ocr_hf.cli", "build", "--plugin", "my_data", "-h").stdout
    text = " ".join(text.replace("│", " ").split())
    named = ("procedural, furnished, mesh, recorded, scans, cubes", "jitter, blackout", "object_height")
    assert all(word in text for word in named)
    words = ("cubes:3", "--plugin", "my_data", "--question-types", "object_height", "--json")
    told = json.loads(run(place, "-m", "ocr_hf.cli", "questions", *words).stdout)
    assert told["scene_name"] == "cubes_000003" and [row["ground_truth"] for row in told["questions"]] == ["50"] * 2


def pyarrow_rows(file: Path) -> list[dict]:
    import pyarrow.parquet as pq

    return pq.read_table(file).to_pylist()


@pytest.mark.slow
def test_two_steps_with_a_strategy_of_ones_own(place: Path, tmp_path: Path) -> None:
    from ocr_hf.models.tiny import build_tiny

    settings = {
        "data": str(make_folder(tmp_path / "data")),
        "model": str(build_tiny(tmp_path / "tiny", "0.2M")),
        "output_dir": str(tmp_path / "run"),
        "strategy": "late_shuffle",
        "use_cpu": True,
        "bf16": False,
        "per_device_train_batch_size": 4,
        "num_generations": 4,
        "max_completion_length": 8,
        "frames": 4,
        "max_steps": 2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
    }
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(settings))
    words = ["--config", tmp_path / "train.yaml", "--strategy_options", "from_step=1"]
    run(place, "-m", "ocr_hf.train.grpo", *words, plugins="my_strategy")
    saved = yaml.safe_load((tmp_path / "run" / "resolved_config.yaml").read_text())["training"]
    assert (saved["strategy"], saved["strategy_options"], saved["num_noisy"]) == ("late_shuffle", {"from_step": 1}, 2)
    history = json.loads((tmp_path / "run" / "trainer_state.json").read_text())["log_history"]
    assert [entry["noise/area"] for entry in history if "noise/area" in entry] == [0.0, 1.0]
