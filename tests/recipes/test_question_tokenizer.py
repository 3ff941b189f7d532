"""The recipe's own prefix is that of evaluation, and its vision tower is transformers' own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ocr_hf.models.media import encode_video, prompt_ids, with_video
from ocr_hf.models.tiny import PRESETS, make_tiny
from ocr_hf.train.training_rows import chat
from recipes.ocr_vsi_tiny.config import SIZE
from recipes.ocr_vsi_tiny.question_tokenizer import QuestionTokenizer
from recipes.ocr_vsi_tiny.vision_tower import vision_tokens

ROWS = [
    {"question_type": "object_counting", "question": "How many chair(s) are in this room?", "options": None,
     "ground_truth": "12"},
    {"question_type": "object_rel_direction_easy", "question": "If I am standing by the bed and facing the tv, is the "
     "sofa to the left or the right of the tv?", "options": ["A. left", "B. right"], "ground_truth": "B"},
    {"question_type": "room_size_estimation", "question": "How large?", "options": None, "ground_truth": "13.5"},
]  # fmt: skip
WIDTHS = {"hidden": 64, "layers": 2, "heads": 4, "kv_heads": 2, "mlp": 96, "vision_hidden": 32}


@pytest.fixture(scope="module")
def tiny():
    return make_tiny(replace(SIZE, **WIDTHS, vision_layers=2, vision_heads=2), seed=3)


@pytest.fixture(scope="module")
def videos(tiny):
    frames = np.random.default_rng(0).integers(0, 256, (2, 8, 168, 224, 3), dtype=np.uint8)
    return [encode_video(tiny[1], each, fps=0.5) for each in frames]


def test_prompts_are_those_of_evaluation(tiny, videos):
    _, processor = tiny
    tokenizer, blind = QuestionTokenizer(processor), QuestionTokenizer(processor, video=False)
    stop = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    for row in ROWS:
        ids = prompt_ids(processor, with_video(chat(row, "official")), [videos[0]])
        pads = [processor.video_token_id] * videos[0].num_tokens
        question = tokenizer.encode(row)
        assert ids == [*tokenizer.before, *pads, *tokenizer.after, *question.ids]
        assert processor.tokenizer.decode(question.answer[:-1]) == row["ground_truth"] and question.answer[-1] == stop
        assert prompt_ids(processor, chat(row, "official")) == [*blind.before, *blind.encode(row).ids]


def test_frames_as_a_batch_are_transformers_own_vision_tower(tiny, videos):
    visual = tiny[0].model.visual
    with torch.no_grad():
        grid = torch.cat([video.video_grid_thw for video in videos])
        pixels = torch.cat([video.pixel_values_videos for video in videos])
        torch.testing.assert_close(
            vision_tokens(visual, pixels, 6, 8), visual(pixels, grid_thw=grid).pooler_output, atol=2e-5, rtol=1e-4
        )


def test_windowed_towers_are_refused():
    model, _ = make_tiny(PRESETS["0.2M"])
    with pytest.raises(ValueError, match="windowed attention; use its own forward"):
        vision_tokens(model.model.visual, torch.zeros(48, 1176), 6, 8)
