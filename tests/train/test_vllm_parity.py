"""Rollouts by vLLM, against vLLM itself: `make test-vllm` sets up an environment with its CPU build and runs these.

Elsewhere they are skipped; what can be shown without vLLM is in `test_vllm_sampler.py`. Each test is a process, since
vLLM keeps one engine for a process's life. vLLM's CPU build packs weights when it loads them and then takes no new
ones; the tests have it compute with them as they are, as its GPU builds do.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from datasets import Dataset

from ocr_hf.models.tiny import TinySize, build_tiny
from ocr_hf.train import vllm_sampler
from ocr_hf.train.trainer import OCRGRPOTrainer
from tests.train.clips import make_rows
from tests.train.conftest import history, make_config, vowel_reward

pytest.importorskip("vllm", reason="vLLM isn't installed; `make test-vllm` runs these in an environment of its own")

SIZE = TinySize(128, 2, 2, 1, 256, vision_hidden=128, vision_layers=2, vision_heads=2)
"""Heads of 64 channels, the least that vLLM's attention on a CPU takes."""

ROUNDING = 1e-5
"""Nats: the largest difference of one token in float32 that is rounding."""


def run_vllm_in_float32(whole: bool) -> None:
    """Let TRL make its engines in float32, with weights as they are loaded.

    whole : log-probs of the whole distribution, in place of that from which media tokens are left out
    """
    os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    import trl.generation.vllm_generation as generation
    from vllm.model_executor.layers import utils

    def as_loaded(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = as_loaded
    settings = {"dtype": "float32", "enforce_eager": True} | ({"logprobs_mode": "raw_logprobs"} if whole else {})
    engine = generation.LLM
    generation.LLM = lambda **arguments: engine(**arguments | settings)


def trained(folder: Path, family: str = "qwen2_5_vl", whole: bool = True, **changes: Any) -> OCRGRPOTrainer:
    """Return a trainer on a tiny model whose rollouts come from vLLM."""
    run_vllm_in_float32(whole)
    torch.manual_seed(0)
    model = build_tiny(folder / "model", SIZE, family)
    peft_config, lr, rows = (changes.pop(name, None) for name in ("peft_config", "learning_rate", "rows"))
    settings = {
        "use_vllm": True,
        "vllm_max_model_length": 512,
        "score_under": "own",
        "sampler_check_every": 1,
        # An odd number, whose last frame stands twice, far enough apart that time goes beyond height and width
        "frames": 5,
        "learning_rate": lr or 1e-3,
        "max_steps": 1,
    }
    return OCRGRPOTrainer(
        transformers.AutoModelForImageTextToText.from_pretrained(model, dtype=torch.float32),
        vowel_reward,
        make_config(folder / "run", **settings | changes),
        Dataset.from_list(make_rows(folder, count=rows or 4)),
        processing_class=transformers.AutoProcessor.from_pretrained(model, padding_side="left"),
        peft_config=peft_config,
    )


def isolated(scenario: Callable[[Path], None], folder: Path) -> None:
    """Run a scenario in a process of its own; it is one of this module's functions."""
    process = multiprocessing.get_context("spawn").Process(target=_reported, args=(scenario, folder))
    process.start()
    process.join(1200)
    alive = process.is_alive()
    process.kill()
    report = folder / "error.txt"
    assert not alive, "it runs for more than twenty minutes"
    assert process.exitcode == 0, report.read_text() if report.exists() else f"exit status {process.exitcode}"


def _reported(scenario: Callable[[Path], None], folder: Path) -> None:
    try:
        scenario(folder)
    except BaseException:
        (folder / "error.txt").write_text(traceback.format_exc())
        # Past vLLM's own clean-up, which hangs after some errors
        os._exit(1)
    os._exit(0)


def log_probs_agree(folder: Path, family: str, **changes: Any) -> None:
    trainer = trained(folder, family, **changes)
    trainer.train()
    found = history(trainer, "vllm/largest_difference")
    assert len(found) == trainer.args.max_steps and max(found) < ROUNDING, found


def clips_and_noisy_copies(folder: Path) -> None:
    log_probs_agree(folder, "qwen2_5_vl", max_steps=3)


def another_temperature(folder: Path) -> None:
    """vLLM's log-probs are those at the temperature of sampling, as TRL's scoring has them."""
    trainer = trained(folder, whole=False, temperature=0.7, score_under="clean")
    trainer.train()
    assert history(trainer, "vllm/largest_difference")[0] < 0.005, "the share of media tokens, which are left out"


def qwen2_vl(folder: Path) -> None:
    log_probs_agree(folder, "qwen2_vl", max_steps=2)


def adapters_are_merged(folder: Path) -> None:
    from peft import LoraConfig

    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "gate_proj"], init_lora_weights=False)
    log_probs_agree(folder, "qwen2_5_vl", peft_config=lora, max_steps=2, learning_rate=1e-2)


