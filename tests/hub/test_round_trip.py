"""The whole way over HTTP: build, push, load, train with push_to_hub, evaluate, push the card, pull again by tag."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

from ocr_hf.cards.model_card import write_model_card
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.schema import features
from ocr_hf.hub.download import pull
from ocr_hf.hub.push_plan import plan_push
from ocr_hf.hub.upload import push
from ocr_hf.models.load_model import load_model
from ocr_hf.models.media import encode_video, model_inputs, prompt_ids
from ocr_hf.models.tiny import build_tiny
from tests.hub.test_push import contents, sent
from tests.hub_server.fixture import ROOT
from tests.without_our_package import PREAMBLE

DATA, MODEL = "org/ocr-vsi", "org/ocr-tiny"

LOAD = """
import hashlib, json
from datasets import Video, load_dataset

def digest(row, column):
    return hashlib.sha256(open(row[column]["path"], "rb").read()).hexdigest()

told = {}
for config in ("pairs", "recipes"):
    stored = load_dataset("org/ocr-vsi", config, revision="v1")
    streamed = load_dataset("org/ocr-vsi", config, revision="v1", streaming=True)
    for split, rows in stored.items():
        videos = [name for name, kind in rows.features.items() if isinstance(kind, Video)]
        features = repr(rows.features)
        for name in videos:
            rows = rows.cast_column(name, Video(decode=False))
        along = list(streamed[split].decode(False))
        plain = [{k: v for k, v in row.items() if k not in videos} for row in rows]
        assert plain == [{k: v for k, v in row.items() if k not in videos} for row in along]
        told[f"{config}/{split}"] = {
            "features": features,
            "ids": rows["id"][:],
            "videos": sorted({digest(row, name) for row in rows for name in videos}),
        }
assert load_dataset("org/ocr-vsi", split="train")[0]["vanilla"][0].shape == (3, 72, 96)
print(json.dumps(told))
"""


def run_module(hub, *arguments, cwd):
    environment = {**hub.environment(), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def logits(folder: Path) -> torch.Tensor:
    loaded = load_model(folder, device="cpu", dtype="float32")
    frames = np.random.Generator(np.random.Philox(1)).integers(0, 255, (4, 56, 56, 3), dtype=np.uint8)
    video = encode_video(loaded.processor, frames, fps=1.0)
    chat = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "How many chairs?"}]}]
    ids = torch.tensor([prompt_ids(loaded.processor, chat, [video])])
    with torch.no_grad():
        return loaded.model(**model_inputs(loaded.model, loaded.processor, ids, [video])).logits


@pytest.mark.slow
def test_build_push_load_train_evaluate_card_and_pull(local_hub, hub_api, hub_client, tmp_path):
    api = hub_api()

    # Build and push the data set.
    built = tmp_path / "ocr-vsi"
    small = {"rooms": 1, "frames": 4, "seconds": 8.0, "width": 96, "height": 72}
    manifest = build_folder(BuildConfig(scenes=2, test=0.5, seed=1, **small), built)
    splits = manifest["statistics"]["splits"]
    assert set(splits) == {"train", "test"}
    push(plan_push("dataset", built, DATA), api, tag="v1")

    # Load it: every config and split, stored and streamed; same rows, same bytes, same schema.
    told = json.loads(hub_client(LOAD))
    assert set(told) == {f"{config}/{split}" for config in ("pairs", "recipes") for split in splits}
    for name, found in told.items():
        config, split = name.split("/")
        variants = ("vanilla", "noisy") if config == "pairs" else ("vanilla",)
        videos = [path for variant in variants for path in (built / split / variant).rglob("*.mp4")]
        assert found["features"] == repr(features(config)) and len(found["ids"]) == splits[split]["rows"]
        assert found["videos"] == sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in videos)

    # Train on it and push the model from the trainer.
    tiny, trained = build_tiny(tmp_path / "tiny", "0.2M"), tmp_path / "trained"
    options = {
        "data": DATA,
        "data_revision": "v1",
        "model": tiny,
        "output_dir": trained,
        "limit": 4,
        "max_steps": 1,
        "frames": 4,
        "max_pixels": 12544,
        "num_generations": 4,
        "per_device_train_batch_size": 4,
        "max_completion_length": 8,
        "use_cpu": "true",
        "bf16": "false",
        "report_to": "none",
        "push_to_hub": "true",
        "hub_model_id": MODEL,
    }
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    run_module(local_hub, "ocr_hf.train.grpo", *flags, cwd=tmp_path)
    api.create_tag(MODEL, tag="trained")

    # Evaluate the pushed model on the pushed data, both by id and revision.
    where = ["--model", MODEL, "--revision", "trained", "--data", DATA, "--data-revision", "v1", "--split", "test"]
    asked = ["--frames", 4, "--limit", 6, "--audit", "queried_noised", "--audit", "context_noised"]
    run_module(local_hub, "ocr_hf.cli", "eval", *where, *asked, "--out", "evaluation", cwd=tmp_path)
    results = json.loads((tmp_path / "evaluation" / "results.json").read_text())
    assert results["settings"]["model_revision"] == api.repo_info(MODEL, revision="trained").sha

    # Render the card from what was measured, push it: the weights are there already and are not sent again.
    write_model_card(trained, MODEL, evaluations=[tmp_path / "evaluation"], revision="v1")
    local_hub.traffic.clear()
    pushed = push(plan_push("model", trained, MODEL), api, tag="v1")
    assert "README.md" in pushed.changed and "model.safetensors" not in pushed.changed
    assert local_hub.traffic.received("PUT /storage") == 0

    # Pull it again by tag: same bytes, same logits, a card that says what was measured, a snippet that runs.
    pulled = pull("model", MODEL, tmp_path / "pulled", api, revision="v1")
    local = contents(trained)
    assert {path: local[path] for path in pulled.files} == contents(pulled.folder)
    assert torch.equal(logits(pulled.folder), logits(trained))
    card = ModelCard.load(pulled.folder / "README.md")
    assert card.data.eval_results[0].metric_value == results["overall"]
    assert card.data.datasets == [DATA]
    shutil.copyfile(next((built / "test" / "vanilla").rglob("*.mp4")), tmp_path / "room.mp4")
    snippet = re.search(r"```python\n(.*?)```", card.content, re.DOTALL).group(1)
    assert f'from_pretrained("{MODEL}", revision="v1")' in snippet
    hub_client(PREAMBLE + snippet + "assert answer.shape[0] == 1\n")
    data = pull("dataset", DATA, tmp_path / "data", api, revision="v1")
    assert contents(data.folder) == sent(plan_push("dataset", built, DATA))
    assert local_hub.unserved() == []
