"""The training commands as users run them: a stored trajectory is replayed, settings are saved, errors are one line.

To store a new trajectory after a change that is meant to move it:

    OCR_HF_STORE_TRAJECTORY=1 python -m pytest tests/train/test_command.py -k trajectory
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

STORED = Path(__file__).parents[1] / "golden" / "train_trajectory.json"
NUMBERS = {"sft": ("loss", "grad_norm"), "grpo": ("loss", "grad_norm", "kl", "reward", "noise/objects", "noise/area")}
COMMON = {
    "use_cpu": True,
    "bf16": False,
    "activation_checkpointing": False,
    "per_device_train_batch_size": 4,
    "logging_steps": 1,
    "frames": 4,
    "report_to": "none",
    "disable_tqdm": True,
    "seed": 5,
}
SFT = COMMON | {"max_steps": 60, "learning_rate": 5e-3, "save_strategy": "no"}
GRPO = COMMON | {
    "max_steps": 10,
    "learning_rate": 1e-3,
    "num_generations": 4,
    "max_completion_length": 24,
    "num_iterations": 2,
    "beta": 0.04,
    "strategy": "ocr",
    "save_steps": 4,
}


def start(module: str, folder: Path, settings: dict, *flags: str) -> subprocess.CompletedProcess:
    """Run `accelerate launch -m MODULE --config FILE FLAGS` in one process."""
    file = folder / f"{module.rsplit('.', 1)[-1]}.yaml"
    file.write_text(yaml.safe_dump(settings))
    command = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1", "--num_machines", "1"]
    command += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m", module, "--config", str(file), *flags]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=400)


def trajectory(folder: Path, stage: str) -> dict[str, list[float]]:
    history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return {name: [entry[name] for entry in history if name in entry][:10] for name in NUMBERS[stage]}


@pytest.fixture(scope="module")
def finished(tiny_folder, dataset_folder, tmp_path_factory) -> Path:
    """The folder of an SFT run and an OCR-GRPO run after it."""
    folder = tmp_path_factory.mktemp("command")
    for stage, settings, model in (("sft", SFT, tiny_folder), ("grpo", GRPO, folder / "sft")):
        paths = {"data": str(dataset_folder), "model": str(model), "output_dir": str(folder / stage)}
        done = start(f"ocr_hf.train.{stage}", folder, settings | paths)
        assert done.returncode == 0, done.stderr[-3000:]
        (folder / f"{stage}.log").write_text(done.stderr)
    return folder


@pytest.mark.slow
def test_stored_trajectory_is_replayed(finished):
    """Ten steps of each stage: losses, gradient norms, rewards and noise are what they were.

    Another codec setting in ocr_hf/data/video.py moves them too, since the clips are stored and read as users' are.
    """
    found = {stage: trajectory(finished / stage, stage) for stage in NUMBERS}
    assert len(found["grpo"]["grad_norm"]) == 10 and max(found["grpo"]["grad_norm"]) > 0.1
    assert max(map(abs, found["grpo"]["loss"])) > 1e-3
    if os.environ.get("OCR_HF_STORE_TRAJECTORY"):
        STORED.write_text(json.dumps(found, indent=1) + "\n")
    stored = json.loads(STORED.read_text())
    for stage, numbers in stored.items():
        for name, values in numbers.items():
            assert found[stage][name] == pytest.approx(values, rel=2e-3, abs=1e-5), f"{stage}: {name}"


@pytest.mark.slow
def test_settings_in_force_are_printed_and_saved(finished):
    saved = yaml.safe_load((finished / "grpo" / "resolved_config.yaml").read_text())
    assert saved["training"]["beta"] == 0.04 and saved["training"]["num_noisy"] == 2
    assert saved["training"]["epsilon"] == 0.2  # a default, saved as well
    assert saved["rewards"]["rewards"] == ["accuracy", "format"]
    printed = (finished / "grpo.log").read_text()
    assert "num_iterations: 2" in printed and "epsilon: 0.2" not in printed


@pytest.mark.slow
def test_trained_model_loads(finished):
    from ocr_hf.models.load_model import load_model

    assert load_model(finished / "grpo", device="cpu").model.num_parameters() > 1e5


@pytest.mark.slow
def test_resuming_is_asked_for_and_refuses_other_batches(finished, tiny_folder, dataset_folder, tmp_path):
    paths = {
        "data": str(dataset_folder),
        "model": str(finished / "sft"),
        "output_dir": str(finished / "grpo"),
    }
    from ocr_hf.train.config import OCRGRPOConfig
    from ocr_hf.train.run import resume_from

    settings = {name: value for name, value in (GRPO | paths).items() if name in OCRGRPOConfig.__dataclass_fields__}
    with pytest.raises(ValueError, match="holds checkpoint-10 of an earlier run; go on from it with"):
        resume_from(OCRGRPOConfig(**settings))
    chosen = resume_from(OCRGRPOConfig(**settings, resume_from_checkpoint="auto"))
    assert chosen.endswith("checkpoint-10")
    other = settings | {"per_device_train_batch_size": 8, "resume_from_checkpoint": "auto"}
    with pytest.raises(ValueError, match=r"per_device_train_batch_size 4 -> 8\); resume with the same"):
        resume_from(OCRGRPOConfig(**other))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"data": "", "model": "x"}, "no data set is named; set data to a folder"),
        ({"data": "x"}, "no model is named; set model to a folder or a Hub id"),
        ({"data": "x", "model": "/nowhere"}, "there is no model at '/nowhere'"),
        ({"data": "x", "model": "TINY"}, "x: no such folder, and no ORG/NAME of the Hub"),
        ({"data": "DATA", "model": "TINY", "rewards": ["beauty"]}, "there is no reward 'beauty'"),
        ({"data": "DATA", "model": "TINY", "load_in_4bit": True}, "load_in_4bit needs bitsandbytes"),
        ({"data": "DATA", "model": "TINY", "max_completion_length": 4090}, "exceed the model's contex"),
    ],
)
def test_errors_are_one_sentence(tiny_folder, dataset_folder, tmp_path, capsys, monkeypatch, flags, message):
    from ocr_hf.settings.run_command import run as run_command
    from ocr_hf.train import run

    monkeypatch.setattr(run, "find_spec", lambda name: None)  # as where bitsandbytes is not installed
    names = {"TINY": str(tiny_folder), "DATA": str(dataset_folder)}
    given = {name: names.get(value, value) if isinstance(value, str) else value for name, value in flags.items()}
    file = tmp_path / "grpo.yaml"
    file.write_text(yaml.safe_dump(GRPO | {"output_dir": str(tmp_path / "out")} | given))
    with pytest.raises(SystemExit) as stopped:
        run_command("ocr_hf.train.grpo:main", "ocr_hf.train.grpo", ["--config", str(file)])
    # A data set that is loaded for the first time shows its progress before
    *_, told = capsys.readouterr().err.replace("\r", "\n").strip().splitlines()
    assert stopped.value.code == 1 and told.startswith("ocr_hf.train.grpo: ") and message in told
    assert not (tmp_path / "out").exists()


def test_another_trl_is_told_in_one_sentence(tmp_path):
    """Not in a traceback: nothing that the command imports first needs TRL."""
    code = """
import importlib.metadata as metadata, runpy, sys
real = metadata.version
metadata.version = lambda name: "1.17.0" if name == "trl" else real(name)
sys.argv = ["grpo"]
runpy.run_module("ocr_hf.train." + sys.argv[0], run_name="__main__")
"""
    for name in ("grpo", "sft"):
        done = subprocess.run(
            [sys.executable, "-c", code.replace('"grpo"', f'"{name}"')], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 1
        assert done.stderr.strip() == (
            f"ocr_hf.train.{name}: TRL 1.17.0 is installed, and this trainer is written against 1.16; install it with "
            "`pip install 'trl==1.16.*'`"
        )
