"""The commands of docs/3b.md at tiny size, on a CPU.

`CHANGES` lists all that is made smaller. What a command starts is its page's: the same module, recipe and options.

    python -m tests.train.runbook          # in a folder that has what `SIZES` names; started by test_runbook.py
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "3b.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.M | re.S)

CHANGES = {
    # The model from the Hub, the benchmark and the names that a user chooses
    "Qwen/Qwen2.5-VL-3B-Instruct": "org/base",
    "66285546d2b821cf421d4f5eb2576359d3770cd3": "main",
    "nyu-visionx/VSI-Bench": "VSI-Bench",
    "ORG/qwen2.5-vl-3b-ocr": "org/qwen2.5-vl-3b-ocr",
    # Where the tiny run ends
    "checkpoint-1000": "checkpoint-2",
}
FILM = "--frames 8 --width 112 --height 84 --num-proc 1"
TRAIN = (
    "--use_cpu true --bf16 false --dtype float32 --frames 4 --max_pixels 4704 --max_steps 2 --save_steps 2 "
    "--per_device_train_batch_size 8 --gradient_accumulation_steps 1 --dataloader_num_workers 0 --disable_tqdm true"
)
SIZES = {
    "build procedural": f"{FILM} --scenes 2 --rooms 1 --validation 0",
    "build furnished": f"{FILM} --scenes 1 --rooms 1 --validation 0 --models models",
    "build recorded": FILM,
    "sft": f"{TRAIN} --model org/base --revision main --lora_r 4 --limit 16",
    # One card's recipe trains in two steps of accumulation, as there
    "grpo": f"{TRAIN} --lora_r 4 --max_completion_length 8 --limit 16",
    "eval": "--frames 4 --max-pixels 4704 --limit 8 --max-new-tokens 8 --draws 20 --device cpu",
}
"""Options that are given after the page's, and win."""
LEFT_OUT = {"--use_vllm": 0, "--vllm_max_model_length": 1}
"""Option -> its words. vLLM has an environment of its own: `make test-vllm`."""


def commands(page: Path = PAGE) -> list[list[str]]:
    """Return the words of every command in the page's bash blocks, in order."""
    lines = "\n".join(BLOCK.findall(page.read_text(encoding="utf-8"))).replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def option(words: list[str], name: str) -> str | None:
    """Return what a command says after an option."""
    return words[words.index(name) + 1] if name in words else None


def kind(words: list[str]) -> str:
    """Return the entry of `SIZES` that a command takes, or its name where it has none."""
    if words[0] == "accelerate":
        return option(words, "-m").rpartition(".")[2]
    return f"build {option(words, '--source')}" if words[1] == "build" else words[1]


def smaller(words: list[str]) -> list[str]:
    """Return a command with all changes."""
    kept, skip = [], 0
    for word in words:
        if skip:
            skip -= 1
        elif word in LEFT_OUT:
            skip = LEFT_OUT[word]
        else:
            for old, new in CHANGES.items():
                word = word.replace(old, new)
            kept.append(word)
    return [*kept, *SIZES.get(kind(words), "").split()]


def started(words: list[str]) -> tuple[str, list[str]]:
    """Return (accelerate's file, the command's words) of an `accelerate launch`."""
    at = words.index("-m")
    return Path(option(words, "--config_file")).stem, words[at + 2 :]


def expanded(words: list[str]) -> list[list[str]]:
    """Return the commands that `sbatch` has its two nodes run: the batch file by bash, with stand-ins for Slurm."""
    stand_ins = Path("stand-ins")
    stand_ins.mkdir(exist_ok=True)
    texts = {
        "scontrol": "echo node-0; echo node-1",
        "srun": 'shift; for n in 0 1; do SLURM_NODEID=$n "$@"; done',
        "accelerate": 'printf "%q " accelerate "$@"; echo',
    }
    for name, text in texts.items():
        (stand_ins / name).write_text(f"#!/bin/bash\n{text}\n")
        (stand_ins / name).chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "node-[0-1]", "SLURM_JOB_ID": "9500", "SLURM_NNODES": "2"}
    environment = os.environ | slurm | {"PATH": f"{stand_ins.resolve()}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", *words[1:]], env=environment, capture_output=True, text=True, check=True)
    return [shlex.split(line) for line in done.stdout.splitlines()]


def run_here(words: list[str]) -> None:
    """Run a command of one process in this one."""
    from ocr_hf.cli import main

    try:
        main(words)
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"ended with {ended.code}: ocr-hf {shlex.join(words)}") from ended


def run_there(launches: list[list[str]], environment: dict[str, str]) -> None:
    """Run launchers side by side, one for each machine."""
    running = [subprocess.Popen(words, env=os.environ | environment) for words in launches]
    codes = [each.wait(timeout=300) for each in running]
    if any(codes):
        raise RuntimeError(f"ended with {codes}: {shlex.join(launches[0])}")


def launch(file: str, machines: list[list[str]]) -> None:
    """Train as accelerate would with a file of recipes/accelerate, on two processes where that starts several.

    machines : the training command's words, for each machine
    """
    from tests.train.fsdp_on_cpu import FSDP2
    from tests.train.test_processes import of_each_machine

    if file == "one_gpu":
        run_here(["grpo", *machines[0]])
        return
    if file == "ddp":
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
        run_there([[*torchrun, "-m", "ocr_hf.train.grpo", *machines[0]]], {"ACCELERATE_USE_CPU": "true"})
        return
    launches = of_each_machine("killed_command.py", machines, 2 // len(machines))
    run_there(launches, {"ACCELERATE_USE_CPU": "true", **FSDP2})


def walk() -> None:
    """Run the page from its first command to its last, each once."""
    Path("recipes").symlink_to(ROOT / "recipes")
    done: list[list[str]] = []
    waiting: list[list[str]] = []
    for words in map(smaller, commands()):
        begun = time.monotonic()
        if words in done:
            continue  # the same with vLLM
        done.append(words)
        if words[0] == "ocr-hf":
            run_here(words[1:])
        elif words[0] == "sbatch":
            # The very commands of the two lines before it, which were run
            added = len(SIZES["grpo"].split())
            by_hand = [(file, sorted(given[:-added])) for file, given in map(started, waiting)]
            assert [(file, sorted(given)) for file, given in map(started, expanded(words))] == by_hand
        elif option(words, "-m") == "ocr_hf.train.sft":
            run_here(["sft", *started(words)[1]])
        elif option(words, "--machine_rank") == "0":
            waiting = [words]
        elif option(words, "--machine_rank") == "1":
            waiting.append(words)
            launch("two_nodes", [started(each)[1] for each in waiting])
        else:
            launch(started(words)[0], [started(words)[1]])
        print(f"runbook: {time.monotonic() - begun:.1f} s: {shlex.join(words)}", flush=True)


if __name__ == "__main__":
    walk()
