"""Questions about one clip in one pass: loss and gradients of separate rows, and batches that hold them together."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
import transformers
from accelerate.data_loader import BatchSamplerShard
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig
from torch import nn
from torch.utils.data import BatchSampler

from ocr_hf.models.branches import Branches
from ocr_hf.models.tiny import build_tiny
from ocr_hf.train.clip_sampler import ClipSampler, clip_names
from ocr_hf.train.sft_trainer import OCRSFTTrainer
from tests.train.clips import make_rows
from tests.train.conftest import history
from tests.train.equality import assert_same_gradients, gradients
from tests.train.test_sft import config

QUESTIONS = [
    ("How many rectangles are there?", "3"),
    ("Which of them is larger, the red one or the blue one, if both are seen whole?", "the red one"),
    ("How many?", "there are three of them"),
    ("Is the green one to the left?", "no"),
]


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory):
    return build_tiny(tmp_path_factory.mktemp("models") / "qwen3", "0.2M", "qwen3_vl")


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Three clips: four questions about the first, three about the second, one about the third; one without a clip."""
    clips = make_rows(tmp_path_factory.mktemp("asked"), 3)
    rows = []
    for clip, numbers in ((0, (0, 1, 2, 3)), (1, (1, 3, 2)), (2, (0,)), (0, (2,))):
        for number in numbers:
            question, truth = QUESTIONS[number]
            chat = [{"role": "user", "content": question}]
            rows.append({**clips[clip], "id": len(rows), "prompt": chat, "ground_truth": truth, "reasoning": ""})
    rows[-1]["vanilla"] = None
    return rows


@pytest.fixture
def make_sft(tiny_folder, asked, tmp_path):
    def make(data=None, folder=None, double=True, attention="sdpa", peft_config=None, **changes):
        torch.manual_seed(0)
        folder = folder or tiny_folder
        dtype = torch.float64 if double else torch.float32
        return OCRSFTTrainer(
            transformers.AutoModelForImageTextToText.from_pretrained(
                folder, dtype=dtype, attn_implementation=attention
            ),
            config(tmp_path / "sft", **changes),
            Dataset.from_list(asked if data is None else data),
            transformers.AutoProcessor.from_pretrained(folder),
            peft_config=peft_config,
        )

    return make


def step(trainer, rows, share: bool):
    """Return loss, gradients by name, metrics, and the tokens of the language model and clips of the tower that ran."""
    trainer._share_prefix, trainer.videos.share_vision = share, share
    base = trainer.base_of(trainer.model)
    counts = Counter()
    hooks = [
        base.model.language_model.register_forward_pre_hook(
            lambda _, __, kwargs: counts.update(tokens=kwargs["inputs_embeds"][..., 0].numel()), with_kwargs=True
        ),
        base.model.visual.register_forward_pre_hook(
            lambda _, args, kwargs: counts.update(clips=len(kwargs.get("grid_thw", args[-1]))), with_kwargs=True
        ),
    ]
    trainer.model.train()
    trainer.model.zero_grad(set_to_none=True)
    batch = trainer.data_collator(rows)
    loss = trainer.compute_loss(trainer.model, batch)
    for hook in hooks:
        hook.remove()
    loss.backward()
    metrics = {name: values[-1] for name, values in trainer._metrics["train"].items() if name != "num_tokens"}
    return loss.item(), gradients(trainer.model), metrics, counts


def assert_shared_equals_separate(trainer, rows) -> tuple[Counter, Counter]:
    trainer._unchecked = False
    loss, grads, metrics, ran = step(trainer, rows, False)
    shared_loss, shared_grads, shared_metrics, shared_ran = step(trainer, rows, True)
    assert abs(shared_loss - loss) < 1e-9
    assert shared_metrics == pytest.approx(metrics, rel=1e-9)
    assert_same_gradients(shared_grads, grads)
    return ran, shared_ran


SETTINGS = [{}, {"freeze_vision": True}, {"activation_checkpointing": True}, {"loss_type": "dft"}]


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_equal_to_separate_questions(make_sft, qwen3, asked, family, changes):
    """Of three clips, with a row without one in between."""
    trainer = make_sft(folder=qwen3 if family == "qwen3_vl" else None, **changes)
    ran, shared = assert_shared_equals_separate(trainer, [asked[0], asked[8], *asked[1:8]])
    assert ran["clips"] == 8 and shared["clips"] == 3
    assert shared["tokens"] < ran["tokens"]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_lora(make_sft, asked, checkpointing):
    lora = LoraConfig(r=4, target_modules=r".*language_model.*\.(q|v|up)_proj$", lora_dropout=0.0)
    trainer = make_sft(peft_config=lora, freeze_vision=True, activation_checkpointing=checkpointing)
    for name, parameter in trainer.model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    trainer.model.double()
    _, shared = assert_shared_equals_separate(trainer, asked[:4])
    assert shared["clips"] == 1


