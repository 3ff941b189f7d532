"""The tiny models are real models: they load without this package and behave as their family does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers

from ocr_hf.models.tiny import PRESETS, TinySize, build_tiny, make_tiny, tiny_families
from ocr_hf.models.tokenizer import REASONING_TAGS, build_tokenizer
from tests.without_our_package import PREAMBLE

REFERENCE = Path(__file__).parents[3] / "shared" / "qwen2_5_vl"


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_text_survives_the_tokenizer(tokenizer):
    for text in ("How many chair(s) are in this room?", "<think>2.5 m</think><answer>A</answer>", "Zebra 漢字\n\n"):
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_digits_and_tags_are_single_tokens(tokenizer):
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("<think>1204</think>")["input_ids"])
    assert pieces == ["<think>", "1", "2", "0", "4", "</think>"]
    assert all(len(tokenizer(tag)["input_ids"]) == 1 for tag in REASONING_TAGS)


def test_tokenizer_is_always_the_same(tokenizer):
    assert build_tokenizer().get_vocab() == tokenizer.get_vocab()
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))


def test_vocabulary_must_hold_every_byte():
    with pytest.raises(ValueError, match="a vocabulary of 100 tokens cannot hold the 256 bytes"):
        build_tokenizer(100)


def test_vsi_questions_take_few_tokens(tokenizer):
    question = "If I am standing by the stove and facing the sofa, is the table to the left or the right of the sofa?"
    assert len(tokenizer(question)["input_ids"]) <= len(question.split()) + 8


@pytest.mark.parametrize("family", tiny_families())
@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_about_the_parameters_they_say(name, family):
    with torch.device("meta"):
        model, _ = make_tiny(PRESETS[name], family)
    said = float(name[:-1]) * 1e6
    assert 0.8 * said < model.num_parameters() < 1.3 * said


def test_loads_with_transformers_alone(tmp_path):
    """A fresh interpreter that can't import ocr_hf loads the model."""
    folder = build_tiny(tmp_path / "tiny", "0.2M")
    code = """
from transformers import AutoModelForImageTextToText, AutoProcessor
model, processor = AutoModelForImageTextToText.from_pretrained(sys.argv[1]), AutoProcessor.from_pretrained(sys.argv[1])
print(type(model).__name__, type(processor).__name__, type(processor.video_processor).__name__)
"""
    done = subprocess.run([sys.executable, "-c", PREAMBLE + code, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "Qwen2_5_VLForConditionalGeneration", "Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor",
    ]  # fmt: skip


def test_weights_depend_on_the_seed_only():
    first, again, other = (make_tiny(PRESETS["0.2M"], seed=seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_building_leaves_the_global_random_state_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    make_tiny(PRESETS["0.2M"])
    assert torch.equal(before, torch.get_rng_state())


def test_folder_in_the_way_is_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="exists and is not an empty folder"):
        build_tiny(tmp_path, "0.2M")
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(transformers.Qwen2_5_VLProcessor, "save_pretrained", fail)
    with pytest.raises(OSError, match="disk full"):
        build_tiny(tmp_path / "tiny", "0.2M")
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no size '5B'; choose one of 0.2M"):
        build_tiny(tmp_path / "a", "5B")
    with pytest.raises(ValueError, match="family is 'llama'; choose one of qwen2_5_vl"):
        build_tiny(tmp_path / "a", "1M", "llama")
    with pytest.raises(ValueError, match="2 heads of 10 channels; M-RoPE needs a multiple of 16"):
        make_tiny(TinySize(20, 1, 2, 1, 32, 32, 1, 2))


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the shared Qwen2.5-VL tokenizer and config are not here")
def test_reference_keeps_everything_but_the_widths(tmp_path):
    folder = build_tiny(tmp_path / "real", TinySize(32, 2, 2, 1, 64, 32, 2, 2), reference=REFERENCE)
    made, real = (transformers.AutoConfig.from_pretrained(path) for path in (folder, REFERENCE))
    for name in ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id"):
        assert getattr(made, name) == getattr(real, name)
    assert made.text_config.vocab_size == real.text_config.vocab_size == 151936
    assert made.vision_config.tokens_per_second == real.vision_config.tokens_per_second
    assert made.text_config.rope_parameters["rope_theta"] == real.text_config.rope_parameters["rope_theta"]
    processor = transformers.AutoProcessor.from_pretrained(folder)
    assert processor.video_token_id == 151656
    chat = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "How many chairs?"}]}]
    ours = make_tiny(PRESETS["0.2M"])[1]
    assert processor.apply_chat_template(chat, add_generation_prompt=True) == ours.apply_chat_template(
        chat, add_generation_prompt=True
    )
    assert json.loads((folder / "config.json").read_text())["model_type"] == "qwen2_5_vl"
