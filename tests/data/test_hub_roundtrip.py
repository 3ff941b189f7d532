"""A built folder, pushed: the same two words load it from the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.hub_server.fixture import hub_client, local_hub  # noqa: F401

SOURCE = """
import json, sys
from huggingface_hub import HfApi
from datasets import load_dataset
from ocr_hf.data.load import load
from ocr_hf.data.schema import features
from ocr_hf.data.video import read_frames

api = HfApi()
api.create_repo("org/ocr-vsi", repo_type="dataset")
api.upload_folder(folder_path=sys.argv[1], repo_id="org/ocr-vsi", repo_type="dataset")
seen = {}
for config in (None, "pairs", "recipes"):
    for streaming in (False, True):
        rows = load_dataset("org/ocr-vsi", *([config] if config else []), split="train", streaming=streaming)
        assert rows.features == features(config or "pairs")
        found = list(rows)
        assert all(len(row["vanilla"]) == 4 for row in found)
        seen[f"{config} {streaming}"] = [[row["id"], row["question"]] for row in found]
first = next(iter(load("org/ocr-vsi", split="train", streaming=True)))
local = next(iter(load(sys.argv[1], split="train", streaming=True)))
for name in ("vanilla", "noisy"):
    assert (read_frames(first[name])[0] == read_frames(local[name])[0]).all()
print(json.dumps(seen))
"""


@pytest.mark.real_scenes
@pytest.mark.slow
@pytest.mark.usefixtures("local_hub")
def test_load_dataset_from_the_hub(built: Path, hub_client) -> None:  # noqa: ANN001, F811
    pytest.importorskip("torchcodec")
    source = f"import sys; sys.argv = ['', {str(built)!r}]\n{SOURCE}"
    seen = json.loads(hub_client(source).splitlines()[-1])
    table = pq.read_table(built / "train/metadata.parquet", columns=["id", "question"]).to_pydict()
    rows = [list(row) for row in zip(table["id"], table["question"], strict=True)]
    assert len(seen) == 6
    for name, found in seen.items():
        assert found == rows, name
