"""Two real rooms in small, as the recipe trains on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.ocr_vsi_tiny.config import RecipeConfig
from recipes.ocr_vsi_tiny.model import build_untrained
from recipes.ocr_vsi_tiny.training_data import build_training_data
from tests.vsi_bench.toy_benchmark import toy_benchmark, toy_scenes  # noqa: F401


@pytest.fixture(scope="session")
def small() -> RecipeConfig:
    """The recipe with two rooms and a few steps."""
    return RecipeConfig(
        parts=(21,),
        scenes=2,
        held_out_clips=2,
        clips_per_step=2,
        questions_per_clip=4,
        first_steps=1,
        first_schedule=4,
        named_steps=1,
        related_steps=1,
        related_questions=4,
        heads_first=0,
        sft_steps=2,
        warm_up=1,
        grpo_steps=1,
        grpo_clips=1,
        grpo_batch=4,
        grpo_accumulation=1,
        grpo_generations=2,
        grpo_score_every=1,
    )


@pytest.fixture(scope="session")
def prepared(small, tmp_path_factory) -> Path:
    """A folder with the data of `small`, its cache, and the untrained model."""
    from transformers import AutoProcessor

    out = tmp_path_factory.mktemp("reference")
    build_untrained(out / "untrained")
    build_training_data(small, out, AutoProcessor.from_pretrained(out / "untrained"), echo=lambda text: None)
    return out
