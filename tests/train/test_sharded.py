"""Parameters sharded by FSDP2 over two processes (gloo, on the CPU): training is that of one process without sharing.

The processes see unlike numbers of distinct videos, one of them sometimes none: each must run as many collectives as
the other, or both would wait for ever.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from ocr_hf.models.families import MODEL_FAMILIES
from ocr_hf.models.load_model import load_model
from ocr_hf.train.checks import check_sharding, why_not_vision
from ocr_hf.train.sharing import _features_inside
from ocr_hf.train.video_store import VideoStore, empty_video
from tests.train.fsdp_on_cpu import FSDP2
from tests.train.test_processes import launch

NOT_SHARED = {"share_vision": False, "share_prefix": False, "share_prefill": False}
COMPARED = ["loss", "grad_norm", "entropy", "kl", "reward", "noisy/entropy", "mean_token_accuracy"]
COMPARED += ["completions/mean_length", "completions/min_length", "completions/max_length"]
CASES = {
    # a row without a video, so that one process has none in some steps
    "unlike_media": {"score_under": "own", "text": [1]},
    # the reference model has a tower of its own; old log-probs are computed
    "reference": {"num_generations": 8, "beta": 0.04, "num_iterations": 2},
    "lora": {"lora": True, "activation_checkpointing": True},
    "generated": {"generate": True, "text": [1]},
    # the tower trains: it stays in the forward
    "trained": {"freeze_vision": False},
    "sft": {"sft": True, "freeze_vision": True, "questions_per_clip": 2, "text": [1]},
    "checkpointed": {"activation_checkpointing": True, "freeze_vision": False},
    # One process computes under autocast, the sharded ones with weights in bfloat16: see `test_in_bfloat16`
    "bf16": {"bf16": True},
}


@pytest.fixture(scope="module")
def outcomes(tiny_folder, rows, tmp_path_factory) -> list[Path]:
    """The folders that one process without sharing and two sharded processes with it wrote."""
    # Two questions about each clip
    asked = [{**row, "clip_id": f"clip{row['id'] // 2}", "vanilla": rows[row["id"] // 2]["vanilla"]} for row in rows]
    folders = []
    for processes, batch, settings, environment in ((1, 8, NOT_SHARED, {}), (2, 4, {}, FSDP2)):
        folders.append(tmp_path_factory.mktemp(f"sharded{processes}"))
        (folders[-1] / "rows.json").write_text(json.dumps(asked))
        # Not Adam, which makes steps of gradients that are rounding
        common = {"max_steps": 3, "optim": "sgd", "learning_rate": 0.05, **settings}
        cases = {case: {**own, **common} for case, own in CASES.items()}
        for own in cases.values():
            if own.get("sft"):
                own.pop("share_prefill", None)
        place = str(folders[-1])
        launch(processes, [str(tiny_folder), f"{place}/rows.json", place, str(batch), json.dumps(cases)], **environment)
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case != "bf16"])
def test_sharded_and_shared_equals_one_process_without_sharing(case, outcomes):
    one, two = (json.loads((folder / f"{case}.json").read_text()) for folder in outcomes)
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["in_step"] == (case not in ("trained", "checkpointed"))
    assert (two["encoded"] > 0) == two["in_step"] and not one["encoded"]
    for before, after in zip(one["history"], two["history"], strict=True):
        for name in COMPARED:
            assert (name in before) == (name in after)
            if name in before:
                assert after[name] == pytest.approx(before[name], rel=1e-3, abs=1e-5), name
    if case == "generated":
        lengths = [[entry[f"completions/{which}_length"] for which in ("min", "max")] for entry in two["history"]]
        assert any(shortest < longest for shortest, longest in lengths), "processes end at unlike places"
    weights, other_weights = (load_file(folder / f"{case}.safetensors") for folder in outcomes)
    assert weights.keys() == other_weights.keys()
    for name, value in weights.items():
        torch.testing.assert_close(other_weights[name], value, atol=2e-5, rtol=1e-4, msg=name)


@pytest.mark.slow
def test_in_bfloat16(outcomes, tiny_folder):
    """Weights stay in float32, and move the way that they move in one process."""
    one, two = (json.loads((folder / "bf16.json").read_text()) for folder in outcomes)
    for before, after in zip(one["history"], two["history"], strict=True):
        for name in ("grad_norm", "entropy", "reward", "completions/mean_length"):
            assert after[name] == pytest.approx(before[name], rel=0.05), name
    weights, others = (load_file(folder / "bf16.safetensors") for folder in outcomes)
    start = load_model(tiny_folder, device="cpu").model.state_dict()
    trained = [name for name in weights if ".visual." not in name]
    moves = [torch.cat([(held[name] - start[name]).flatten() for name in trained]) for held in (weights, others)]
    assert all(held[name].dtype == torch.float32 for held in (weights, others) for name in held)
    assert min(move.norm() for move in moves) > 1e-3
    assert torch.nn.functional.cosine_similarity(*moves, dim=0) > 0.98


def test_an_empty_video_is_one_token(make_trainer):
    trainer = make_trainer()
    base = trainer.base_of(trainer.model)
    (found,) = MODEL_FAMILIES["qwen2_5_vl"].video_features(base, *empty_video(trainer.processing_class))
    assert found["pooler_output"].shape[0] == 1


def test_every_process_runs_its_tower_once_whatever_its_videos_are(make_trainer, rows):
    from tests.train.test_seeing import batch_of

    trainer = make_trainer(max_objects=2)
    trainer.model.train()
    trainer._plan(batch_of(trainer, 2))
    planned, base, calls = trainer.videos["train"].videos, trainer.base_of(trainer.model), []

    def tower(pixels, grid):
        calls.append(len(grid))
        return MODEL_FAMILIES["qwen2_5_vl"].video_features(base, pixels, grid)

    store = VideoStore(trainer.processing_class, True, True, in_step=True)
    store.encode(base, tower, torch.device("cpu"))
    for name, video in planned.items():
        store.add(name, lambda video=video: video)
    with pytest.raises(RuntimeError, match="one process alone can't make them; set share_vision to false"):
        store._features_of(base, list(planned), torch.device("cpu"))
    store.encode(base, tower, torch.device("cpu"))
    store.encode(base, tower, torch.device("cpu"))
    assert calls == [1, len(planned), 1]
    found = store._features_of(base, list(planned), torch.device("cpu")).pooler_output
    expected = trainer.videos["train"]._features_of(base, list(planned), torch.device("cpu")).pooler_output
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_features_are_no_output_of_the_forward(make_trainer):
    """FSDP 2 casts outputs where it has a number type of its own, and fails on the kind of features."""
    trainer, outputs = make_trainer(), []
    base = trainer.base_of(trainer.model)
    own = base.forward
    pixels, grid = empty_video(trainer.processing_class)
    (found,) = _features_inside(lambda: outputs.append(base.forward()), base, pixels, grid)
    assert outputs == [None] and base.forward == own
    (expected,) = MODEL_FAMILIES["qwen2_5_vl"].video_features(base, pixels, grid)
    assert found["kind"] is expected["kind"] and torch.equal(found["pooler_output"], expected["pooler_output"])


FSDP, ZERO3 = SimpleNamespace(fsdp_version=2), SimpleNamespace(zero_stage=3)


@pytest.mark.parametrize(
    ("state", "frozen", "reason"),
    [
        ({}, False, None),
        ({"fsdp_plugin": FSDP}, True, None),
        ({"fsdp_plugin": FSDP}, False, "set freeze_vision to true"),
        ({"fsdp_plugin": SimpleNamespace(fsdp_version=1)}, True, "use FSDP 2"),
        ({"deepspeed_plugin": ZERO3}, True, "DeepSpeed ZeRO-3 gathers parameters in its own forward"),
        ({"deepspeed_plugin": SimpleNamespace(zero_stage=2)}, True, None),
    ],
)
def test_where_vision_can_be_shared(state, frozen, reason):
    accelerator = SimpleNamespace(state=SimpleNamespace(**state))
    found = why_not_vision(accelerator, MODEL_FAMILIES["qwen2_5_vl"], frozen)
    assert found is None if reason is None else reason in found


@pytest.mark.parametrize(("gathers", "refused"), [(False, True), (True, False), ("auto", False)])
def test_zero3_that_would_save_no_whole_weights_is_refused(gathers, refused):
    zero = {"zero_optimization": {"stage3_gather_16bit_weights_on_model_save": gathers}}
    accelerator = SimpleNamespace(
        state=SimpleNamespace(deepspeed_plugin=SimpleNamespace(zero_stage=3, deepspeed_config=zero))
    )
    with pytest.raises(ValueError, match="set zero3_save_16bit_model to true") if refused else nullcontext():
        check_sharding(accelerator, MODEL_FAMILIES["qwen2_5_vl"])


def test_asked_for_where_it_cannot_be_had(make_trainer, monkeypatch):
    monkeypatch.setattr("ocr_hf.train.checks.is_sharded", lambda _: True)
    with pytest.raises(ValueError, match="share_vision is true, but DeepSpeed ZeRO-3 .* or leave share_vision out"):
        make_trainer(share_vision=True)
    assert not make_trainer().videos["train"].share_vision
