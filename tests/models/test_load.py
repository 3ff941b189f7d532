"""Models load from safetensors alone, and every refusal says what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForImageTextToText, BertConfig

from ocr_hf.models.load_model import ModelLoadError, load_model
from ocr_hf.models.tiny import build_tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_tiny(tmp_path_factory.mktemp("models") / "tiny", "0.2M")


def test_loads_what_was_saved(folder):
    loaded = load_model(folder, device="cpu")
    saved = AutoModelForImageTextToText.from_pretrained(folder).state_dict()
    assert all(torch.equal(value, saved[name]) for name, value in loaded.model.state_dict().items())
    assert not loaded.model.training
    assert loaded.processor.tokenizer.padding_side == "left"


def test_adapter_is_merged_into_its_base(folder, tmp_path):
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(
        AutoModelForImageTextToText.from_pretrained(folder), LoraConfig(target_modules=["q_proj"], r=4)
    )
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.fill_(0.1)
    model.save_pretrained(tmp_path)
    base, tuned = (load_model(path, device="cpu").model.state_dict() for path in (folder, tmp_path))
    changed = {name for name, value in tuned.items() if not torch.equal(value, base[name])}
    assert changed and all("q_proj" in name for name in changed)


def test_missing_model(tmp_path):
    with pytest.raises(ModelLoadError, match="there is no model at .*give a Hub id"):
        load_model(tmp_path / "nowhere")


def test_pickled_weights_are_not_read(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match="no weights in safetensors format, and others are not read"):
        load_model(tmp_path / "m")


def test_other_families_are_named(tmp_path):
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelLoadError, match="type 'bert', which transformers does not load for image and text"):
        load_model(tmp_path)


def test_tokenizer_alone_is_no_processor(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / "processor_config.json").unlink()
    with pytest.raises(ModelLoadError, match="no processor that can be loaded|has no video processor"):
        load_model(tmp_path / "m")


TWO_THREADS = """
import sys, threading, time
from ocr_hf.models.load_model import ModelLoadError, check_config

told = []

def work():
    try:
        check_config(sys.argv[1])
    except Exception as error:
        told.append(type(error).__name__)

first, second = threading.Thread(target=work), threading.Thread(target=work)
first.start()
while "transformers" not in sys.modules:
    time.sleep(0.001)
second.start()
first.join()
second.join()
print(*told)
"""
"""The second thread asks for transformers while the first one is importing it."""


def test_two_threads_may_be_the_first_to_need_transformers(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TWO_THREADS, tmp_path / "nowhere"], capture_output=True, text=True, timeout=200
    )
    assert done.stdout.split() == ["ModelLoadError", "ModelLoadError"], done.stderr
