"""Supervised fine-tuning sees the video through the same code and learns from the answers alone."""

from __future__ import annotations

import pytest
import torch
import transformers
from datasets import Dataset
from peft import LoraConfig

from ocr_hf.models.media import encode_video, model_inputs, prompt_ids, with_video
from ocr_hf.train.clip_loader import BadRow, ClipLoader
from ocr_hf.train.config import OCRSFTConfig
from ocr_hf.train.sft_trainer import OCRSFTTrainer, SFTCollator
from ocr_hf.train.training_rows import answer
from ocr_hf.train.video_store import VideoStore
from tests.train.clips import make_rows
from tests.train.conftest import history


def config(folder, **changes) -> OCRSFTConfig:
    settings = {
        "output_dir": str(folder),
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "per_device_train_batch_size": 4,
        "max_steps": 4,
        "learning_rate": 2e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "frames": 4,
        "disable_tqdm": True,
    }
    return OCRSFTConfig(**settings | changes)


@pytest.fixture
def make_sft(tiny_folder, rows, tmp_path):
    def make(data=None, peft_config=None, **changes):
        torch.manual_seed(0)
        return OCRSFTTrainer(
            transformers.AutoModelForImageTextToText.from_pretrained(tiny_folder),
            config(tmp_path / "sft", **changes),
            Dataset.from_list(rows) if data is None else data,
            transformers.AutoProcessor.from_pretrained(tiny_folder),
            peft_config=peft_config,
        )

    return make


def test_only_the_answer_is_learned(tiny_folder, rows, tmp_path):
    processor = transformers.AutoProcessor.from_pretrained(tiny_folder)
    batch = SFTCollator(processor, config(tmp_path), answer)(rows)
    for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        learned = ids[labels != -100]
        text = processor.tokenizer.decode(learned)
        assert text == "<think>A red, a green and a blue one.</think><answer>3</answer><|im_end|>"
        assert torch.equal(labels[labels != -100], learned) and mask[labels != -100].all()


def test_batch_equals_what_generation_is_given(tiny_folder, rows, tmp_path):
    """The prompt part is the very batch that media.py makes for evaluation."""
    processor = transformers.AutoProcessor.from_pretrained(tiny_folder)
    model = transformers.AutoModelForImageTextToText.from_pretrained(tiny_folder)
    batch = SFTCollator(processor, config(tmp_path), answer)(rows[:1])
    clip = ClipLoader("vanilla", 4)(rows[:1])[0]["clip"]
    video = encode_video(processor, clip.array, clip.times_s)
    expected = model_inputs(model, processor, [prompt_ids(processor, with_video(rows[0]["prompt"]), [video])], [video])
    length = expected["input_ids"].shape[1]
    store = VideoStore(processor, share_vision=False, frozen=False)
    store.videos = batch["videos"]
    given = {"input_ids": batch["input_ids"], **store.arguments(None, batch["media_ids"], batch["input_ids"])}
    given["position_ids"] = store.positions(model, batch["media_ids"], batch["input_ids"], batch["attention_mask"])
    for name in ("input_ids", "mm_token_type_ids", "position_ids"):
        assert torch.equal(given[name][..., :length], expected[name])
    for name in ("pixel_values_videos", "video_grid_thw", "second_per_grid_ts"):
        assert torch.equal(given[name], expected[name])


def test_learns_and_moves_everything(make_sft):
    trainer = make_sft(max_steps=12)
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    losses = history(trainer, "loss")
    assert losses[-1] < 0.8 * losses[0]
    still = [name for name, value in trainer.model.named_parameters() if torch.equal(value, before[name])]
    assert still == []


def test_learns_from_the_video(tmp_path, make_sft):
    """Two clips, one question, two answers: only the pixels tell them apart."""
    rows = make_rows(tmp_path, 2)
    for row, truth in zip(rows, "17", strict=True):
        row |= {"prompt": [{"role": "user", "content": "How many?"}], "ground_truth": truth, "reasoning": ""}
    settings = {"max_steps": 80, "per_device_train_batch_size": 2, "lr_scheduler_type": "constant"}
    trainer = make_sft(Dataset.from_list(rows), **settings)
    trainer.train()
    # guessing costs ln 2 for one of 6 tokens: 0.116
    assert history(trainer, "loss")[-1] < 0.04


def test_frozen_vision_and_lora(make_sft):
    lora = LoraConfig(target_modules=["q_proj"], r=2, task_type="CAUSAL_LM")
    for changes, allowed in (({"freeze_vision": True}, "language_model"), ({"peft_config": lora}, "lora")):
        trainer = make_sft(**changes)
        before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
        trainer.train()
        moved = [n for n, value in trainer.model.named_parameters() if not torch.equal(value, before[n])]
        assert moved and all(allowed in name and "visual" not in name for name in moved)


def test_resumed_run_equals_the_whole_one(make_sft, tmp_path):
    settings = {"save_strategy": "steps", "save_steps": 2}
    whole = make_sft(**settings, output_dir=str(tmp_path / "whole"))
    whole.train()
    rest = make_sft(**settings, output_dir=str(tmp_path / "rest"))
    rest.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    assert history(rest, "loss") == history(whole, "loss")
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, rest.model.state_dict()[name])


def test_bad_rows(make_sft, tmp_path, caplog):
    rows = make_rows(tmp_path)
    (tmp_path / "clip1.mp4").write_bytes(b"not a video")
    with pytest.raises(BadRow, match=r"row \(id 1, clip_id clip1\): its clip cannot be read"):
        make_sft(Dataset.from_list(rows)).train()
    trainer = make_sft(Dataset.from_list(rows), on_bad_video="skip", max_steps=1)
    batch = trainer.data_collator(rows)
    assert (batch["labels"] != -100).any(1).tolist() == [True, False, True, True]
    trainer.train()
    assert "clip_id clip1" in caplog.text
    with pytest.raises(BadRow, match="prompt and answer have .* more than max_length = 60; cutting them"):
        make_sft(max_length=60).train()
