"""Sharing a clip between questions, and frames as one batch, change nothing but the time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ocr_hf.models.media import encode_video, model_inputs, prompt_ids, with_video
from ocr_hf.models.tiny import PRESETS, make_tiny
from ocr_hf.train.training_rows import chat
from recipes.ocr_vsi_tiny.config import SIZE
from recipes.ocr_vsi_tiny.packing import Prefix, answer_all, groups_of, read_questions, watch
from recipes.ocr_vsi_tiny.question_tokenizer import Texts
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
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 8, 168, 224, 3), dtype=np.uint8)
    return [encode_video(tiny[1], each, fps=0.5) for each in frames]


def shared(tiny, videos, clips):
    model, processor = tiny
    texts = Texts(processor)
    prefix = Prefix.of(model, texts, videos[0].video_grid_thw, videos[0].seconds_per_grid)
    watched = watch(model, prefix, len(clips), torch.cat([video.pixel_values_videos for video in videos]))
    return prefix, watched, [[texts.asked(ROWS[i]) for i in clip] for clip in clips]


def test_every_question_has_the_logits_that_it_has_alone(tiny, videos):
    model, processor = tiny
    clips = [[0, 1, 2], [1, 0]]
    with torch.no_grad():
        prefix, watched, asked = shared(tiny, videos, clips)
        compared = 0
        for group in groups_of(asked, processor.tokenizer.pad_token_id, 2):
            logits = model.lm_head(read_questions(model, prefix, watched, group).last_hidden_state)
            for row, clip in enumerate(group.clip.tolist()):
                text = group.ids[row][group.ids[row] != processor.tokenizer.pad_token_id]
                ids = [*prefix.ids.tolist(), *text.tolist()]
                alone = model(**model_inputs(processor, [ids], [videos[clip]])).logits[0, len(prefix.ids) :]
                torch.testing.assert_close(logits[row, : len(text)], alone, atol=2e-5, rtol=1e-4)
                compared += 1
    assert compared == 5


def test_prompts_are_those_of_evaluation(tiny, videos):
    _, processor = tiny
    texts = Texts(processor)
    for row in ROWS:
        ids = prompt_ids(processor, with_video(chat(row, "official")), [videos[0]])
        pads = [processor.video_token_id] * videos[0].num_tokens
        assert ids == [*texts.before, *pads, *texts.after, *texts.asked(row).question]
        blind = Texts(processor, video=False)
        assert prompt_ids(processor, chat(row, "official")) == [*blind.before, *blind.asked(row).question]


def test_answers_are_those_of_generate(tiny, videos):
    model, processor = tiny
    prefix, _, asked = shared(tiny, videos, [[0, 1], [2]])
    pixels = torch.cat([video.pixel_values_videos for video in videos])
    stop = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    found = answer_all(model, prefix, asked, pixels, processor.tokenizer.pad_token_id, stop, room=4)
    for number, (row, clip) in enumerate(((0, 0), (1, 0), (2, 1))):
        ids = prompt_ids(processor, with_video(chat(ROWS[row], "official")), [videos[clip]])
        written = model.generate(
            **model_inputs(processor, [ids], [videos[clip]]), do_sample=False, max_new_tokens=4, suppress_tokens=[]
        )[0, len(ids) :].tolist()
        assert found[number] == (written[: written.index(stop)] if stop in written else written)


def test_gradient_reaches_the_vision_tower(tiny, videos):
    model, processor = tiny
    prefix, watched, asked = shared(tiny, videos, [[0, 1, 2], [0]])
    for group in groups_of(asked, processor.tokenizer.pad_token_id):
        read_questions(model, prefix, watched, group).last_hidden_state.square().mean().backward(retain_graph=True)
    grads = [each.grad for each in model.model.visual.parameters()]
    model.zero_grad()
    assert all(grad is not None and grad.abs().max() > 0 for grad in grads)


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


def test_what_layers_within_give(tiny, videos):
    model, processor = tiny
    attentive = type(model)._from_config(model.config, attn_implementation="eager")
    attentive.load_state_dict(model.state_dict())
    with torch.no_grad():
        prefix, watched, asked = shared((attentive, processor), videos, [[0, 1], [1]])
        group = groups_of(asked, processor.tokenizer.pad_token_id, 1)[0]
        language, kept = attentive.model.language_model, []
        with language.layers[0].register_forward_hook(lambda _, __, out: kept.append(out)):
            output = read_questions(attentive, prefix, watched, group, inside=True)
        assert len(output.hidden_states) == len(language.layers) + 1 == len(output.attentions) + 1
        torch.testing.assert_close(output.hidden_states[0], language.embed_tokens(group.ids))
        torch.testing.assert_close(output.hidden_states[1], kept[0])
        weights = output.attentions[0]
        total = len(prefix.ids) + group.ids.shape[1]
        assert weights.shape == (3, 4, group.ids.shape[1], total)
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:3]))
        assert not weights[:, :, 0, len(prefix.ids) + 1 :].any(), "a word doesn't look ahead"
    attentive.config.text_config._attn_implementation = "sdpa"
    with pytest.raises(ValueError, match="attn_implementation='eager'"):
        read_questions(attentive, prefix, watched, group, inside=True)
