"""Prompts that run once for all their completions: log-probs and gradients are those of separate rows."""

from __future__ import annotations

import pytest
import torch
import transformers
from peft import LoraConfig
from torch import nn

from ocr_hf.models import branch_attention
from ocr_hf.models.branches import IGNORED, Branches
from ocr_hf.models.tiny import build_tiny
from ocr_hf.train import generation
from ocr_hf.train.log_probs import VideoConditionedModel, why_not_branches
from ocr_hf.train.video_store import VideoStore
from tests.train.equality import assert_same_gradients, gradients
from tests.train.test_seeing import batch_of


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory):
    return build_tiny(tmp_path_factory.mktemp("models") / "qwen3", "0.2M", "qwen3_vl")


class Counted(nn.Module):
    """Counts the tokens that the language model runs."""

    def __init__(self, trainer) -> None:
        super().__init__()
        self.tokens = 0
        language = trainer.base_of(trainer.model).model.language_model
        self.hook = language.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module, args, kwargs) -> None:
        self.tokens += kwargs["inputs_embeds"].shape[0] * kwargs["inputs_embeds"].shape[1]


def make_double(make_trainer, tiny_folder, attention="sdpa", folder=None, **changes):
    """A trainer whose model computes in float64."""
    model = transformers.AutoModelForImageTextToText.from_pretrained(
        folder or tiny_folder, dtype=torch.float64, attn_implementation=attention
    )
    trainer = make_trainer(model=model, **changes)
    if folder is not None:
        trainer.processing_class = transformers.AutoProcessor.from_pretrained(folder, padding_side="left")
        for table in trainer.videos.values():
            table.processor = trainer.processing_class
    return trainer


def scored(trainer, output, share: bool, weights: torch.Tensor):
    """Return log-probs and entropies (B, C), gradients by name, and the tokens that ran."""
    trainer._share_prefix = share
    ids = torch.cat([output["prompt_ids"], output["completion_ids"]], 1)
    mask = torch.cat([output["prompt_mask"], output["completion_mask"]], 1)
    trainer.model.zero_grad(set_to_none=True)
    counted = Counted(trainer)
    with trainer._scoring(output["scored_media"], output["role"]):
        logps, entropies, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model, ids, mask, output["completion_ids"].shape[1], compute_entropy=True
        )
    counted.hook.remove()
    (logps * weights).sum().backward()
    return logps.detach(), entropies.detach(), gradients(trainer.model), counted.tokens


def assert_shared_equals_separate(trainer, output) -> None:
    tokens = output["completion_mask"].bool()
    weights = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * tokens
    separate = scored(trainer, output, False, weights)
    shared = scored(trainer, output, True, weights)
    assert (shared[0] - separate[0])[tokens].abs().max() < 1e-9
    assert (shared[1] - separate[1])[tokens].abs().max() < 1e-9
    assert not shared[0][~tokens].any()
    assert_same_gradients(shared[2], separate[2])
    assert shared[3] < 0.6 * separate[3]


SETTINGS = [
    {},
    {"score_under": "own"},
    {"freeze_vision": False},
    {"freeze_vision": False, "share_vision": False},
    {"activation_checkpointing": True},
    {"activation_checkpointing": True, "freeze_vision": False},
    {"strategy": "grpo"},
]


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_equal_to_separate_rows(make_trainer, tiny_folder, qwen3, family, changes):
    trainer = make_double(make_trainer, tiny_folder, folder=qwen3 if family == "qwen3_vl" else None, **changes)
    trainer.model.train()
    output = trainer._generate_and_score_completions(batch_of(trainer, 2))
    output["completion_mask"] = ragged(output["completion_mask"])
    assert_shared_equals_separate(trainer, output)


def ragged(mask: torch.Tensor) -> torch.Tensor:
    """Completions of unlike length, one of them empty."""
    mask = mask.clone()
    for row in range(len(mask)):
        mask[row, (3 * row) % (mask.shape[1] + 1) :] = 0
    return mask


def test_eager_attention(make_trainer, tiny_folder):
    """Which computes its softmax in float32, so that it is equal up to that."""
    trainer = make_double(make_trainer, tiny_folder, attention="eager")
    trainer.model.train()
    output = trainer._generate_and_score_completions(batch_of(trainer, 2))
    tokens = output["completion_mask"].bool()
    separate, shared = (scored(trainer, output, share, tokens.double()) for share in (False, True))
    assert (shared[0] - separate[0])[tokens].abs().max() < 1e-5 and shared[3] < 0.6 * separate[3]


