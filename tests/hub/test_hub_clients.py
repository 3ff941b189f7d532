"""The hub server under the libraries built on `huggingface_hub`: datasets, transformers, evaluate."""

import hashlib
import json

import av
import numpy as np
import pytest

from tests.hub_server.accounts import Account

CARD = """---
license: apache-2.0
configs:
- config_name: pairs
  data_files: [{split: train, path: "pairs/train/**"}, {split: test, path: "pairs/test/**"}]
  default: true
- config_name: recipes
  data_files: [{split: train, path: "recipes/train/**"}]
---
# Clips
"""

METRIC = """
import datasets
import evaluate


class Share(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})
        return evaluate.MetricInfo(description="share", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        return {"share": sum(p == r for p, r in zip(predictions, references)) / len(references) + %s}
"""


def write_clip(path, seed, frames=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        rng = np.random.Generator(np.random.Philox(seed))
        for _ in range(frames):
            picture = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def write_folder(root, config, split, clips, names):
    folder = root / config / split
    rows = []
    for clip in range(clips):
        files = {f"{name}_file_name": f"clips/{clip:03d}_{name}.mp4" for name in names}
        for name, file in zip(names, files.values(), strict=True):
            write_clip(folder / file, clip * 10 + len(name))
        rows += [{**files, "id": 2 * clip + k, "question": f"How many chairs ({k})?"} for k in range(2)]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def pushed_folder(tmp_path, hub_api):
    """A dataset in VideoFolder layout on the hub: two rows to a clip, two configurations, two revisions."""
    root = tmp_path / "folder"
    write_folder(root, "pairs", "train", 3, ("vanilla", "noisy"))
    write_folder(root, "pairs", "test", 1, ("vanilla", "noisy"))
    write_folder(root, "recipes", "train", 2, ("vanilla",))
    (root / "README.md").write_text(CARD)
    api = hub_api()
    api.create_repo("org/clips", repo_type="dataset")
    api.upload_folder(repo_id="org/clips", repo_type="dataset", folder_path=root)
    api.create_tag("org/clips", tag="v1", repo_type="dataset")
    api.delete_folder("recipes", "org/clips", repo_type="dataset")
    return root


@pytest.mark.slow
def test_datasets_loads_every_config_streaming_and_revision(pushed_folder, local_hub, hub_client):
    printed = hub_client(
        """
import hashlib
from datasets import Video, get_dataset_config_names, load_dataset

pairs = load_dataset("org/clips", "pairs", revision="v1")
print({split: len(rows) for split, rows in pairs.items()}, sorted(pairs["train"].column_names))
print(get_dataset_config_names("org/clips", revision="v1"))
recipes = load_dataset("org/clips", "recipes", revision="v1", split="train")
streamed = load_dataset("org/clips", split="train", revision="v1", streaming=True)
rows = list(streamed.cast_column("vanilla", Video(decode=False)))
kept = list(pairs["train"].cast_column("vanilla", Video(decode=False)))
assert [row["id"] for row in rows] == [row["id"] for row in kept] == list(range(6))
print(len(recipes), next(iter(streamed))["noisy"][0].shape)
print(hashlib.sha256(open(kept[4]["vanilla"]["path"], "rb").read()).hexdigest())
"""
    )
    lines = printed.splitlines()
    assert lines[0] == "{'train': 6, 'test': 2} ['id', 'noisy', 'question', 'vanilla']"
    assert lines[1] == "['pairs', 'recipes']"
    assert lines[2] == "4 torch.Size([3, 48, 64])"
    clip = pushed_folder / "pairs/train/clips/002_vanilla.mp4"
    assert lines[3] == hashlib.sha256(clip.read_bytes()).hexdigest()


def test_a_wrong_token_and_a_missing_config_are_told_apart(pushed_folder, hub_client):
    source = "from datasets import load_dataset; load_dataset('org/clips', 'recipes')"
    with pytest.raises(AssertionError, match="Invalid credentials|Dataset 'org/clips' doesn't exist on the Hub"):
        hub_client(source, account=Account("tester", "wrong-token"))
    with pytest.raises(AssertionError, match="corresponds to no data"):
        hub_client(source)  # the configuration's files left main after v1


@pytest.mark.slow
def test_transformers_and_evaluate_load_by_revision(hub_api, hub_client, local_hub):
    api = hub_api()
    api.create_repo("org/share", repo_type="space", space_sdk="gradio")
    for version in (0, 1):
        source = (METRIC % version).encode()
        api.upload_file(repo_id="org/share", repo_type="space", path_or_fileobj=source, path_in_repo="share.py")
        api.create_tag("org/share", tag=f"v{version}", repo_type="space")
    printed = hub_client(
        """
import evaluate
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

for revision in ("v0", "v1", "main"):
    metric = evaluate.load("org/share", revision=revision)
    print(metric.compute(predictions=["a", "b"], references=["a", "c"])["share"])
config = Qwen2Config(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
                     num_key_value_heads=2, vocab_size=32)
model = Qwen2ForCausalLM(config)
model.push_to_hub("org/tiny", private=True)
first = model.state_dict()
again = Qwen2ForCausalLM.from_pretrained("org/tiny", revision="main").state_dict()
assert first.keys() == again.keys() and all(torch.equal(first[key], again[key]) for key in first)
"""
    )
    assert printed.split() == ["0.5", "1.5", "1.5"]
    assert local_hub.unserved() == []
