"""Which weights were asked: every byte counts, and no hash that is kept is a stale one."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from ocr_hf.cli import main
from ocr_hf.vsi_bench import model_hash
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.model_hash import file_hashes, folder_hash, former_hash
from ocr_hf.vsi_bench.runner import run_evaluation
from tests.vsi_bench.conftest import questions


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Where hashes are kept; files of any size are, however young."""
    place = tmp_path / "home" / "file_hashes.json"
    monkeypatch.setattr(model_hash, "_kept_place", lambda: place)
    monkeypatch.setattr(model_hash, "KEPT_FROM", 1)
    monkeypatch.setattr(model_hash, "SETTLED_S", -1.0)
    return place


@pytest.fixture
def folder(tmp_path) -> Path:
    """A model of 4 MiB: larger than both edges that the former hash read."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(bytes(4 << 20))
    for name in ("config.json", "chat_template.jinja", "merges.txt"):
        (folder / name).write_text("{}")
    return folder


def flip(path: Path, place: int) -> None:
    """Change one byte and set the file's times back, as a tool that hides its traces would."""
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("place", [0, 2 << 20, (4 << 20) - 1])
def test_any_byte_of_the_weights_changes_the_hash(folder, home, place) -> None:
    before, former = folder_hash(folder), former_hash(folder)
    assert folder_hash(folder) == before and before.startswith("sha256:")
    flip(folder / "model.safetensors", place)
    assert folder_hash(folder) != before
    assert (former_hash(folder) == former) == (place == 2 << 20), "why the former one had to go"


@pytest.mark.parametrize("name", ["config.json", "chat_template.jinja", "merges.txt"])
def test_so_do_the_files_of_the_tokenizer(folder, home, name) -> None:
    before = folder_hash(folder)
    (folder / name).write_text("[]")
    assert folder_hash(folder) != before
    (folder / name).rename(folder / f"other{Path(name).suffix}")
    assert folder_hash(folder) != before


def test_the_card_and_other_folders_do_not(folder, home) -> None:
    before = folder_hash(folder)
    (folder / "README.md").write_text("# a card")
    (folder / "sources").mkdir()
    (folder / "sources" / "results.json").write_text("{}")
    assert folder_hash(folder) == before


def test_a_hash_is_taken_once_and_again_after_any_change(folder, home, monkeypatch) -> None:
    weights, taken = folder / "model.safetensors", []
    original = model_hash._hash
    monkeypatch.setattr(model_hash, "_hash", lambda path: taken.append(path) or original(path))
    first = file_hashes([weights])
    assert file_hashes([weights]) == first and len(taken) == 1
    time.sleep(0.05)  # one tick of the kernel's clock for file times
    flip(weights, 2 << 20)
    assert file_hashes([weights]) != first and len(taken) == 2
    home.write_text("nonsense")
    monkeypatch.setenv(model_hash.HASH_ALL, "1")
    file_hashes([weights])
    assert len(taken) == 3


def test_a_file_that_has_just_changed_is_not_kept(folder, home, monkeypatch) -> None:
    monkeypatch.setattr(model_hash, "SETTLED_S", 60.0)
    file_hashes([folder / "model.safetensors"])
    assert not home.exists()


def test_a_run_is_not_continued_with_other_weights(lively_model, make_vsi_bench, tmp_path) -> None:
    model, out = Path(shutil.copytree(lively_model, tmp_path / "tiny")), tmp_path / "out"
    config = EvalConfig(model=str(model), data=str(make_vsi_bench()), frames=2, limit=2, max_new_tokens=2, draws=0)
    run_evaluation(config, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    weights = model / "model.safetensors"
    flip(weights, weights.stat().st_size // 2)
    with pytest.raises(
        ValueError, match=r"a run with model_revision = 'sha256:.*so name the model that it was begun with"
    ):
        run_evaluation(config, out)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before, "nothing is lost"


def test_a_run_knows_its_libraries(lively_model, make_vsi_bench, tmp_path, monkeypatch) -> None:
    from ocr_hf.vsi_bench import runner

    out = tmp_path / "out"
    config = EvalConfig(
        model=str(lively_model), data=str(make_vsi_bench()), frames=2, limit=2, max_new_tokens=2, draws=0
    )
    results = run_evaluation(config, out)
    stored = json.loads((out / "run.json").read_text())
    assert stored["libraries"] == results["settings"]["libraries"] and stored["libraries"]["transformers"]
    monkeypatch.setattr(runner, "library_versions", lambda: {**stored["libraries"], "torch": "9.9"})
    with pytest.raises(ValueError, match=r"libraries torch \d.*, now it is torch 9.9; .*install the versions"):
        run_evaluation(config, out)


def test_scoring_a_file_records_its_hash_and_leaves_runs_alone(make_vsi_bench, tmp_path) -> None:
    import hashlib

    answers, data = tmp_path / "answers.json", make_vsi_bench()
    answers.write_text(json.dumps({row["id"]: "1" for row in questions()}))
    command = ["eval", "--predictions", str(answers), "--data", str(data), "--draws", "0", "--out"]
    with pytest.raises(SystemExit) as ended:
        main([*command, str(tmp_path / "out")])
    assert ended.value.code == 0
    stored = json.loads((tmp_path / "out" / "run.json").read_text())
    assert stored["predictions_sha256"] == hashlib.sha256(answers.read_bytes()).hexdigest()
    assert stored["libraries"]["ocr-hf"] and stored["missing"] == "zero" and stored["average"] == "macro"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"model_revision": "sha256:0"}')
    with pytest.raises(SystemExit) as ended:
        main([*command, str(tmp_path / "run")])
    assert ended.value.code == 1 and not (tmp_path / "run" / "results.json").exists()
