"""Families that aren't trained: training refuses them with the reason before it reads data, and the reason is so."""

from __future__ import annotations

import numpy as np
import pytest

from ocr_hf.models.encoders import Frames, ProcessorEncoder
from ocr_hf.models.families import MODEL_FAMILIES, family_of
from ocr_hf.models.load_model import load_model
from ocr_hf.settings.run_command import call
from tests.models.small_models import build_small

FAMILIES = {"llava_onevision": "llava_onevision", "internvl": "internvl", "smolvlm2": "smolvlm"}


@pytest.fixture(scope="module", params=FAMILIES)
def small(request, tmp_path_factory):
    if request.param == "smolvlm2":
        pytest.importorskip("num2words", reason="SmolVLM's processor needs it")
    return FAMILIES[request.param], build_small(request.param, tmp_path_factory.mktemp("models") / request.param)


@pytest.mark.parametrize("command", ["sft", "grpo"])
def test_training_says_why_not(small, tmp_path, command):
    from ocr_hf.train import grpo, sft

    name, folder = small
    reason = MODEL_FAMILIES[name].why_not_trained
    words = {
        "model": folder,
        "data": tmp_path / "nothing",
        "output_dir": tmp_path / "out",
        "use_cpu": True,
        "bf16": False,
    }
    flags = [str(word) for key, value in words.items() for word in (f"--{key}", value)]
    with pytest.raises(ValueError) as refused:
        call({"sft": sft, "grpo": grpo}[command].main, flags, command)
    told = str(refused.value)
    assert f"type '{name}' can be evaluated but not trained here: {reason}; train one of qwen2_5_vl, " in told
    assert "\n" not in told


def test_the_reason_is_so(small):
    name, folder = small
    loaded = load_model(folder, device="cpu")
    assert family_of(loaded.model.config) is MODEL_FAMILIES[name]
    encoder = ProcessorEncoder(loaded.model, loaded.processor)
    chat = [{"role": "user", "content": [{"type": "text", "text": "Chairs?"}]}]
    made = {fps: encoder.batch([(chat, Frames(np.zeros((4, 60, 80, 3), np.uint8), fps))]) for fps in (1.0, 0.5)}
    assert not {"video_grid_thw", "second_per_grid_ts"} & set(made[1.0])
    told = {fps: loaded.processor.tokenizer.decode(batch["input_ids"][0]) for fps, batch in made.items()}
    if name == "llava_onevision":
        assert made[1.0]["pixel_values_videos"].shape == (1, 4, 3, 56, 56)
    else:
        assert "pixel_values_videos" not in made[1.0] and "<video>" not in told[1.0]
    # Frames at another rate are another clip
    assert (told[1.0] == told[0.5]) == (name != "smolvlm")
