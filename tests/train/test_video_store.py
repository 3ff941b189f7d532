"""Vision features: once per distinct video and set of weights, and of a noisy copy only what the noise touches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers

from ocr_hf.models.families import family_of
from ocr_hf.models.tiny import build_tiny
from ocr_hf.train.video_store import VideoStore
from tests.train.test_seeing import batch_of


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory):
    return build_tiny(tmp_path_factory.mktemp("models") / "qwen3", "0.2M", "qwen3_vl")


@pytest.fixture(params=["qwen2_5_vl", "qwen3_vl"])
def filled(request, make_trainer, tiny_folder, qwen3):
    """A store with a recorded clip and a copy that differs in one step of its grid, and a model in float64."""
    folder = qwen3 if request.param == "qwen3_vl" else tiny_folder
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float64).eval()
    trainer = make_trainer()
    processor = transformers.AutoProcessor.from_pretrained(folder, padding_side="left")
    trainer.processing_class = processor
    for store in trainer.videos.values():
        store.processor = processor
    trainer.model.train()
    trainer._plan(batch_of(trainer, 1))
    planned = trainer.videos["train"].videos
    recorded = next(iter(planned.values()))
    recorded = replace(recorded, pixel_values_videos=recorded.pixel_values_videos.double())
    steps = int(recorded.video_grid_thw[0, 0])
    assert steps >= 2
    pixels = recorded.pixel_values_videos.clone().view(steps, -1, recorded.pixel_values_videos.shape[-1])
    pixels[1, :3] += 0.5
    copy = recorded.with_pixels(pixels.flatten(0, 1))

    def store(frozen: bool = True, linked: bool = True) -> VideoStore:
        made = VideoStore(processor, True, frozen)
        made.add("clip", lambda: recorded)
        made.add("copy", lambda: copy, "clip" if linked else None)
        return made

    return model, store, steps


def tensors(features) -> list[torch.Tensor]:
    found = list(features.pooler_output)
    for level in getattr(features, "deepstack_features", None) or []:
        found += list(level)
    return found


def test_a_copy_costs_what_differs(filled):
    model, make, steps = filled
    linked, whole = make(), make(linked=False)
    some = linked._features_of(model, ["copy", "clip"], model.device)
    all_ = whole._features_of(model, ["copy", "clip"], model.device)
    assert linked.encoded_steps == steps + 1 and whole.encoded_steps == 2 * steps
    for a, b in zip(tensors(some), tensors(all_), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
    # The copy does differ, and only where it was changed
    copy, clip = some.pooler_output
    per_step = (copy - clip).abs().view(steps, -1).amax(1)
    assert per_step[1] > 1e-3 and not per_step[[i for i in range(steps) if i != 1]].any()


def test_the_gradient_of_a_tower_that_trains_is_whole(filled):
    model, make, _ = filled
    grads = []
    for linked in (True, False):
        model.zero_grad()
        features = make(frozen=False, linked=linked)._features_of(model, ["clip", "copy"], model.device)
        sum(
            (each * torch.linspace(0, 1, each.numel(), dtype=each.dtype).view_as(each)).sum()
            for each in tensors(features)
        ).backward()
        grads.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys() and grads[0]
    for name, expected in grads[1].items():
        torch.testing.assert_close(grads[0][name], expected, atol=1e-5 * float(expected.abs().max() + 1e-9), rtol=1e-5)


def test_a_tower_that_looks_across_steps_encodes_whole_copies(filled, monkeypatch):
    model, make, steps = filled
    family = family_of(model.config)
    store = make()
    other = replace(family, tower=replace(family.tower, attends_within="video"))
    monkeypatch.setattr("ocr_hf.train.video_store.family_of", lambda _: other)
    store._features_of(model, ["clip", "copy"], model.device)
    assert store.encoded_steps == 2 * steps


def test_a_copy_alone_is_encoded_whole(filled):
    model, make, steps = filled
    store = make()
    store._features_of(model, ["copy"], model.device)
    assert store.encoded_steps == steps
    # Afterwards the clip is encoded, and the copy is at hand
    store._features_of(model, ["clip", "copy"], model.device)
    assert store.encoded_steps == 2 * steps


def test_frozen_features_last_for_a_batch_and_no_longer(filled):
    model, make, steps = filled
    store = make()
    first = store._features_of(model, ["clip"], model.device).pooler_output[0]
    assert store._features_of(model, ["clip"], model.device).pooler_output[0] is first
    with torch.no_grad():
        for parameter in family_of(model.config).vision_tower(model).parameters():
            parameter.mul_(1.5)
    videos = dict(store.videos)
    store.clear()
    for name, video in videos.items():
        store.add(name, lambda video=video: video)
    assert not torch.equal(store._features_of(model, ["clip"], model.device).pooler_output[0], first)
    assert store.encoded_steps == 2 * steps


def test_no_gradient_runs_into_a_frozen_tower(make_trainer):
    """With LoRA and checkpointing, transformers lets embeddings require a gradient, and the tower's with them."""
    from peft import LoraConfig

    lora = LoraConfig(r=4, target_modules=r".*language_model.*\.(q|v)_proj$")
    trainer = make_trainer(peft_config=lora, activation_checkpointing=True)
    trainer.model.train()
    trainer._plan(batch_of(trainer, 1))
    store = trainer.videos["train"]
    features = store._features_of(trainer.base_of(trainer.model), list(store.videos), torch.device("cpu"))
    assert store.frozen and not any(each.requires_grad for each in tensors(features))
