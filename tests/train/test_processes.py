"""Two processes (gloo, on the CPU) train what one does with the same global batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
COMMON = {
    "ACCELERATE_USE_CPU": "true",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parents[1]}",
}
"""Environment of a started process."""


def start(processes: int, arguments: list[str], script: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a script of this folder with torchrun: `accelerate launch --cpu --num_processes 2` silently runs one."""
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command += [str(HERE / script), *arguments]
    return subprocess.run(command, env=os.environ | environment | COMMON, capture_output=True, text=True, timeout=900)


def of_each_machine(script: str, arguments: list[list[str]], processes: int = 1) -> list[list[str]]:
    """Return the command lines that machines with so many processes each would be started with, all on this one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
    where = ["--nnodes", str(len(arguments)), "--master_addr", "127.0.0.1", "--master_port", port, "--node_rank"]
    return [[*torchrun, *where, str(rank), str(HERE / script), *words] for rank, words in enumerate(arguments)]


def launch(processes: int, arguments: list[str], script: str = "fixed_completions.py", **environment: str) -> None:
    """Run such a script to its end."""
    done = start(processes, arguments, script, **environment)
    assert done.returncode == 0, done.stderr[-3000:]


CASES = {
    # whole groups on each process; the vision tower trains, so gradients cross the wrapped model's boundary
    "whole_groups": {"num_generations": 4, "freeze_vision": False, "score_under": "own"},
    # one group spread over both, with the reference model and old log-probs in play
    "spread_group": {"num_generations": 8, "beta": 0.04, "num_iterations": 2},
    # a group's baselines reach over both
    "split_credit": {"num_generations": 8, "noisy_credit": "split", "max_steps": 2},
    # further passes beside the wrapped model's, with a gradient; TRL's default loss divides by the tokens of all
    "views": {"num_generations": 4, "strategy": "roma_like", "strategy_options": {"kl_weight": 1.0}, "max_steps": 2},
}
COMPARED = {
    "tv/noisy_vanilla",
    "all/frac_mixed",
    "loss/degraded_kl",
    "loss/degraded_policy",
    "loss",
    "grad_norm",
    "kl",
    "reward",
    "reward_std",
    "noise/objects",
    "noise/area",
    "kl/noisy_vanilla",
} | {f"{role}/{name}" for role in ("vanilla", "noisy") for name in ("reward", "length", "entropy")}


@pytest.fixture(scope="module")
def outcomes(tiny_folder, rows, tmp_path_factory) -> list[Path]:
    """The folders that one process and two processes wrote."""
    folders = []
    for processes, batch in ((1, 8), (2, 4)):
        folders.append(tmp_path_factory.mktemp(f"processes{processes}"))
        (folders[-1] / "rows.json").write_text(json.dumps(rows))
        cases = {case: {"max_steps": 3, **settings} for case, settings in CASES.items()}
        place = str(folders[-1])
        launch(processes, [str(tiny_folder), f"{place}/rows.json", place, str(batch), json.dumps(cases)])
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_equal_one(case, outcomes):
    one, two = (json.loads((folder / f"{case}.json").read_text()) for folder in outcomes)
    assert (one["processes"], two["processes"]) == (1, 2)
    for before, after in zip(one["history"], two["history"], strict=True):
        assert set(before) == set(after)
        for name in set(before) & COMPARED:
            assert after[name] == pytest.approx(before[name], rel=1e-3, abs=1e-5), name
    weights, other_weights = (load_file(folder / f"{case}.safetensors") for folder in outcomes)
    for name, value in weights.items():
        torch.testing.assert_close(other_weights[name], value, atol=2e-5, rtol=1e-4, msg=name)