def a_trained_tower(folder: Path) -> None:
    """One clip again and again, so that its media id is known to vLLM when the tower has changed."""
    trainer = trained(folder, max_steps=3, rows=1, freeze_vision=False, learning_rate=1e-2, strategy="grpo")
    trainer.train()
    assert max(history(trainer, "vllm/largest_difference")) < ROUNDING


def a_trained_tower_behind_a_full_cache(folder: Path) -> None:
    """The same without emptying the cache of features: the figure shows it, so the test above can fail."""
    trainer = trained(folder, max_steps=3, rows=1, freeze_vision=False, learning_rate=1e-2, strategy="grpo")
    trainer.vllm_generation.llm.llm_engine.reset_encoder_cache = lambda: None
    trainer.train()
    first, *later = history(trainer, "vllm/largest_difference")
    assert first < ROUNDING and min(later) > 100 * ROUNDING, (first, later)


def vllms_own_positions(folder: Path) -> None:
    """Without the scorer's positions the log-probs differ, and the first step stops."""
    vllm_sampler.use_positions_of = lambda *_: None
    with pytest.raises(RuntimeError, match="vLLM's log-probs of the first step differ from the scorer's by"):
        trained(folder, sampler_tolerance=0.001).train()


def another_video(folder: Path) -> None:
    """Frames that are not those that are scored stop the run, with the default tolerance."""
    fields = vllm_sampler.vllm_fields

    def turned(video: Any, media_id: str, processor: Any) -> dict[str, Any]:
        made = fields(video, media_id, processor)
        ((frames, metadata),) = made["multi_modal_data"]["video"]
        return made | {"multi_modal_data": {"video": [(255 - frames, metadata)]}}

    vllm_sampler.vllm_fields = turned
    with pytest.raises(RuntimeError, match=r"most at token \d .* \(media id clip\d/\w{16}\): vLLM -\d+.* scorer -\d+"):
        trained(folder).train()


def media_tokens(folder: Path) -> None:
    """They are never sampled, and what that takes from other log-probs is within the tolerance."""
    trainer = trained(folder, whole=False, max_completion_length=64)
    processor = trainer.processing_class
    trainer.model.train()
    output = trainer._generate_and_score_completions(trainer.data_collator([dict(trainer.train_dataset[0])] * 4))
    assert not set(output["completion_ids"].flatten().tolist()) & {processor.video_token_id, processor.image_token_id}
    assert ROUNDING < trainer._metrics["train"]["vllm/difference"][0] < 0.005


def packed_weights(folder: Path) -> None:
    """vLLM's CPU build as it comes packs them, and is refused instead of sampling from the untrained model."""
    from vllm.model_executor.layers import utils

    packs = utils.dispatch_cpu_unquantized_gemm
    run_vllm_in_float32(True)
    utils.dispatch_cpu_unquantized_gemm, globals()["run_vllm_in_float32"] = packs, lambda _: None
    with pytest.raises(ValueError, match="this vLLM has packed the model's weights when it loaded them"):
        trained(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    [
        clips_and_noisy_copies,
        another_temperature,
        qwen2_vl,
        adapters_are_merged,
        a_trained_tower,
        a_trained_tower_behind_a_full_cache,
        vllms_own_positions,
        another_video,
        media_tokens,
        packed_weights,
    ],
)
def test_vllm(scenario, tmp_path):
    isolated(scenario, tmp_path)
