"""What training pushes loads by its id on another machine: adapters with a base on the Hub, merged ones else."""

from __future__ import annotations

import json

import pytest

from ocr_hf.hub.hub_errors import HubError
from ocr_hf.hub.push_plan import PushPlan
from ocr_hf.hub.repo_files import list_files
from ocr_hf.hub.upload import push
from ocr_hf.models.tiny import build_tiny
from tests.train.clips import make_folder
from tests.without_our_package import PREAMBLE

TRAIN = """
from ocr_hf.settings.run_command import call
from ocr_hf.train import grpo, sft

common = {
    "data": "DATA", "frames": 4, "max_steps": 2, "save_steps": 1, "learning_rate": 0.01, "use_cpu": True, "bf16": False,
    "per_device_train_batch_size": 4, "report_to": "none", "disable_tqdm": True, "push_to_hub": True,
    "use_peft": True, "lora_r": 4, "lora_target_modules": r".*language_model.*q_proj",
}

def train(main, name, **own):
    options = {**common, "output_dir": name, "hub_model_id": f"org/{name}", **own}
    call(main, [str(word) for pair in options.items() for word in (f"--{pair[0]}", pair[1])], name)

train(sft.main, "sft", model="org/base", revision="v1")
train(grpo.main, "grpo", model="org/sft", num_generations=4, max_completion_length=4, rewards="format")
"""
LOAD = """
import torch
from peft import PeftConfig, PeftModel
from transformers import AutoModelForImageTextToText, AutoProcessor

def load(name, revision=None):
    return AutoModelForImageTextToText.from_pretrained(name, revision=revision, dtype="float32")

def differing(one, other):
    other = dict(other.named_parameters())
    return [key for key, value in one.named_parameters() if not torch.equal(value, other[key])]

# transformers alone would put the adapter on whatever its base's main is
config = PeftConfig.from_pretrained("org/sft")
base, below = (load(config.base_model_name_or_path, config.revision) for _ in range(2))
sft = PeftModel.from_pretrained(below, "org/sft").merge_and_unload()
assert differing(base, sft) and all("q_proj" in key for key in differing(base, sft))
# Nothing that these models say is well formed, so GRPO has changed nothing of what it was started from
grpo = dict(load("org/grpo").named_parameters())
for key, value in sft.named_parameters():
    torch.testing.assert_close(grpo[key], value, msg=key)
for name in ("sft", "grpo"):
    AutoProcessor.from_pretrained(f"org/{name}")
"""


@pytest.mark.slow
def test_an_adapter_and_what_was_trained_on_it(hub_api, hub_client, tmp_path):
    """The adapter names the revision of its base; GRPO on it starts from a merged folder and is pushed as one model."""
    api = hub_api()
    api.create_repo("org/base")
    api.upload_folder(repo_id="org/base", folder_path=build_tiny(tmp_path / "first", "0.2M", seed=1))
    api.create_tag("org/base", tag="v1")
    # What main has by now doesn't fit the adapter
    api.upload_folder(repo_id="org/base", folder_path=build_tiny(tmp_path / "second", "0.2M", seed=2))
    data = make_folder(tmp_path / "data")
    (tmp_path / "work").mkdir()
    hub_client(TRAIN.replace("DATA", str(data)), cwd=tmp_path / "work", timeout=1200)
    adapter = json.loads((tmp_path / "work" / "sft" / "adapter_config.json").read_text())
    assert (adapter["base_model_name_or_path"], adapter["revision"]) == ("org/base", "v1")
    files = {name: set(api.list_repo_files(f"org/{name}")) for name in ("sft", "grpo")}
    assert "adapter_model.safetensors" in files["sft"] and "model.safetensors" not in files["sft"]
    assert "model.safetensors" in files["grpo"] and not any("adapter" in file for file in files["grpo"])
    (tmp_path / "elsewhere").mkdir()
    hub_client(PREAMBLE + LOAD, cwd=tmp_path / "elsewhere", timeout=600)


@pytest.mark.parametrize(("base", "revision"), [("org/gone", None), ("org/base", "v9")])
def test_an_adapter_whose_base_is_gone_is_not_pushed(hub_api, tmp_path, base, revision):
    api = hub_api()
    api.create_repo("org/base")
    folder = tmp_path / "adapter"
    folder.mkdir()
    named = {"base_model_name_or_path": base, "revision": revision}
    (folder / "adapter_config.json").write_text(json.dumps(named))
    plan = PushPlan("model", folder, "org/adapter", list_files(folder)[0], ())
    with pytest.raises(HubError, match=f"names the base model '{base}'.* isn't on the Hub .* `ocr-hf merge "):
        push(plan, api)
    assert not api.repo_exists("org/adapter")
