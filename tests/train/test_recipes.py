"""Every recipe is read by the command it is for: no unknown option, no group that can't be split."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
TRAIN = sorted((RECIPES / "train").glob("*.yaml"))
ON_CPU = ["--use_cpu", "true", "--bf16", "false"]


@pytest.mark.parametrize("path", TRAIN, ids=[path.stem for path in TRAIN])
def test_recipes_are_read(path: Path, tmp_path: Path) -> None:
    from ocr_hf.settings.command_options import options
    from ocr_hf.settings.run_command import call
    from ocr_hf.train import grpo, sft

    kinds = (grpo if "grpo" in path.stem else sft)._kinds
    flags = [*ON_CPU, "--output_dir", str(tmp_path), "--data", "ocr-vsi"]
    data, *_, args, model = call(options(kinds)(lambda *configs: configs), [*flags, "--config", str(path)], "read")
    assert data.data == "ocr-vsi" and args.output_dir == str(tmp_path)  # flags win
    if "Qwen/" in model.model:
        assert model.revision != "main", "a Hub id needs its revision"
    if "grpo" in path.stem:
        assert args.num_vanilla == args.num_noisy == 4
        assert args.generation_batch_size % args.num_generations == 0


def test_recipes_name_each_other_and_accelerate_files_that_exist() -> None:
    for path in TRAIN:
        for word in path.read_text().split():
            if word.startswith("recipes/"):
                assert (RECIPES.parent / word).is_file(), f"{path.name} names {word}"


def test_lora_patterns_take_the_language_model_and_leave_the_tower() -> None:
    import re

    for path in TRAIN:
        pattern = yaml.safe_load(path.read_text()).get("lora_target_modules")
        if pattern is None:
            continue
        assert re.fullmatch(pattern, "model.language_model.layers.0.mlp.gate_proj")
        assert re.fullmatch(pattern, "model.language_model.layers.11.self_attn.q_proj")
        assert not re.fullmatch(pattern, "model.visual.blocks.0.mlp.gate_proj")