def test_flex_attention_for_branches(make_trainer, tiny_folder, monkeypatch):
    """Log-probs only: on a CPU flex attention has no gradient, and is run without being compiled."""
    from torch.nn.attention.flex_attention import flex_attention
    from transformers.integrations import flex_attention as integration

    calls = []

    def uncompiled(query, key, value, training, **arguments):
        calls.append(arguments["block_mask"])
        return flex_attention(query, key, value, **arguments)

    monkeypatch.setattr(integration, "compile_friendly_flex_attention", uncompiled)
    branch_attention.register()
    trainer = make_double(make_trainer, tiny_folder, attention=branch_attention.NAME, score_under="own", max_objects=2)
    assert why_not_branches(trainer.model) is None
    trainer.model.train()
    output = trainer._generate_and_score_completions(batch_of(trainer, 2))
    mask = ragged(output["completion_mask"])
    ids = torch.cat([output["prompt_ids"], output["completion_ids"]], 1)
    calls.clear()
    found = []
    for share in (False, True):
        trainer._share_prefix = share
        with torch.no_grad(), trainer._scoring(output["scored_media"], output["role"]):
            everything = torch.cat([output["prompt_mask"], mask], 1)
            found.append(trainer._get_per_token_logps_and_entropies(trainer.model, ids, everything, mask.shape[1])[0])
        assert bool(calls) == share, "flex attention runs where a prompt is shared, and nowhere else"
    assert (found[0] - found[1])[mask.bool()].abs().max() < 1e-9


def test_attention_that_takes_no_mask_is_not_shared(make_trainer, tiny_folder):
    model = make_double(make_trainer, tiny_folder).model
    assert why_not_branches(model) is None
    model.config.text_config._attn_implementation = "flash_attention_2"
    assert "its attention is flash_attention_2, which takes no such mask" in why_not_branches(model)
    model.config.text_config._attn_implementation = "sdpa"
    model.config.text_config.layer_types = ["sliding_attention", "full_attention"]
    assert "it has layers with sliding_attention" in why_not_branches(model)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_lora(make_trainer, tiny_folder, checkpointing):
    lora = LoraConfig(r=4, target_modules=r".*language_model.*\.(q|v|up)_proj$", lora_dropout=0.0)
    trainer = make_double(make_trainer, tiny_folder, peft_config=lora, activation_checkpointing=checkpointing)
    for name, parameter in trainer.model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    trainer.model.double().train()
    output = trainer._generate_and_score_completions(batch_of(trainer, 2))
    assert_shared_equals_separate(trainer, output)


def test_rows_without_video_in_between(make_trainer, tiny_folder, rows):
    from datasets import Dataset

    mixed = [rows[0], {**rows[1], "vanilla": None}]
    trainer = make_double(make_trainer, tiny_folder, data=Dataset.from_list(mixed))
    trainer.model.train()
    output = trainer._generate_and_score_completions(batch_of(trainer, 2))
    assert None in output["scored_media"] and any(output["scored_media"])
    assert_shared_equals_separate(trainer, output)


def test_equal_tokens_under_two_videos_are_not_shared(make_trainer, tiny_folder):
    trainer = make_double(make_trainer, tiny_folder, score_under="own", max_objects=2)
    trainer.model.train()
    output = trainer._generate_and_score_completions(batch_of(trainer, 1))
    ids = torch.cat([output["prompt_ids"], output["completion_ids"]], 1)
    mask = torch.cat([output["prompt_mask"], output["completion_mask"]], 1)
    assert len(set(output["scored_media"])) == 2 and (output["prompt_ids"] == output["prompt_ids"][:1]).all()
    keep = output["completion_ids"].shape[1]
    video = trainer.processing_class.video_token_id
    branches = Branches.of(ids, labels_of(ids, mask, keep), mask, output["scored_media"], 0, video)
    assert len(branches.first) == 2


@pytest.mark.slow
def test_training_is_the_same(make_trainer, tiny_folder):
    """Whole steps with old and reference log-probs, several updates on one generation, and entropy."""
    losses = []
    for share in (False, True):
        trainer = make_double(
            make_trainer,
            tiny_folder,
            share_prefix=share,
            beta=0.04,
            num_iterations=2,
            max_steps=4,
            per_device_train_batch_size=8,
        )
        trainer.train()
        logs = [entry for entry in trainer.state.log_history if "loss" in entry]
        losses.append([[entry[name] for name in ("loss", "grad_norm", "kl", "entropy")] for entry in logs])
    # The model computes in float64, but TRL's advantages and the Trainer's sum of losses are float32, and a loss near
    # zero is a sum of terms of about 0.1
    torch.testing.assert_close(torch.tensor(losses[1]), torch.tensor(losses[0]), rtol=5e-6, atol=1e-7)