def test_one_clip_costs_its_video_once(make_sft, asked):
    trainer = make_sft()
    batch = trainer.data_collator(asked[:4])
    lengths = batch["attention_mask"].sum(1)
    video = batch["videos"][batch["media_ids"][0]].num_tokens
    _, shared = assert_shared_equals_separate(trainer, asked[:4])
    # Beside the video, which runs once, there is what stands before it and each row's own tokens
    assert shared["tokens"] <= int((lengths - video).sum()) + video


def test_rows_that_share_no_clip_run_as_they_are(make_sft, asked):
    rows = [asked[0], asked[4], asked[7]]
    ran, shared = assert_shared_equals_separate(make_sft(), rows)
    assert ran == shared


def test_where_sharing_costs_more_rows_run_separately(make_sft, asked):
    """Seven short questions about one clip in a row are longer than the clip, and other clips are padded to them."""
    many = [{**asked[0], "id": 20 + n, "reasoning": "so " * 60} for n in range(5)]
    ran, shared = assert_shared_equals_separate(make_sft(), [*many, asked[4], asked[7]])
    assert shared["tokens"] <= ran["tokens"]


class TestFirstStep:
    def test_a_wrong_position_stops_the_run(self, make_sft, monkeypatch):
        original = Branches.positions
        monkeypatch.setattr(
            Branches, "positions", lambda self, prompts: original(self, prompts) + 5 * (self.segment > 1)
        )
        trainer = make_sft(double=False, questions_per_clip=4)
        with pytest.raises(RuntimeError, match="first step differ by .* Set share_prefix and share_vision to false"):
            trainer.train()

    def test_it_is_checked_once_and_only_where_something_is_shared(self, make_sft, asked, monkeypatch):
        from ocr_hf.train import sft_trainer

        seen = []
        monkeypatch.setattr(sft_trainer, "check_sharing", lambda *_: seen.append(1) or 0.0)
        make_sft(double=False, questions_per_clip=4, max_steps=3).train()
        assert seen == [1]
        make_sft(double=False, share_prefix=False, share_vision=False, questions_per_clip=4, max_steps=1).train()
        make_sft([asked[0], asked[4], asked[7], asked[8]], double=False, max_steps=1).train()
        assert seen == [1]

    def test_training_goes_on_as_if_it_had_not_been_checked(self, make_sft):
        losses = []
        for unchecked in (True, False):
            trainer = make_sft(double=False, questions_per_clip=4, max_steps=2)
            trainer._unchecked = unchecked
            trainer.train()
            losses.append(history(trainer, "loss"))
        assert losses[0] == losses[1]


@pytest.mark.slow
def test_training_is_the_same(make_sft):
    runs = []
    for share in (False, True):
        trainer = make_sft(
            share_prefix=share, share_vision=share, questions_per_clip=2, max_steps=4, eval_strategy="no"
        )
        trainer.train()
        logs = [entry for entry in trainer.state.log_history if "loss" in entry]
        names = ("loss", "grad_norm", "entropy", "mean_token_accuracy", "num_tokens")
        runs.append([[entry[name] for name in names] for entry in logs])
    # The model computes in float64, the Trainer adds losses in float32
    torch.testing.assert_close(torch.tensor(runs[1]), torch.tensor(runs[0]), rtol=5e-6, atol=1e-7)


