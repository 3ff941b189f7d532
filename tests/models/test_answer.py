"""The one way to ask a model: same answers alone and together, and probabilities that are the model's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ocr_hf.models.answer import AnsweringModel, Prompt
from ocr_hf.models.media import model_inputs, prompt_ids, with_video
from ocr_hf.models.padding import left_padded, padded_behind, right_padded
from ocr_hf.models.sampled_clip import SampledClip
from ocr_hf.models.tiny import PRESETS, make_tiny, tiny_families

TEXTS = ("How many chairs are there?", "Is the door left or right?", "Go.", "What is the size of this room?")


@pytest.fixture(scope="module", params=tiny_families())
def answering(request):
    model, processor = make_tiny(PRESETS["0.2M"], request.param)
    with torch.no_grad():
        for weight in model.parameters():  # so large that answers differ from question to question
            if weight.ndim > 1:
                weight.mul_(3.0)
    return AnsweringModel(model.eval(), processor, max_pixels=84 * 84)


def clip(seed: int, frames: int = 6) -> SampledClip:
    array = np.random.default_rng(seed).integers(0, 256, (frames, 84, 84, 3), dtype=np.uint8)
    array.flags.writeable = False
    return SampledClip.of(f"clip-{seed}", array, range(0, 2 * frames, 2), np.arange(frames) / 2)


def test_together_and_alone_are_the_same(answering):
    videos = [answering.encode(clip(seed).array, clip(seed).fps) for seed in (1, 2)]
    prompts = [Prompt.of(text, videos[number % 2]) for number, text in enumerate(TEXTS)] + [Prompt.of("Hello")]
    alone = [answering.answer([prompt], 5, "AB")[0] for prompt in prompts]
    for batch in (prompts[:4], prompts):
        for mine, other in zip(answering.answer(batch, 5, "AB"), alone, strict=False):
            assert mine.text == other.text
            assert mine.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert answering.answer_all(prompts, batch_size=2, max_new_tokens=5) == [answer.text for answer in alone]
    assert len({answer.text for answer in alone}) > 1


def test_probabilities_are_the_first_token_s_own(answering):
    video = answering.encode(clip(3).array, clip(3).fps)
    answer = answering.answer([Prompt.of("A. left B. right", video)], letters="AB")[0]
    processor = answering.processor
    ids = prompt_ids(processor, with_video([{"role": "user", "content": "A. left B. right"}]), [video])
    with torch.no_grad():
        shares = answering.model(**model_inputs(answering.model, processor, [ids], [video])).logits[0, -1].softmax(-1)
    for letter, share in answer.probabilities.items():
        assert share == pytest.approx(shares[processor.tokenizer.convert_tokens_to_ids(letter)].item(), abs=1e-5)
    assert answering.answer([Prompt.of("A. left B. right", video)])[0].probabilities is None


def test_a_seed_draws_answers_and_leaves_the_caller_s_random_numbers_alone(answering):
    video = answering.encode(clip(0).array, clip(0).fps)
    prompts = [Prompt.of("Where is the bed?", video)] * 4
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    one, again, other = (answering.answer_all(prompts, 2, 6, seed=seed) for seed in (0, 0, 7))
    assert torch.equal(torch.rand(2), wanted)
    # Rows of one prompt, and batches of one prompt, are drawn anew
    assert one == again != other and len(set(one)) > 2
    assert len(set(answering.answer_all(prompts, 2, 6))) == 1


def test_a_clip_keeps_its_frames_and_times():
    several, single = clip(1), clip(1, frames=1)
    assert several.fps == pytest.approx(2.0) and single.fps == 1.0
    assert several.indices == (0, 2, 4, 6, 8, 10) and several.times_s == (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
    assert np.shares_memory(several.array, several.frames.numpy())


def test_padding_stands_where_it_says():
    rows = [[1, 2, 3, 4], [1, 2, 9]]
    assert [each.tolist() for each in left_padded(rows, 0)] == [[[1, 2, 3, 4], [0, 1, 2, 9]], [[1] * 4, [0, 1, 1, 1]]]
    assert [each.tolist() for each in padded_behind(rows, 2, 0)] == [
        [[1, 2, 3, 4], [1, 2, 0, 9]],
        [[1] * 4, [1, 1, 0, 1]],
    ]
    assert [each.tolist() for each in right_padded(rows, 0)] == [[[1, 2, 3, 4], [1, 2, 9, 0]], [[1] * 4, [1, 1, 1, 0]]]