def labels_of(ids: torch.Tensor, mask: torch.Tensor, keep: int) -> torch.Tensor:
    """As TRL makes them: the tokens of the completions, which stand in the last `keep` columns."""
    labels = ids.masked_fill(mask == 0, IGNORED)
    labels[:, :-keep] = IGNORED
    return labels


VIDEO = 9


class TestLayout:
    def test_what_sees_what(self) -> None:
        ids = torch.tensor([[0, 5, 6, 7, 1, 2, 0], [0, 5, 6, 7, 3, 0, 0], [4, 5, 6, 7, 1, 2, 3]])
        mask = (ids > 0).long()
        branches = Branches.of(ids, labels_of(ids, mask, 3), mask, [None, None, None], 0, VIDEO)
        assert branches.first.tolist() == [0, 2]
        assert branches.input_ids.tolist() == [[0, 5, 6, 7, 1, 7], [4, 5, 6, 7, 1, 2]]
        assert branches.labels.tolist() == [[-100, -100, -100, 1, 2, 3], [-100, -100, -100, 1, 2, 3]]
        positions = branches.positions(torch.tensor([[[9, 0, 1, 2], [0, 1, 2, 3]]]))
        assert positions.tolist() == [[[9, 0, 1, 2, 3, 2], [0, 1, 2, 3, 4, 5]]]
        sees = branches.allowed()[0, 0].int().tolist()
        assert sees == [
            [1, 0, 0, 0, 0, 0],
            [0, 1, 0, 0, 0, 0],
            [0, 1, 1, 0, 0, 0],
            [0, 1, 1, 1, 0, 0],
            [0, 1, 1, 1, 1, 0],
            [0, 1, 1, 0, 0, 1],
        ]
        rows = branches.per_row(torch.arange(12.0).reshape(2, 6))
        assert rows.tolist() == [[0, 0, 0, 3, 4, 0], [0, 0, 0, 5, 0, 0], [0, 0, 0, 9, 10, 11]]

    def test_questions_about_one_video_share_what_they_begin_with(self) -> None:
        #                      video  question answer
        ids = torch.tensor([[5, 9, 9, 6, 1, 2, 3, 0], [5, 9, 9, 6, 4, 3, 3, 3], [5, 9, 9, 6, 1, 2, 4, 0]])
        answers = torch.tensor([[0, 0, 0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1, 0]])
        branches = Branches.of(ids, ids.masked_fill(answers == 0, IGNORED), (ids > 0).long(), ["a"] * 3, 0, VIDEO)
        assert branches.prompts.tolist() == [[5, 9, 9, 6]] and branches.first.tolist() == [0]
        assert branches.input_ids.tolist() == [[5, 9, 9, 6, 1, 2, 6, 4, 3, 3, 6, 1, 2]]
        assert branches.labels.tolist() == [[*[-100] * 5, 3, -100, 3, 3, 3, -100, -100, 4]]
        assert branches.offset.tolist() == [[0, 0, 0, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2]]
        rows = branches.per_row(torch.arange(13.0)[None])
        assert rows.tolist() == [[0, 0, 0, 3, 4, 5, 0], [0, 0, 0, 6, 7, 8, 9], [0, 0, 0, 10, 11, 12, 0]]

    def test_what_leaves_fewer_tokens_is_shared(self) -> None:
        """Four rollouts of each of two prompts about one video: whole prompts, for what differs is longer than it."""

        def laid(video: int, question: int) -> Branches:
            prompts = [[5, *[9] * video, 6, *[number] * question] for number in (1, 2)]
            ids = torch.tensor([[*prompts[row // 4], 3] for row in range(8)])
            return Branches.of(ids, labels_of(ids, torch.ones_like(ids), 1), torch.ones_like(ids), ["a"] * 8, 0, VIDEO)

        assert len(laid(video=2, question=6).first) == 2
        assert len(laid(video=20, question=2).first) == 1

    @pytest.mark.parametrize("ids", [[[5, 1, 9, 9, 6, 3], [5, 2, 9, 9, 6, 3]], [[5, 9, 9, 1, 3], [5, 9, 9, 2, 3]]])
    def test_a_video_is_not_parted_from_what_stands_before_it(self, ids) -> None:
        """Nor is the first token behind it, whose position doesn't follow from the last of the video."""
        ids = torch.tensor(ids)
        assert len(Branches.of(ids, labels_of(ids, ids, 1), torch.ones_like(ids), ["a", "a"], 0, VIDEO).first) == 2

    def test_a_key_keeps_rows_apart(self) -> None:
        ids = torch.tensor([[5, 6, 1], [5, 6, 2]])
        labels, mask = labels_of(ids, ids, 1), torch.ones_like(ids)
        assert len(Branches.of(ids, labels, mask, ["a", "b"], 0, VIDEO).first) == 2
        assert len(Branches.of(ids, labels, mask, ["a", "a"], 0, VIDEO).first) == 1

    def test_a_row_without_a_prompt_is_refused(self) -> None:
        ids = torch.tensor([[0, 0, 1]])
        with pytest.raises(ValueError, match="row 0 of the batch has no prompt"):
            Branches.of(ids, labels_of(ids, ids, 1), (ids > 0).long(), ["a"], 0, VIDEO)


def test_the_model_is_called_as_often_as_before(make_trainer, tiny_folder, monkeypatch):
    """Under FSDP a forward is a collective: sharing must not change how many there are."""
    calls = []
    original = VideoConditionedModel.__call__

    def counted(self, **arguments):
        calls.append(len(arguments["input_ids"]))
        return original(self, **arguments)

    monkeypatch.setattr(VideoConditionedModel, "__call__", counted)
    for share in (False, True):
        trainer = make_double(make_trainer, tiny_folder, share_prefix=share, max_steps=2, beta=0.04)
        trainer.train()
    assert calls[: len(calls) // 2] == calls[len(calls) // 2 :]


class TestPrefill:
    @pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
    @pytest.mark.parametrize("greedy", [True, False])
    def test_the_same_is_generated(self, make_trainer, tiny_folder, qwen3, family, greedy):
        outputs, tokens = [], []
        for share in (False, True):
            trainer = make_double(
                make_trainer,
                tiny_folder,
                folder=qwen3 if family == "qwen3_vl" else None,
                share_prefill=share,
                generation_kwargs={"do_sample": not greedy},
                max_completion_length=16,
                per_device_train_batch_size=8,
            )
            with torch.no_grad():
                # Weights so large that answers differ from prompt to prompt
                for parameter in trainer.model.parameters():
                    parameter.mul_(3.0 if parameter.ndim > 1 else 1.0)
            trainer.model.train()
            torch.manual_seed(3)
            counted = Counted(trainer)
            rollouts = trainer._rollouts = trainer._plan(batch_of(trainer, 2))
            prompts = trainer._tokenize_prompts(
                [row["prompt"] for row in trainer.train_dataset.select([0] * 4 + [1] * 4)]
            )[0]
            outputs.append(trainer._sample(prompts, [rollout.sampled_from for rollout in rollouts]))
            counted.hook.remove()
            tokens.append(counted.tokens)
        assert outputs[0] == outputs[1] and len(set(map(tuple, outputs[0]))) > 1
        # 8 prompts for 4 distinct videos: half of the prefill is gone
        assert tokens[1] < tokens[0] - 3 * min(map(len, prompts))

    @pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
    def test_rollouts_that_have_ended_leave_the_batch(self, make_trainer, tiny_folder, qwen3, family, monkeypatch):
        trainer = make_double(
            make_trainer,
            tiny_folder,
            folder=qwen3 if family == "qwen3_vl" else None,
            generation_kwargs={"do_sample": False, "repetition_penalty": 1.2},
            max_completion_length=23,
            per_device_train_batch_size=8,
        )
        with torch.no_grad():
            for parameter in trainer.model.parameters():
                parameter.mul_(3.0 if parameter.ndim > 1 else 1.0)
        rollouts = trainer._rollouts = trainer._plan(batch_of(trainer, 2))
        rows = trainer.train_dataset.select([0] * 4 + [1] * 4)
        prompts, *_ = trainer._tokenize_prompts([row["prompt"] for row in rows])
        media_ids = [rollout.sampled_from for rollout in rollouts]
        endless = trainer._sample(prompts, media_ids)
        # Tokens that the model does write become ends: some rollouts are short, one in the first piece
        ends = {endless[0][2], endless[-1][11]}
        trainer.eos_token_ids = trainer.generation_config.eos_token_id = sorted(ends)
        found, tokens = [], []
        for piece in (100, 5):
            monkeypatch.setattr(generation, "PIECE", piece)
            counted = Counted(trainer)
            found.append(trainer._sample(prompts, media_ids))
            counted.hook.remove()
            tokens.append(counted.tokens)
        lengths = [len(row) for row in found[0]]
        assert found[0] == found[1] and min(lengths) <= 3 and max(lengths) > 10
        # Each runs to the end of its piece at most
        spared = sum(max(0, max(lengths) - 5 * -(-length // 5)) for length in lengths)
        assert tokens[1] <= tokens[0] - spared < tokens[0]

    def test_with_adapters(self, make_trainer, tiny_folder):
        lora = LoraConfig(r=4, target_modules=r".*language_model.*\.(q|v|up)_proj$")
        outputs = []
        for share in (False, True):
            trainer = make_trainer(peft_config=lora, share_prefill=share)
            trainer.model.train()
            torch.manual_seed(3)
            outputs.append(trainer._generate_and_score_completions(batch_of(trainer, 1))["completion_ids"])
        assert torch.equal(*outputs)


class TestFirstStep:
    def test_a_wrong_position_stops_the_run(self, make_trainer, monkeypatch):
        original = Branches.positions
        monkeypatch.setattr(
            Branches, "positions", lambda self, prompts: original(self, prompts) + 5 * (self.segment > 1)
        )
        trainer = make_trainer()
        with pytest.raises(
            RuntimeError, match=r"log-probs of the first step differ by .* Set share_prefix, share_prefill"
        ):
            trainer.train()

    def test_a_wrong_feature_stops_the_run(self, make_trainer):
        trainer = make_trainer(share_prefix=False)
        store, original = trainer.videos["train"], VideoStore._features_of

        def swapped(self, model, media_ids, device):
            return original(self, model, media_ids[::-1], device)

        store._features_of = swapped.__get__(store)
        with pytest.raises(RuntimeError, match="log-probs of the first step differ by"):
            trainer.train()

    def test_without_sharing_nothing_is_checked(self, make_trainer, monkeypatch):
        from ocr_hf.train import video_scoring

        monkeypatch.setattr(video_scoring, "check_sharing", lambda *_: pytest.fail("there is nothing to check"))
        make_trainer(share_prefix=False, share_vision=False, max_steps=1).train()

    def test_it_is_checked_once(self, make_trainer, monkeypatch):
        from ocr_hf.train import video_scoring

        seen = []
        monkeypatch.setattr(video_scoring, "check_sharing", lambda *_: seen.append(1) or 0.0)
        make_trainer(max_steps=2, gradient_accumulation_steps=2).train()
        assert seen == [1]


class TestMemory:
    @pytest.fixture
    def full(self, make_trainer, tiny_folder, monkeypatch):
        """A trainer with a batch of eight, whose passes of more than four rollouts find no memory."""
        trainer = make_double(make_trainer, tiny_folder, per_device_train_batch_size=8)
        trainer.model.train()
        output = trainer._generate_and_score_completions(batch_of(trainer, 2))
        weights = output["completion_mask"].double()
        expected = scored(trainer, output, True, weights)[0]
        original, sizes = VideoConditionedModel._shared, []

        def limited(self, branches, rows, arguments):
            sizes.append(len(rows))
            if len(rows) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return original(self, branches, rows, arguments)

        monkeypatch.setattr(VideoConditionedModel, "_shared", limited)
        return trainer, output, expected, sizes

    def test_a_pass_without_gradient_runs_in_halves(self, full):
        trainer, output, expected, sizes = full
        ids = torch.cat([output["prompt_ids"], output["completion_ids"]], 1)
        mask = torch.cat([output["prompt_mask"], output["completion_mask"]], 1)
        keep = output["completion_ids"].shape[1]
        told = r"a shared pass of 2 sequences of \d+ tokens \(8 rows\) doesn't fit"
        scoring = trainer._scoring(output["scored_media"], output["role"])
        with torch.no_grad(), scoring, pytest.warns(UserWarning, match=told):
            found = trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, keep)[0]
        tokens = output["completion_mask"].bool()
        assert (found - expected)[tokens].abs().max() < 1e-9 and sizes == [8, 4, 2, 2, 4, 2, 2]

    def test_the_loss_says_what_to_lower(self, full):
        trainer, output, _, _ = full
        with pytest.raises(torch.OutOfMemoryError, match="8 rows.*lower per_device_train_batch_size"):
            scored(trainer, output, True, output["completion_mask"].double())
