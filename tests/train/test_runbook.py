"""docs/3b.md: its commands fit together and are run, its stages see the same frames, its figures are the script's."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from benchmarks import cost_3b
from ocr_hf.models.tiny import build_tiny
from ocr_hf.settings.command_options import options
from ocr_hf.settings.run_command import call
from ocr_hf.train import grpo, sft
from tests.hub_server.fixture import hub_api, hub_client, local_hub  # noqa: F401
from tests.scenes.test_furnished import models  # noqa: F401
from tests.train.runbook import PAGE, ROOT, commands, kind, option, started
from tests.vsi_bench.conftest import make_vsi_bench  # noqa: F401

TRAINED = {"sft": sft, "grpo": grpo}


def test_training_commands_name_recipes_and_settings_that_exist(tmp_path):
    """Every training of the page is read by its command as it stands, and sees the same clips as the others."""
    from accelerate.commands.config.config_args import load_config_from_file

    seen = set()
    for words in commands():
        if words[0] != "accelerate":
            continue
        file, given = started(words)
        assert load_config_from_file(str(ROOT / "recipes" / "accelerate" / f"{file}.yaml")).num_processes
        # Read on a machine without a GPU
        given = [*given, "--use_cpu", "true", "--bf16", "false"]
        given[given.index("--config") + 1] = str(ROOT / option(given, "--config"))
        kinds = TRAINED[kind(words)]._kinds
        data, *_, args, model = call(options(kinds)(lambda *configs: configs), given, "read")
        assert data.data == option(words, "--data")
        seen.add((args.frames, args.max_pixels, data.prompt))
        assert kind(words) == "sft" or model.model == "outputs/sft-3b"
    asked = next(words for words in commands() if option(words, "--prompt"))
    assert seen == {(int(option(asked, "--frames")), int(option(asked, "--max-pixels")), option(asked, "--prompt"))}


def test_runs_do_not_write_into_each_others_folders():
    folders = {}
    for words in commands():
        if words[0] == "accelerate":
            recipe = ROOT / option(words, "--config")
            folder = option(words, "--output_dir") or yaml.safe_load(recipe.read_text())["output_dir"]
            assert folders.setdefault(folder, started(words)[0]) == started(words)[0], folder


def test_figures_are_those_of_the_script_and_of_the_recipes():
    text = PAGE.read_text(encoding="utf-8")
    assert "\n".join(cost_3b.table()) in text and "\n".join(cost_3b.memory_table()) in text
    rows = {"24 GB, LoRA": "lora_24gb", "80 GB, LoRA, transformers": "lora_80gb", "80 GB, all weights": "full_80gb"}
    for row, name in (rows | {"8 GPUs, all weights": "full_8gpu"}).items():
        recipe = ROOT / "recipes" / "train" / f"ocr_grpo_3b_{name}.yaml"
        assert f"About {cost_3b.memory(row, 512):.0f} GB" in recipe.read_text().replace("\n# ", " ")
        found, (_, rollouts, micro_batch, full, _) = yaml.safe_load(recipe.read_text()), cost_3b.STEPS[row]
        cards = 8 if name == "full_8gpu" else 1
        assert found["per_device_train_batch_size"] == micro_batch and bool(found.get("use_peft")) != full
        assert found["per_device_train_batch_size"] * found["gradient_accumulation_steps"] * cards == rollouts


@pytest.mark.slow
def test_from_nothing_to_a_card_with_a_number(hub_api, hub_client, models, make_vsi_bench, tmp_path):  # noqa: F811
    """Every command of the page, in order, against a local Hub; see tests/train/runbook.py for what is smaller."""
    hub_api().create_repo("org/base")
    hub_api().upload_folder(repo_id="org/base", folder_path=build_tiny(tmp_path / "base", "0.2M"))
    place = tmp_path / "walk"
    place.mkdir()
    shutil.move(models, place / "models")
    shutil.move(make_vsi_bench(), place / "VSI-Bench")
    # Scans of one's own: those that their walk makes up
    own = (ROOT / "docs" / "walks" / "own-scans.md").read_text(encoding="utf-8")
    script = re.search(r"^```python\n(.*?)^```$", own, re.M | re.S)[1]
    (place / "make_recording.py").write_text(script)
    told = hub_client(
        "exec(open('make_recording.py').read())\nfrom tests.train.runbook import walk\nwalk()", cwd=place, timeout=1200
    )
    (tmp_path / "told.txt").write_text(told)
    model = place / "outputs" / "ocr-grpo-3b-lora"
    found = {name: _results(place / "eval" / name) for name in ("official", "as-trained", "from-the-hub")}
    _, metadata, text = (model / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(metadata)
    # The benchmark is a folder here, so the numbers stand in the card's text; model-index is for data sets of the Hub
    assert "model-index" not in card
    stated = re.findall(r"^\*\*([\d.]+)\*\* \[.*?prompt (\w+),", text, re.M | re.S)
    assert stated == [
        (f"{found['official']['overall']:.1f}", "official"),
        (f"{found['as-trained']['overall']:.1f}", "thinking"),
    ]
    assert (card["base_model"], card["license"]) == ("org/base", "other")
    assert json.loads((model / "ocr_hf.json").read_text()) == {"frames": 4, "prompt": "thinking", "max_pixels": 4704}
    # What is on the Hub answers as the folder did
    answers = [pd.read_parquet(place / "eval" / name / "predictions.parquet") for name in ("official", "from-the-hub")]
    assert len(answers[0]) == 8 and list(answers[0]["prediction"]) == list(answers[1]["prediction"])


def _results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())
