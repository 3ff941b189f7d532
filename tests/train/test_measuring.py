"""How far the noise changes answers: the total variation at the answer's first token."""

from __future__ import annotations

import pytest
import torch

from ocr_hf.models.media import token_types, video_arguments
from ocr_hf.train.clip_loader import CLIP
from ocr_hf.train.metrics import answer_start
from tests.train.conftest import history


@pytest.mark.parametrize("text", ["<answer>B</answer>", "<think>a <answer tag</think><answer>B</answer>", "ab<answer>"])
def test_the_answer_begins_behind_its_tag(tiny_folder, text):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    tokens = tokenizer(text)["input_ids"]
    start = answer_start(tokens, tokenizer)
    assert tokenizer.decode(tokens[:start]) == text.partition("<answer>")[0] + "<answer>"


def test_without_a_tag_the_answer_is_all_there_is(tiny_folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    assert answer_start(tokenizer("B")["input_ids"], tokenizer) == 0 == answer_start([], tokenizer)


def distribution(trainer, row, variant, tokens) -> torch.Tensor:
    """The model's own distribution over the next token, with one row and nothing shared."""
    video, ids = variant.video(row[CLIP], trainer._encoder()), torch.tensor([tokens])
    arguments = {"mm_token_type_ids": token_types(ids, trainer.processing_class)}
    arguments |= video_arguments(trainer.processing_class, [video])
    with torch.no_grad():
        output = trainer.base_of(trainer.model)(
            input_ids=ids, pixel_values_videos=video.pixel_values_videos, **arguments
        )
    return (output.logits[0, -1] / trainer.temperature).softmax(-1)


def test_total_variation_is_half_the_sum_of_differences(make_trainer):
    """Two groups; in one of them a completion writes a tag first, so that its answer begins later."""
    trainer = make_trainer(strength=1.0, per_device_train_batch_size=8, temperature=0.7)
    trainer.model.train()
    rows = trainer.data_collator([trainer.train_dataset[i] for i in (0, 1) for _ in range(4)])
    tag = trainer.processing_class.tokenizer("<answer>B")["input_ids"]
    sampled = [[65, 66], [67], [68, 69], [70]] + [[65], [66], [71, *tag], [72]]
    trainer._sample = lambda prompts, media_ids: sampled
    plans = []
    trainer._plan = lambda inputs, own=trainer._plan: (plans.append(own(inputs)), plans[-1])[1]
    batch = trainer._generate_and_score_completions(rows)
    expected = []
    for number in (2, 3, 6, 7):
        prompt = batch["prompt_ids"][number][batch["prompt_mask"][number].bool()].tolist()
        tokens = prompt + ([71, *tag[:-1]] if number == 6 else [])
        noisy, vanilla = plans[0][number].variant, plans[0][0].variant
        both = [distribution(trainer, rows[number], variant, tokens) for variant in (noisy, vanilla)]
        expected.append(float((both[0] - both[1]).abs().sum() / 2))
    assert min(expected) > 1e-4 and expected[0] == pytest.approx(expected[1]) and expected[2] != expected[3]
    assert trainer._metrics["train"]["tv/noisy_vanilla"] == [pytest.approx(sum(expected) / 4, rel=1e-3)]


def test_no_noise_changes_no_answer(make_trainer):
    trainer = make_trainer(max_objects=0, max_steps=1)
    trainer.train()
    assert history(trainer, "tv/noisy_vanilla") == [0.0] and history(trainer, "kl/noisy_vanilla") == [0.0]


def test_it_is_measured_every_so_many_steps_and_beside_lengths_and_clipping(make_trainer):
    trainer = make_trainer(variant_kl_every=2, max_steps=3)
    trainer.train()
    assert len(history(trainer, "tv/noisy_vanilla")) == len(history(trainer, "kl/noisy_vanilla")) == 2
    for name in ("completions/mean_length", "completions/clipped_ratio", "clip_ratio/region_mean", "all/frac_mixed"):
        assert len(history(trainer, name)) == 3, name
