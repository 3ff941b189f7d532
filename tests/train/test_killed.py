"""A sharded run that is killed (kill -9) while it writes checkpoints ends as one that was left alone.

And what else may go wrong on several processes: a full disk, unequal libraries, one of two machines that is gone.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from safetensors.torch import load_file

from tests.train.fsdp_on_cpu import FSDP2
from tests.train.test_processes import COMMON, of_each_machine, start

SETTINGS = {
    "strategy": "ocr",
    "frames": 4,
    "num_generations": 4,
    "per_device_train_batch_size": 4,
    "max_completion_length": 6,
    "max_steps": 6,
    "save_steps": 2,
    "save_total_limit": 1,
    "logging_steps": 1,
    "learning_rate": 0.001,
    "rewards": "vowels",
    "use_cpu": "true",
    "bf16": "false",
    "activation_checkpointing": "false",
    "report_to": "none",
    "disable_tqdm": "true",
    "resume_from_checkpoint": "auto",
}
COMPARED = ["loss", "grad_norm", "entropy", "completions/mean_length", "noise/objects", "noise/area"]


def run(folder: Path, model: Path, data: Path, **environment: str) -> CompletedProcess:
    """Train in a folder, with two processes."""
    return start(2, words(folder, model, data), "killed_command.py", **FSDP2, **environment)


def words(folder: Path, model: Path, data: Path) -> list[str]:
    """Return what a training in a folder is started with."""
    settings = SETTINGS | {"model": model, "data": data, "output_dir": folder}
    return [str(word) for key, value in settings.items() for word in (f"--{key}", value)]


def checkpoints(folder: Path) -> dict[str, bool]:
    """Name -> whether it is whole."""
    return {path.name: (path / "checkpoint.json").is_file() for path in sorted(folder.glob("checkpoint-*"))}


@pytest.mark.slow
def test_killed_twice_in_the_middle_of_a_save_it_ends_alike(tiny_folder, dataset_folder, tmp_path):
    train = partial(run, model=tiny_folder, data=dataset_folder)
    alone, killed = (tmp_path / name for name in ("alone", "killed"))
    done = train(alone)
    assert done.returncode == 0, done.stderr[-3000:]
    # In the optimizer's state of the first save: there is no whole checkpoint yet, and the run begins anew. The other
    # process ends, too, or `start` would run into its time limit
    died = train(killed, KILL="1 2")
    assert died.returncode != 0 and "rank      : 1 " in died.stderr, "the launcher names who died"
    assert checkpoints(killed) == {"checkpoint-2": False}
    # In the weights of the second
    assert train(killed, KILL="0 3").returncode != 0
    assert checkpoints(killed) == {"checkpoint-2": True, "checkpoint-4": False}
    # As in the recipe, one process reads the weights and sends them to the others; it changes nothing else
    last = train(killed, FSDP_CPU_RAM_EFFICIENT_LOADING="true")
    assert last.returncode == 0, last.stderr[-3000:]
    assert "checkpoint-4 is not whole" in last.stderr
    assert checkpoints(killed) == {"checkpoint-6": True}

    before, after = map(_history, (alone, killed))
    assert len(before) == len(after) == 6
    assert max(entry["grad_norm"] for entry in before) > 0.0
    for one, other in zip(before, after, strict=True):
        for name in COMPARED:
            assert other[name] == pytest.approx(one[name], rel=1e-5, abs=1e-6), name
    weights, others = (load_file(folder / "model.safetensors") for folder in (alone, killed))
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        torch.testing.assert_close(others[name], value, atol=1e-6, rtol=0.0, msg=name)


def _history(folder: Path) -> list[dict[str, float]]:
    state = json.loads((folder / "trainer_state.json").read_text())
    return [entry for entry in state["log_history"] if "loss" in entry]


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_of_two_machines_the_other_names_the_process_that_was_killed(tiny_folder, dataset_folder, tmp_path, rank):
    """Their launchers know nothing of each other: without a name the survivor would read as the one that failed."""
    given = words(tmp_path / "run", tiny_folder, dataset_folder)
    environment = os.environ | FSDP2 | COMMON | {"KILL": f"{rank} 3"}
    machines = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for command in of_each_machine("killed_command.py", [given, given])
    ]
    told = [machine.communicate(timeout=240)[1] for machine in machines]
    assert all(machine.returncode for machine in machines)
    named = "process 1 on" if rank else "process 0 on|the store of the run, kept by process 0 on"
    assert re.search(rf"LostProcess: ({named}) .*no longer answers", told[1 - rank]), told[1 - rank][-3000:]
    assert "LostProcess" not in told[rank]
    assert checkpoints(tmp_path / "run")["checkpoint-2"]


@pytest.mark.slow
def test_a_disk_that_is_full_for_one_process_in_a_save(tiny_folder, dataset_folder, tmp_path):
    """Both end and say whose disk it is, and the checkpoint before is there to go on from."""
    done = run(tmp_path / "full", tiny_folder, dataset_folder, FULL="1 3")
    assert done.returncode != 0
    told = r"OSError: \S*checkpoint-4 isn't whole, because process 1 \(.*No space left on device\) couldn't write"
    assert len(re.findall(told, done.stderr)) >= 2, done.stderr[-3000:]
    assert checkpoints(tmp_path / "full") == {"checkpoint-2": True, "checkpoint-4": False}


@pytest.mark.slow
def test_processes_with_unequal_libraries_do_not_train(tiny_folder, dataset_folder, tmp_path):
    done = run(tmp_path / "unequal", tiny_folder, dataset_folder, OLDER="1")
    assert done.returncode != 0
    assert "process 1 on" in done.stderr and "has transformers 5.22.0, and process 0 on" in done.stderr
    assert not (tmp_path / "unequal" / "resolved_config.yaml").exists()
