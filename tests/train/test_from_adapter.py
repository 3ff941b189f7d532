"""Training goes on from a LoRA adapter: base and adapter are merged first, and that is what is trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from ocr_hf.cli import main as command
from ocr_hf.models import merge
from ocr_hf.models.load_model import load_model
from ocr_hf.models.merge import merged_folder
from ocr_hf.models.model_files import ModelLoadError
from ocr_hf.models.tiny import build_tiny
from ocr_hf.settings.run_command import call
from ocr_hf.train.config import ModelArguments, OCRGRPOConfig
from ocr_hf.train.grpo import main
from ocr_hf.train.run import starting_point
from tests.train.test_processes import launch


@pytest.fixture(scope="module")
def adapter(tiny_folder, tmp_path_factory) -> Path:
    """An adapter of the tiny model that changes its attention."""
    from peft import LoraConfig, get_peft_model

    out = tmp_path_factory.mktemp("adapter")
    tuned = get_peft_model(load_model(tiny_folder, device="cpu").model, LoraConfig(target_modules=["q_proj"], r=4))
    tuned.save_pretrained(out)
    train_again(out, 0.1)
    return out


def train_again(adapter: Path, value: float) -> None:
    """Give an adapter other weights in place, in a file of the same size."""
    file = adapter / "adapter_model.safetensors"
    stored = load_file(file)
    save_file(
        {name: torch.full_like(weight, value) if "lora_B" in name else weight for name, weight in stored.items()},
        file,
        metadata={"format": "pt"},
    )


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


def test_an_adapter_that_was_trained_again_is_merged_anew(adapter, tmp_path, caplog):
    """Under the same path; but a run that goes on from a checkpoint keeps what the checkpoint was trained from."""
    own, args = tmp_path / "sft_out", OCRGRPOConfig(str(tmp_path / "grpo"), use_cpu=True, bf16=False)
    shutil.copytree(adapter, own)

    def started(checkpoint: str | None) -> dict[str, torch.Tensor]:
        return weights(Path(starting_point(ModelArguments(model=str(own)), args, checkpoint).model))

    def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
        return all(torch.equal(value, other[name]) for name, value in one.items())

    former = started(None)
    train_again(own, 0.2)
    retrained = weights(own)
    assert not equal(former, retrained)
    assert equal(started("grpo/checkpoint-1"), former)
    assert f"'{own}' is another than this run began from; the run goes on from that one" in caplog.text
    assert equal(started(None), retrained)
    config = json.loads((own / "adapter_config.json").read_text())
    (own / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": 64}))
    assert equal(started(None), weights(own)) and not equal(started(None), retrained)


def test_a_record_that_is_none_is_merged_anew(adapter, tmp_path):
    out = merged_folder(adapter, None, tmp_path / "merged", "float32")
    whole = (out / "merged_from.json").read_text()
    for damaged in ("", "[]", "null"):
        (out / "merged_from.json").write_text(damaged)
        merged_folder(adapter, None, out, "float32", resumed=True)
        assert (out / "merged_from.json").read_text() == whole


def test_of_machines_that_share_a_disk_the_first_ones_folder_stays(adapter, tmp_path, monkeypatch):
    """It is read from the moment that it is there: a second machine must not take it away for one of its own."""
    out, ours = tmp_path / "merged", merge.write_merged

    def after_another_machine(source, folder, *args):
        ours(source, folder, *args)
        monkeypatch.setattr(merge, "write_merged", ours)
        merged_folder(source, None, out, "float32")
        (out / "read").touch()

    monkeypatch.setattr(merge, "write_merged", after_another_machine)
    monkeypatch.setattr(merge.os, "getpid", iter(range(1, 100)).__next__)
    assert merged_folder(adapter, None, out, "float32") == out and (out / "read").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_every_machine_writes_its_own_merged_model(adapter, tmp_path):
    """Machines that share no disk: transformers itself saves on the first process of all only."""
    launch(2, [str(adapter), str(tmp_path)], "merge_on_each.py")
    first, second = (weights(tmp_path / str(rank)) for rank in (0, 1))
    assert first and all(torch.equal(value, second[name]) for name, value in first.items())


def test_merge_by_hand(adapter, tmp_path, capsys):
    """`ocr-hf merge` writes one model; what is at its place, no adapter, or one of another model is refused."""
    out = tmp_path / "whole"
    with pytest.raises(SystemExit) as ended:
        command(["merge", str(adapter), str(out)])
    assert not ended.value.code and "wrote one model of" in capsys.readouterr().out
    merged, beside = weights(out), weights(adapter)
    assert all(torch.equal(value, beside[name]) for name, value in merged.items())
    assert not list(out.glob("adapter*"))
    larger = build_tiny(tmp_path / "larger", "1M")
    config = json.loads((adapter / "adapter_config.json").read_text())
    foreign = tmp_path / "foreign"
    shutil.copytree(adapter, foreign)
    (foreign / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(larger)}))
    for source, place, words in (
        (adapter, out, "exists; remove it, or give another name"),
        (out, tmp_path / "other", "is no adapter and holds no weights in parts"),
        (foreign, tmp_path / "other", "doesn't fit the base that it names"),
    ):
        with pytest.raises(SystemExit) as ended:
            command(["merge", str(source), str(place)])
        assert ended.value.code == 1 and words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "other").exists()


def test_a_base_that_is_gone_is_named_with_the_adapter(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path / "gone")}))
    (tmp_path / "adapter_model.safetensors").touch()
    with pytest.raises(ModelLoadError, match=f"adapter '{tmp_path}' names a base .* '{tmp_path}/gone' .* a copy of"):
        load_model(tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[", "adapter_config.json that is not JSON .*; save it with"),
        ("[]", "does not name its base model; set base_model_name_or_path"),
        ('{"base_model_name_or_path": ["base"]}', r"by \['base'\], which is no text; correct base_model_name_or_path"),
        ('{"base_model_name_or_path": "base", "revision": 7}', "by 7, which is no text; correct revision in"),
    ],
)
def test_an_adapter_whose_base_cant_be_read_is_named(config, words, tmp_path):
    (tmp_path / "adapter_config.json").write_text(config)
    (tmp_path / "adapter_model.safetensors").touch()
    with pytest.raises(ModelLoadError, match=f"the adapter '{tmp_path}' .*{words}"):
        load_model(tmp_path, device="cpu")


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
