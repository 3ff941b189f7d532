"""Training goes on from a LoRA adapter: base and adapter are merged first, and that is what is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from ocr_hf.models.load_model import load_model
from ocr_hf.models.merge import merged_folder
from ocr_hf.settings.run_command import call
from ocr_hf.train.grpo import main


@pytest.fixture(scope="module")
def adapter(tiny_folder, tmp_path_factory) -> Path:
    """An adapter of the tiny model that changes its attention."""
    from peft import LoraConfig, get_peft_model

    out = tmp_path_factory.mktemp("adapter")
    tuned = get_peft_model(load_model(tiny_folder, device="cpu").model, LoraConfig(target_modules=["q_proj"], r=4))
    with torch.no_grad():
        for name, value in tuned.named_parameters():
            if "lora_B" in name:
                value.fill_(0.1)
    tuned.save_pretrained(out)
    return out


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder, device="cpu", dtype="float32").model.state_dict()


def test_the_merged_folder_is_the_adapter_on_its_base_and_made_once(adapter, tiny_folder, tmp_path):
    out = merged_folder(adapter, None, tmp_path / "merged", "float32")
    merged, beside, base = weights(out), weights(adapter), weights(tiny_folder)
    assert all(torch.equal(value, beside[name]) for name, value in merged.items())
    assert any(not torch.equal(value, base[name]) for name, value in merged.items())
    before = (out / "model.safetensors").stat().st_mtime_ns
    assert merged_folder(adapter, None, out, "float32") == out
    assert (out / "model.safetensors").stat().st_mtime_ns == before
    (out / "merged_from.json").write_text(json.dumps({"adapter": "another"}))
    merged_folder(adapter, None, out, "float32")
    assert (out / "model.safetensors").stat().st_mtime_ns != before


@pytest.mark.slow
def test_training_starts_from_the_merged_model(adapter, dataset_folder, tmp_path):
    options = {
        "data": dataset_folder,
        "model": adapter,
        "output_dir": tmp_path / "out",
        "max_steps": 1,
        "limit": 2,
        "learning_rate": 0.0,
        "frames": 4,
        "num_generations": 2,
        "per_device_train_batch_size": 2,
        "max_completion_length": 4,
        "use_cpu": "true",
        "bf16": "false",
        "report_to": "none",
        "save_strategy": "no",
        "beta": 0.1,
    }
    trainer = call(main, [str(word) for name, value in options.items() for word in (f"--{name}", value)], "grpo")
    start = weights(adapter)
    for model in (trainer.model, trainer.ref_model):
        trained = trainer.accelerator.unwrap_model(model).state_dict()
        assert all(torch.equal(value, start[name]) for name, value in trained.items())
    assert all(torch.equal(value, start[name]) for name, value in weights(tmp_path / "out").items())
    resolved = yaml.safe_load((tmp_path / "out" / "resolved_config.yaml").read_text())
    assert resolved["model"]["model"] == str(adapter)
