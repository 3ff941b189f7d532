"""Sharing a prefix between questions changes nothing but the time: logits, gradients and answers are those of alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from ocr_hf.models.media import encode_video, model_inputs, prompt_ids, with_video
from ocr_hf.models.tiny import PRESETS, TinySize, make_tiny
from ocr_hf.train.training_rows import chat
from recipes.ocr_vsi_tiny.packing import (
    PackedQuestion,
    Prefix,
    greedy_answers,
    group_questions,
    run_prefix,
    run_questions,
    video_features,
)

TEXTS = ["How many chairs are there?", "Is the sofa to the left of the tv or to its right?", "How large?"]
ANSWERS = ["12", "B", "13.5"]
CLIPS = [[0, 1, 2], [1, 0]]
SIZE = TinySize(hidden=64, layers=2, heads=4, kv_heads=2, mlp=96, vision_hidden=32, vision_layers=2, vision_heads=2)


@pytest.fixture(scope="module", params=[SIZE, PRESETS["0.2M"]], ids=["custom", "0.2M"])
def tiny(request):
    return make_tiny(request.param, seed=3)


@pytest.fixture(scope="module")
def videos(tiny):
    frames = np.random.default_rng(0).integers(0, 256, (2, 8, 84, 112, 3), dtype=np.uint8)
    return [encode_video(tiny[1], each, fps=0.5) for each in frames]


def row(number: int) -> dict:
    return {"question_type": "room_size_estimation", "question": TEXTS[number], "options": None}


def packed(tiny, videos, inside=False):
    """Return prefix, states and questions of CLIPS, cut from whole prompts at the last token that all share."""
    model, processor = tiny
    prompts = [prompt_ids(processor, with_video(chat(row(number), "official")), [videos[0]]) for number in range(3)]
    length = next(i for i, tokens in enumerate(zip(*prompts, strict=False)) if len(set(tokens)) > 1)
    stop = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    answers = [[*processor.tokenizer(text)["input_ids"], stop] for text in ANSWERS]
    questions = [PackedQuestion(ids[length:], answer) for ids, answer in zip(prompts, answers, strict=True)]
    prefix = Prefix.of(model, prompts[0][:length], videos[0].video_grid_thw, videos[0].seconds_per_grid)
    pixels = torch.cat([video.pixel_values_videos for video in videos])
    grid = torch.cat([video.video_grid_thw for video in videos])
    states = run_prefix(model, prefix, video_features(model, pixels, grid), len(videos), inside)
    return prefix, states, [[questions[number] for number in clip] for clip in CLIPS]


def alone(tiny, videos, prefix, clip, ids):
    model, processor = tiny
    return model(**model_inputs(model, processor, [[*prefix.ids.tolist(), *ids]], [videos[clip]])).logits[0]


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_logits_are_those_of_separate_passes(tiny, videos, groups):
    model, processor = tiny
    compared = 0
    with torch.no_grad():
        prefix, states, clips = packed(tiny, videos)
        for group in group_questions(clips, processor.tokenizer.pad_token_id, groups):
            logits = model.lm_head(run_questions(model, prefix, states, group).last_hidden_state)
            for place, (clip, question) in enumerate(zip(group.clip.tolist(), group.questions, strict=True)):
                ids = [*question.ids, *question.answer[:-1]]
                expected = alone(tiny, videos, prefix, clip, ids)[len(prefix.ids) :]
                torch.testing.assert_close(logits[place, : len(ids)], expected, atol=2e-5, rtol=1e-4)
                own = group.rows == place
                assert group.targets[own].tolist() == question.answer
                assert group.columns[own].tolist() == list(range(len(question.ids) - 1, len(ids)))
                compared += 1
    assert compared == 5


def test_gradients_are_those_of_separate_passes(tiny, videos):
    """Of every parameter, the vision tower's among them: its features are used by all questions about a clip."""
    model, processor = tiny
    model.zero_grad()
    prefix, states, clips = packed(tiny, videos)
    total = torch.zeros(())
    for group in group_questions(clips, processor.tokenizer.pad_token_id, 2):
        hidden = run_questions(model, prefix, states, group).last_hidden_state[group.rows, group.columns]
        total = total + functional.cross_entropy(model.lm_head(hidden), group.targets, reduction="sum")
    total.backward()
    together = {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
    model.zero_grad()
    for clip, questions in enumerate(clips):
        for question in questions:
            logits = alone(tiny, videos, prefix, clip, [*question.ids, *question.answer[:-1]])
            functional.cross_entropy(
                logits[-len(question.answer) :], torch.tensor(question.answer), reduction="sum"
            ).backward()
    separate = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    assert separate.keys() == together.keys() and any("visual" in name for name in together)
    for name, expected in separate.items():
        scale = expected.abs().max().item()
        torch.testing.assert_close(together[name], expected, atol=1e-4 * scale + 1e-6, rtol=1e-3)
    model.zero_grad()


def test_answers_are_those_of_generate(tiny, videos):
    model, processor = tiny
    with torch.no_grad():
        prefix, states, clips = packed(tiny, videos)
    stop = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    found = greedy_answers(model, prefix, states, clips, processor.tokenizer.pad_token_id, stop, max_new_tokens=4)
    for answer, (clip, question) in zip(found, ((c, q) for c, qs in enumerate(clips) for q in qs), strict=True):
        ids = [*prefix.ids.tolist(), *question.ids]
        inputs = model_inputs(model, processor, [ids], [videos[clip]])
        tokens = model.generate(**inputs, do_sample=False, max_new_tokens=4, suppress_tokens=[])
        written = tokens[0, len(ids) :].tolist()
        assert answer == (written[: written.index(stop)] if stop in written else written)


def test_a_prefix_without_video(tiny):
    model, processor = tiny
    ids = processor.tokenizer("A question: ")["input_ids"]
    questions = [PackedQuestion(processor.tokenizer(text)["input_ids"], [5]) for text in TEXTS]
    with torch.no_grad():
        prefix = Prefix.of(model, ids)
        (group,) = group_questions([questions], processor.tokenizer.pad_token_id, 1)
        logits = model.lm_head(run_questions(model, prefix, run_prefix(model, prefix), group).last_hidden_state)
        for place, question in enumerate(questions):
            expected = model(input_ids=torch.tensor([[*ids, *question.ids]])).logits[0, len(ids) :]
            torch.testing.assert_close(logits[place, : len(question.ids)], expected, atol=2e-5, rtol=1e-4)


def test_a_wrong_number_of_video_tokens_is_refused(tiny, videos):
    ids = [tiny[1].video_token_id] * 3
    with pytest.raises(ValueError, match=r"has 3 video tokens, but its video \d+; repeat the placeholder \d+ times"):
        Prefix.of(tiny[0], ids, videos[0].video_grid_thw, 1.0)
    with pytest.raises(ValueError, match="has 3 video tokens, but its video 0"):
        Prefix.of(tiny[0], ids)


def test_layers_with_a_window_are_refused():
    model, _ = make_tiny(replace(SIZE, layers=1))
    model.config.text_config.layer_types = ["sliding_attention"]
    with pytest.raises(ValueError, match="this model has sliding_attention too; train unpacked"):
        Prefix.of(model, [1, 2])


def test_hidden_states_and_attention_inside(tiny, videos):
    model, processor = tiny
    attentive = type(model)._from_config(model.config, attn_implementation="eager")
    attentive.load_state_dict(model.state_dict())
    language, kept = attentive.model.language_model, []
    with torch.no_grad():
        prefix, states, clips = packed((attentive, processor), videos, inside=True)
        (group,) = group_questions(clips, processor.tokenizer.pad_token_id, 1)
        with language.layers[0].register_forward_hook(lambda _, __, out: kept.append(out)):
            output = run_questions(attentive, prefix, states, group, inside=True)
    assert len(states.hidden) == len(output.hidden_states) == len(language.layers) + 1 == len(output.attentions) + 1
    torch.testing.assert_close(output.hidden_states[0], language.embed_tokens(group.ids))
    torch.testing.assert_close(output.hidden_states[1], kept[0])
    weights = output.attentions[0]
    heads, length = attentive.config.text_config.num_attention_heads, group.ids.shape[1]
    assert weights.shape == (5, heads, length, len(prefix.ids) + length)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:3]))
    assert not weights[:, :, 0, len(prefix.ids) + 1 :].any(), "no token attends to a later one"
    attentive.config.text_config._attn_implementation = "sdpa"
    with pytest.raises(ValueError, match="attn_implementation='eager'"):
        run_questions(attentive, prefix, states, group, inside=True)
