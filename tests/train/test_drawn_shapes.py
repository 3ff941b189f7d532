"""Batches of drawn shapes: what rows share runs once, and log-probs and gradients are those of separate rows.

Groups of one to four rollouts with ragged completions, scored under one or two videos; several groups a batch, of one
clip or of several of unlike size, with equal or unlike questions; rows without a video in between. TRL's head computes
log-probs in float32, in which two computations that agree in float64 sometimes round apart; here they stay in float64.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import nn
from trl.trainer.utils import FusedCausalLMOutput

from ocr_hf.models.branches import IGNORED, Branches
from ocr_hf.models.media import encode_video, prompt_ids, with_video
from ocr_hf.models.padding import left_padded, right_padded
from ocr_hf.models.tiny import build_tiny
from ocr_hf.train.log_probs import VideoConditionedModel
from ocr_hf.train.video_store import VideoStore, freeze_vision
from tests.train.equality import assert_same_gradients, gradients

KINDS = {
    "trained tower": {},
    "trained tower, checkpointing": {"checkpointing": True},
    "frozen tower": {"frozen": True},
    "LoRA": {"frozen": True, "lora": True},
    "LoRA, checkpointing": {"frozen": True, "lora": True, "checkpointing": True},
}
SIZES = {"a": (4, 56, 56), "b": (8, 84, 56)}
"""Clips by name: frames, height, width."""


@dataclass(frozen=True)
class Group:
    """Rollouts of one prompt.

    clip : its name; None without one; question : which of several
    lengths : tokens of each completion; noisy : whether each is scored under the clip's noisy copy
    """

    clip: str | None
    question: int
    lengths: list[int]
    noisy: list[bool]


@st.composite
def groups(draw) -> Group:
    lengths = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    two_videos = draw(st.booleans())
    noisy = [two_videos and draw(st.booleans()) for _ in lengths]
    return Group(draw(st.sampled_from(["a", "b", None])), draw(st.integers(0, 1)), lengths, noisy)


BATCHES = st.lists(groups(), min_size=1, max_size=3).filter(lambda batch: any(any(group.lengths) for group in batch))


@pytest.fixture(scope="module")
def folders(tiny_folder, tmp_path_factory):
    return {
        "qwen2_5_vl": tiny_folder,
        "qwen3_vl": build_tiny(tmp_path_factory.mktemp("models") / "qwen3", "0.2M", "qwen3_vl"),
    }


@pytest.fixture(scope="module", params=["qwen2_5_vl", "qwen3_vl"])
def family(request, folders):
    """Processor, folder, and the videos by media id."""
    folder = folders[request.param]
    processor = transformers.AutoProcessor.from_pretrained(folder, padding_side="left")
    random, videos = np.random.default_rng(0), {}
    for name, (frames, height, width) in SIZES.items():
        pixels = random.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
        videos[name] = encode_video(processor, pixels, fps=2.0)
        pixels[2:, : height // 2] = 0
        videos[f"{name} noisy"] = encode_video(processor, pixels, fps=2.0)
    return folder, processor, videos


def exact(model):
    """A model with the interface of TRL's fused head, in the model's own number type."""

    def call(labels=None, shift_labels=None, fused_lm_head=True, **arguments):
        logits = model(**arguments, use_cache=False).logits
        if shift_labels is None:
            logits, shift_labels = logits[:, :-1], labels[:, 1:]
        told = logits.log_softmax(-1)
        scored = shift_labels != IGNORED
        log_probs = told.gather(-1, shift_labels.clamp(min=0)[..., None])[..., 0]
        entropy = -(told.exp() * told).sum(-1)
        return FusedCausalLMOutput(log_probs=log_probs * scored, entropy=entropy * scored, label_mask=scored)

    return call


@pytest.fixture(scope="module", params=KINDS)
def scored(request, family):
    """A function (batch of groups, share) -> log-probs, entropies (B, L - 1), gradients, tokens that ran."""
    folder, processor, videos = family
    kind = KINDS[request.param]
    torch.manual_seed(0)
    base = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float64)
    frozen = freeze_vision(base, kind.get("frozen", False))
    model = base
    if kind.get("lora"):
        model = get_peft_model(base, LoraConfig(r=2, target_modules=r".*language_model.*\.(q|v|up)_proj$"))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.1)
        model.double()
    if kind.get("checkpointing"):
        base.gradient_checkpointing_enable({"use_reentrant": False})
        base.enable_input_require_grads()
    model.train()

    def score(batch: list[Group], share: bool):
        ids, mask, labels, media_ids = laid_out(processor, videos, batch)
        shape = (len(ids), ids.shape[1] - 1)
        weights = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        store = VideoStore(processor, share, frozen)
        for name, video in videos.items():
            store.add(name, lambda video=video: video, name.removesuffix(" noisy"))
        model.zero_grad(set_to_none=True)
        tokens = []
        hook = base.model.language_model.register_forward_pre_hook(
            lambda _, __, kwargs: tokens.append(kwargs["inputs_embeds"][..., 0].numel()), with_kwargs=True
        )
        conditioned = VideoConditionedModel(exact(model), base, store, media_ids, nullcontext, share)
        output = conditioned(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True)
        hook.remove()
        conditioned.check_all_used()
        (output.log_probs * weights).sum().backward()
        return output.log_probs.detach(), output.entropy.detach(), gradients(model), sum(tokens)

    return score


def laid_out(processor, videos, batch: list[Group]):
    """Return ids, mask, labels (B, L) as TRL lays a batch out, and the media ids of its rows."""
    random = np.random.default_rng(len(batch))
    prompts, completions, media_ids = [], [], []
    for group in batch:
        text = ["How many chairs?", "Which of them is the larger one?"][group.question]
        chat = [{"role": "user", "content": text}]
        seen = [] if group.clip is None else [videos[group.clip]]
        prompt = prompt_ids(processor, with_video(chat) if seen else chat, seen)
        for length, noisy in zip(group.lengths, group.noisy, strict=True):
            prompts.append(prompt)
            completions.append(random.integers(0, 256, length).tolist())
            media_ids.append(f"{group.clip} noisy" if noisy and group.clip else group.clip)
    pad = processor.tokenizer.pad_token_id
    (ids, mask), (behind, there) = left_padded(prompts, pad), right_padded(completions, pad)
    labels = torch.cat([torch.full_like(ids, IGNORED), behind.masked_fill(there == 0, IGNORED)], 1)
    return torch.cat([ids, behind], 1), torch.cat([mask, there], 1), labels, media_ids


@settings(max_examples=5)
@given(batch=BATCHES)
def test_equal_to_separate_rows(scored, batch):
    separate, shared = (scored(batch, share) for share in (False, True))
    assert (shared[0] - separate[0]).abs().max() < 1e-9 and (shared[1] - separate[1]).abs().max() < 1e-9
    assert_same_gradients(shared[2], separate[2])
    assert shared[3] <= separate[3]


@given(batch=BATCHES)
def test_a_group_costs_its_prompt_once_for_each_video(family, batch):
    _, processor, videos = family
    group = batch[0]
    ids, mask, labels, media_ids = laid_out(processor, videos, [group])
    branches = Branches.of(ids, labels, mask, media_ids, processor.tokenizer.pad_token_id, processor.video_token_id)
    prompt = int(mask[0].sum()) - group.lengths[0]
    behind = {name: 0 for name in media_ids}
    for name, length in zip(media_ids, group.lengths, strict=True):
        behind[name] += length
    assert branches.num_tokens == len(behind) * (prompt - 1 + max(1, *behind.values(), 0))
    # Each token of a completion is predicted in one place, and where it is, it is the label
    places = branches.places[branches.places >= 0].tolist()
    assert len(set(places)) == len(places) == sum(group.lengths)
    learned = labels[:, 1:] != IGNORED
    assert torch.equal(branches.per_row(branches.labels)[learned], labels[:, 1:][learned])