def test_evaluation_shares_and_gives_the_same_loss(make_sft, asked):
    losses = []
    for share in (False, True):
        trainer = make_sft(share_prefix=share, share_vision=share)
        losses.append(trainer.evaluate(Dataset.from_list(asked))["eval_loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


def test_attention_that_takes_no_mask_is_said_and_not_shared(make_sft, asked, monkeypatch):
    monkeypatch.setattr("ocr_hf.train.log_probs.ATTENTION", ("eager",))
    with pytest.warns(UserWarning, match="share_prefix is off for this model: its attention is sdpa"):
        trainer = make_sft()
    assert not trainer._share_prefix


CLIPS = st.lists(st.integers(0, 6), max_size=40)


class TestOrder:
    @given(CLIPS, st.integers(1, 5), st.integers(0, 3))
    def test_every_row_once_and_parts_of_one_clip(self, clips, count, epoch):
        order = list(ClipSampler(list(map(str, clips)), count, 7, lambda: epoch))
        assert sorted(order) == list(range(len(clips)))
        parts = [{clips[row] for row in order[start : start + count]} for start in range(0, len(order), count)]
        whole = Counter(clip for part in parts if len(part) == 1 for clip in part)
        for clip, rows in Counter(clips).items():
            assert whole[clip] >= rows // count

    def test_order_is_of_seed_and_epoch(self):
        clips = [str(row // 6) for row in range(60)]
        orders = [
            list(ClipSampler(clips, 3, seed, lambda epoch=epoch: epoch)) for seed, epoch in ((0, 0), (0, 1), (1, 0))
        ]
        assert orders[0] == list(ClipSampler(clips, 3, 0, lambda: 0))
        assert all(a != b for a, b in pairwise(orders)) and orders[0] != orders[2]
        # Clips are mixed, not walked through one after the other
        assert sum(clips[a] == clips[b] for a, b in pairwise(orders[0][::3])) < 8

    @pytest.mark.parametrize("processes", [3, 5])
    def test_processes_hold_whole_parts_and_all_rows(self, processes):
        clips = [str(row // 5) for row in range(60)]
        batches = [
            list(BatchSamplerShard(BatchSampler(ClipSampler(clips, 2, 0, lambda: 0), 4, False), processes, rank))
            for rank in range(processes)
        ]
        assert sorted(row for own in batches for batch in own for row in batch) == list(range(60))
        pairs = [batch[start : start + 2] for own in batches for batch in own for start in (0, 2)]
        # Twelve clips of five: two pairs of each and one row, which pairs with that of another clip
        assert sum(clips[a] == clips[b] for a, b in pairs) == 24

    def test_names_of_clips(self):
        rows = [{"id": 0, "clip_id": "a", "vanilla": "a.mp4"}, {"id": 1, "clip_id": None, "vanilla": "b.mp4"}]
        assert clip_names(Dataset.from_list(rows), "vanilla") == ["a", "b.mp4"]
        bare = Dataset.from_list([{"id": 0, "vanilla": None}, {"id": 1, "vanilla": "b.mp4"}])
        assert clip_names(bare, "vanilla") == ["row-0", "b.mp4"]

    def test_batches_hold_the_questions_of_a_clip(self, make_sft):
        trainer = make_sft(questions_per_clip=2, per_device_train_batch_size=2)
        media = [batch["media_ids"] for batch in trainer.get_train_dataloader()]
        pairs = [pair for pair in media if len(set(pair)) == 1]
        assert len(media) == 5 and len(pairs) >= 3

    def test_a_run_resumed_in_a_later_epoch_equals_the_whole_one(self, make_sft, tmp_path):
        """Five batches an epoch; the second epoch has another order, of which three batches are left."""
        settings = {"questions_per_clip": 2, "per_device_train_batch_size": 2, "double": False}
        settings |= {"save_strategy": "steps", "save_steps": 7, "max_steps": 10}
        whole = make_sft(**settings, output_dir=str(tmp_path / "whole"))
        seen = recorded(whole)
        whole.train()
        assert seen[:5] != seen[5:10] and Counter(map(str, seen[:5])) != Counter(map(str, seen[5:10]))
        rest = make_sft(**settings, output_dir=str(tmp_path / "rest"))
        seen_later = recorded(rest)
        rest.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-7"))
        assert seen_later == seen[7:10]
        assert history(rest, "loss") == history(whole, "loss")


def recorded(trainer) -> list[list[list[int]]]:
    """Return a list that the token ids of each batch are added to as it is trained on."""
    seen, original = [], trainer.compute_loss

    def compute_loss(model, inputs, *args, **kwargs):
        seen.append(inputs["input_ids"].tolist())
        return original(model, inputs, *args, **kwargs)

    trainer.compute_loss = compute_loss
    return seen


class TestSettings:
    def test_what_does_not_go_together_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="questions_per_clip is 0; give 1 or more"):
            config(tmp_path, questions_per_clip=0)
        with pytest.raises(ValueError, match="per_device_train_batch_size = 4 rows can't be cut into such parts"):
            config(tmp_path, questions_per_clip=3)
        with pytest.raises(ValueError, match="train_sampling_strategy 'sequential' would order them, too"):
            config(tmp_path, questions_per_clip=2, train_sampling_strategy="sequential")

    def test_a_streamed_data_set_is_refused(self, make_sft, tmp_path):
        stream = SimpleNamespace(column_names=["prompt"])
        with pytest.raises(ValueError, match="a streamed data set has its own order"):
            OCRSFTTrainer(None, config(tmp_path, questions_per_clip=2), stream, None)
