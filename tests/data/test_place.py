"""`load_dataset("ocr-vsi")` opens the folder that is there, with one cache for folders rebuilt, copied, moved, edited.

`datasets` finds cached rows by the folder's name and YAML only, so each case first fills the cache with another's rows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ocr_hf.cli import main
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.load import load
from ocr_hf.data.place import PLACE, folder_key, record_place
from ocr_hf.data.video import read_frames
from tests.data.conftest import small_config

PLAIN = """
import json, os, sys
from datasets import Video, load_dataset

found = []
for parent, config, streaming in json.load(sys.stdin):
    os.chdir(parent)
    rows = load_dataset("ocr-vsi", *config, split="train", streaming=streaming)
    rows = rows.decode(False) if streaming else rows.cast_column("vanilla", Video(decode=False))
    if config != ["recipes"] and not streaming:
        rows = rows.cast_column("noisy", Video(decode=False))
    row = next(iter(rows))
    found.append([row["vanilla"]["path"], row.get("noisy", {}).get("path"), row["question"]])
json.dump(found, sys.stdout)
"""
CALLS = [([], False), (["recipes"], False), ([], True), (["recipes"], True)]


def plain(cache: Path, *parents: Path) -> list[list[str]]:
    """Call plain `load_dataset("ocr-vsi")` in a fresh interpreter, in each parent: both configs, streaming or not.

    Returns [path of the first row's vanilla video, of its noisy one, its question] for each call.
    """
    done = subprocess.run(
        [sys.executable, "-c", PLAIN],
        input=json.dumps([(str(parent), *call) for parent in parents for call in CALLS]),
        env={**os.environ, "HF_DATASETS_CACHE": str(cache), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def is_of(found: list[list[str]], folder: Path) -> bool:
    """Whether the videos of each call are there, in `folder`."""
    paths = [Path(path) for vanilla, noisy, _ in found for path in (vanilla, noisy) if path]
    return all(path.is_relative_to(folder) and path.is_file() for path in paths)


def edit(folder: Path, question: str) -> None:
    """Change the first question in the metadata of both configs."""
    for path in folder.rglob("metadata.parquet"):
        table = pq.read_table(path)
        questions = pa.array([question, *table["question"].to_pylist()[1:]])
        pq.write_table(table.set_column(table.schema.get_field_index("question"), "question", questions), path)


def test_plain_load_dataset_opens_the_folder_that_is_there(tmp_path: Path) -> None:
    """Equal builds, so equal cards: without a key of its own each would be given the rows of `first`."""
    first, again, copied, moved, edited = (tmp_path / name / "ocr-vsi" for name in "abcde")
    for folder in (first, edited, staying := tmp_path / "f" / "ocr-vsi"):
        build_folder(small_config(scenes=1), folder)
    before = [first, edited, staying]
    found = plain(tmp_path / "cache", *(folder.parent for folder in before))
    assert all(is_of(found[4 * i : 4 * i + 4], folder) for i, folder in enumerate(before))
    build_folder(small_config(scenes=1), again)
    shutil.copytree(first, copied)
    shutil.rmtree(first)
    moved.parent.mkdir()
    staying.rename(moved)
    edit(edited, "Is this new?")
    assert all(map(record_place, (copied, moved, edited))) and not record_place(again)
    after = [again, copied, moved, edited]
    found = plain(tmp_path / "cache", *(folder.parent for folder in after))
    for i, folder in enumerate(after):
        assert is_of(found[4 * i : 4 * i + 4], folder)
        assert {question == "Is this new?" for *_, question in found[4 * i : 4 * i + 4]} == {folder == edited}


def test_our_loader_needs_no_record(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    first, copied, moved = (tmp_path / name / "ocr-vsi" for name in "abc")
    shutil.copytree(built, first)
    for config in ("pairs", "recipes"):
        load(first, config, split="train")
    shutil.copytree(first, copied)
    edit(copied, "Is this new?")
    shutil.rmtree(first)
    moved.parent.mkdir()
    for folder in (copied, moved):
        if folder == moved:
            copied.rename(moved)
        for config in ("pairs", "recipes"):
            for streaming in (False, True):
                row = next(iter(load(folder, config, split="train", streaming=streaming)))
                assert Path(row["vanilla"]["path"]).is_relative_to(folder)
                assert row["question"] == "Is this new?"


def test_rows_of_a_folder_that_is_gone_say_what_to_do(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    first = tmp_path / "a" / "ocr-vsi"
    shutil.copytree(built, first)
    undecoded = datasets.Video(decode=False)
    datasets.load_dataset(str(first), "recipes", split="train")
    moved = first.rename(tmp_path / "ocr-vsi")
    stale = datasets.load_dataset(str(moved), "recipes", split="train").cast_column("vanilla", undecoded)
    with pytest.raises(FileNotFoundError, match="moved or deleted since: call it with download_mode="):
        read_frames(stale[0]["vanilla"])
    fresh = datasets.load_dataset(str(moved), "recipes", split="train", download_mode="force_redownload")
    assert len(read_frames(fresh.cast_column("vanilla", undecoded)[0]["vanilla"])[0]) == 4


def test_the_record_changes_nothing_but_the_key(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import metadata_load

    recorded = yaml.safe_load((built / PLACE).read_text())
    assert {config.pop("description") for config in recorded["configs"]} == {folder_key(built)}
    assert recorded == {"configs": metadata_load(built / "README.md")["configs"]}
    assert not record_place(built), "it was written by the build"
    copied = shutil.copytree(built, tmp_path / "copy")
    assert folder_key(copied) != folder_key(built)
    for told in ("renewed", "up to date"):
        with pytest.raises(SystemExit) as end:
            main(["place", str(copied)])
        assert not end.value.code and told in capsys.readouterr().out
    (tmp_path / "link").symlink_to(built)
    assert folder_key(tmp_path / "link") == folder_key(built), "one folder by another name"


ABSENT = """
import json, os, sys
from datasets import load_dataset
from ocr_hf.data.load import load
from ocr_hf.data.place import folder_of

os.chdir(sys.argv[1])
there = folder_of(load_dataset("ocr-vsi", split="train"))
os.chdir(sys.argv[2])
rows = load_dataset("ocr-vsi", split="train")  # no folder here: rows of the other one
found = [str(there), str(folder_of(rows))]
for call in (lambda: load_dataset("./ocr-vsi"), lambda: load("ocr-vsi")):
    try:
        call()
        found.append("loaded")
    except Exception as error:
        found.append(str(error))
os.rename(there, f"{there}-moved")
try:
    folder_of(rows)
except FileNotFoundError as error:
    found.append(str(error))
json.dump(found, sys.stdout)
"""


def test_rows_of_a_folder_that_is_not_there_can_be_told(tmp_path: Path) -> None:
    """`datasets` gives them with a warning alone; a path, our `load` and `folder_of` make the difference."""
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
    folder = tmp_path / "here" / "ocr-vsi"
    build_folder(small_config(scenes=1), folder)
    done = subprocess.run(
        [sys.executable, "-c", ABSENT, str(tmp_path / "here"), str(tmp_path / "elsewhere")],
        env={**os.environ, "HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    there, of_rows, by_path, by_load, gone = json.loads(done.stdout)
    assert there == of_rows == str(folder)
    assert "Using the latest cached version" in done.stderr
    assert "./ocr-vsi" in by_path and "no such folder" in by_load
    assert "old cache" in gone and str(folder) in gone
