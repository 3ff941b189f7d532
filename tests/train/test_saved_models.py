"""What a run leaves is whole: it loads without this package, and a run that was stopped ends as if it had not been.

Two processes over gloo, on the CPU: DDP, and FSDP2 with checkpoints in one file and in parts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ocr_hf.hub.check_model import check_model, is_training_state
from ocr_hf.hub.repo_files import list_files
from ocr_hf.models.load_model import load_model
from ocr_hf.models.merge import merge
from ocr_hf.models.model_files import ModelLoadError
from ocr_hf.train.checkpoints import ADAPTER
from tests.train.fsdp_on_cpu import FSDP2
from tests.train.test_processes import launch
from tests.without_our_package import PREAMBLE

FULL, PARTS = "FULL_STATE_DICT", "SHARDED_STATE_DICT"
CASES = {
    "ddp": {"sharding": "none"},
    "ddp_lora": {"sharding": "none", "lora": True},
    "fsdp_full": {"sharding": FULL, "freeze_vision": False},
    "fsdp_full_lora": {"sharding": FULL, "lora": True, "base": "org/tiny"},
    "fsdp_parts": {"sharding": PARTS},
    "fsdp_parts_lora": {"sharding": PARTS, "lora": True, "num_generations": 8, "beta": 0.04},
    "fsdp_parts_sft": {"sharding": PARTS, "sft": True},
    "fsdp_parts_bf16": {"sharding": PARTS, "bf16": True},
    "fsdp_parts_checkpointed": {"sharding": PARTS, "activation_checkpointing": True, "freeze_vision": False},
}
LOAD = """
import json
import sys

from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

for folder, base, out in json.loads(sys.argv[1]):
    model = AutoModelForImageTextToText.from_pretrained(base or folder, dtype="float32")
    if base:
        model = PeftModel.from_pretrained(model, folder)
    assert AutoProcessor.from_pretrained(folder).video_processor is not None
    save_file({name: value.clone() for name, value in model.named_parameters()}, out)
"""


@pytest.fixture(scope="module")
def left(tiny_folder, rows, tmp_path_factory) -> Path:
    """The folder in which every case has left what it saved, and `loaded-*.safetensors`, what others load of it."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "rows.json").write_text(json.dumps(rows))
    arguments = [str(tiny_folder), f"{folder}/rows.json", str(folder), "4", json.dumps(CASES)]
    launch(2, arguments, script="saved_runs.py", **FSDP2)
    for case, settings in CASES.items():
        if settings["sharding"] == PARTS:
            merge(folder / case / "rest" / "run" / "checkpoint-4", folder / case / "merged" / "run")
    wanted = [
        (str(place), str(tiny_folder) if "base" in CASES[place.parts[-3]] else None, str(place.parent / "loaded"))
        for place in sorted(folder.glob("*/*/run"))
    ]
    command = [sys.executable, "-c", PREAMBLE + LOAD, json.dumps(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def loaded(left: Path, case: str, how: str) -> dict[str, torch.Tensor]:
    return load_file(left / case / how / "loaded")


def in_memory(left: Path, case: str, how: str) -> dict[str, torch.Tensor]:
    """The weights that a trainer had, an adapter added to its base where that was a folder."""
    held = load_file(left / case / how / "weights.safetensors")
    settings = CASES[case]
    if not settings.get("lora") or "base" in settings:
        return held
    added, start = {}, "base_model.model."
    for name, value in held.items():
        if "lora_" in name:
            continue
        layer, _, end = name.removeprefix(start).rpartition(".base_layer.")
        if layer and end == "weight":
            low, high = (held[f"{start}{layer}.lora_{which}.default.weight"] for which in "AB")
            # PEFT's scale: alpha 8 over rank 4
            value = value + 2.0 * high @ low
        added[f"{layer}.{end}" if layer else name.removeprefix(start)] = value
    return added


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], tolerance: float = 0.0) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=tolerance, rtol=0.0, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
class TestARun:
    def test_model_loads_elsewhere_as_it_was_in_memory(self, left, case):
        sharded = json.loads((left / case / "whole" / "history.json").read_text())["sharded"]
        assert sharded == (CASES[case]["sharding"] != "none")
        tolerance = 1e-6 if CASES[case].get("lora") else 0.0
        same(loaded(left, case, "whole"), in_memory(left, case, "whole"), tolerance)

    def test_model_has_learned(self, left, case, tiny_folder):
        held = load_file(left / case / "whole" / "weights.safetensors")
        if CASES[case].get("lora"):
            assert all(value.any() for name, value in held.items() if "lora_B" in name)
        else:
            before = load_model(tiny_folder, device="cpu").model.state_dict()
            layers = [name for name in held if "language_model.layers" in name]
            assert layers and not any(torch.equal(held[name], before[name]) for name in layers)

    def test_folder_may_be_pushed(self, left, case):
        folder = left / case / "whole" / "run"
        files, findings = list_files(folder)
        assert not findings and not list(check_model(file for file in files if not is_training_state(file.path)))
        assert not {path.name for path in folder.iterdir()} & {"_saving", "merged_from.json"}
        merged = CASES[case].get("lora") and "base" not in CASES[case]
        assert (folder / ADAPTER / "adapter_model.safetensors").is_file() == bool(merged)
        assert (folder / "adapter_config.json").is_file() == ("base" in CASES[case])
        assert is_training_state(f"{ADAPTER}/adapter_config.json")

    def test_stopped_in_the_middle_of_a_save_it_ends_alike(self, left, case):
        whole, rest = (json.loads((left / case / how / "history.json").read_text()) for how in ("whole", "rest"))
        assert len(rest["history"]) == len(whole["history"]) == 4
        for before, after in zip(whole["history"], rest["history"], strict=True):
            for name in {"loss", "grad_norm", "reward", "noise/objects", "noise/area", "kl"} & set(before):
                assert after[name] == pytest.approx(before[name], rel=1e-5, abs=1e-6), name
        same(loaded(left, case, "rest"), loaded(left, case, "whole"), 1e-6)
        checkpoints = {path.name for path in (left / case / "rest" / "run").glob("checkpoint-*")}
        assert checkpoints == {"checkpoint-2", "checkpoint-4"}


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case, settings in CASES.items() if settings["sharding"] == PARTS])
def test_checkpoint_in_parts_merged_by_hand_is_the_model(left, case):
    same(loaded(left, case, "merged"), loaded(left, case, "rest"))


@pytest.mark.slow
def test_adapter_in_parts_is_put_together_alone(left, tmp_path):
    run = left / "fsdp_parts_lora" / "rest" / "run"
    merge(run / "checkpoint-4", tmp_path / "adapter", keep_adapter=True)
    found, expected = (
        load_file(folder / "adapter_model.safetensors") for folder in (tmp_path / "adapter", run / ADAPTER)
    )
    same(found, expected)
    assert not (tmp_path / "adapter" / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("fsdp_full/rest/run", {}, "is no adapter and holds no weights in parts"),
        ("fsdp_full/rest/run/checkpoint-4", {"keep_adapter": True}, "holds no weights in parts, so that nothing"),
    ],
)
def test_nothing_to_merge(left, tmp_path, source, options, message):
    with pytest.raises(ModelLoadError, match=message):
        merge(left / source, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())
