"""bfloat16 where the machine has units for it, float32 elsewhere, and the user's word before both."""

from __future__ import annotations

import pytest
import torch

from ocr_hf.models import number_type
from ocr_hf.models.number_type import fast_bf16, has_bf16_units
from ocr_hf.train.config import OCRGRPOConfig, OCRSFTConfig

SETTINGS = {"use_cpu": True, "report_to": "none"}


@pytest.mark.parametrize("units", [True, False])
@pytest.mark.parametrize("kind", [OCRSFTConfig, OCRGRPOConfig])
def test_the_cpu_s_units_decide(kind, units, tmp_path, monkeypatch):
    monkeypatch.setattr(number_type, "has_bf16_units", lambda: units)
    config = kind(str(tmp_path), **SETTINGS)
    assert config.bf16 == units and not config.fp16
    assert config.number_type_reason.startswith("bfloat16" if units else "float32")
    assert "set bf16 to choose yourself" in config.number_type_reason


@pytest.mark.parametrize("wanted", [True, False])
def test_what_the_user_says_stays(wanted, tmp_path, monkeypatch):
    monkeypatch.setattr(number_type, "has_bf16_units", lambda: not wanted)
    config = OCRGRPOConfig(str(tmp_path), bf16=wanted, **SETTINGS)
    assert config.bf16 == wanted and config.number_type_reason is None


def test_a_gpu_is_asked_what_it_computes_in(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "T4")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert fast_bf16() == (False, "float32, since T4 has no units for bfloat16 (set bf16 to choose yourself)")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert fast_bf16()[0]
    assert fast_bf16(use_cpu=True)[1] != fast_bf16()[1]


def test_a_torch_without_the_question_answers_no(monkeypatch):
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.delattr(torch.cpu, f"_is_{name}_supported", raising=False)
    assert not has_bf16_units()
