"""Is anything lost when training is killed (kill -9) at random moments, over and over?

    python benchmarks/kills.py [--quick] [--kills 20] [--seed 0] [--out benchmarks/results]

Four launches of OCR-GRPO (Object-Centric 3D Rollout) with a tiny model on a CPU: one process, two as DDP, two sharded
(FSDP2) with checkpoints in one file and in parts. Each is run once and left alone, and once killed: at moments drawn
from the time that the first one trained and saved, either one of its processes or all at once, and started again with
`--resume_from_checkpoint auto`, until all kills are used up; the last start is left alone. Every step ends with a
checkpoint. Checked after every kill: the newest whole checkpoint is no older than the one before; where one process was
killed, the launcher names it, and the others have ended within a minute. Checked at the end: losses, gradient norms,
objects and weights are those of the run left alone. What is done is kept in kills.json, launch by launch; the last line
is JSON. `taskset -c 0 python benchmarks/kills.py` gives it one core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil
import torch
from safetensors.torch import load_file

from ocr_hf.data.atomic import write_json
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.models.tiny import build_tiny
from ocr_hf.train.checkpoints import last_checkpoint

ROOT = Path(__file__).resolve().parent.parent
STEPS = 12
SETTINGS = {
    "frames": 4, "num_generations": 4, "per_device_train_batch_size": 4, "max_completion_length": 6, "max_steps": STEPS,
    "save_steps": 1, "save_total_limit": 2, "logging_steps": 1, "learning_rate": 0.001, "rewards": "vowels",
    "use_cpu": "true", "bf16": "false", "activation_checkpointing": "false", "report_to": "none",
    "disable_tqdm": "true", "max_pixels": 4704, "resume_from_checkpoint": "auto", "plugin": "vowels",
}  # fmt: skip
REWARD = """
from ocr_hf.train.rewards import REWARDS, completion_text

REWARDS["vowels"] = lambda completions, **_: [sum(map(completion_text(c).count, "aeiou")) / 4 for c in completions]
"""
"""Random text earns it in different amounts, so that there is something to learn."""
COMPARED = ("loss", "grad_norm", "noise/objects", "noise/area")
TOLERANCE = 1e-6
"""Largest difference of logged figures and of weights that counts as the same end."""
ENDED_S = 60.0
"""Longest that the others may live when one process has been killed."""
SHARDED = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "Qwen2_5_VLDecoderLayer,Qwen2_5_VLVisionBlock",
}
LAUNCHES = {
    "one process": (1, {}),
    "DDP": (2, {}),
    "FSDP2, one file": (2, SHARDED | {"FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT"}),
    "FSDP2, in parts": (2, SHARDED | {"FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT"}),
}
"""Name -> (processes, environment)."""


def start(launch: str, model: Path, data: Path, out: Path) -> subprocess.Popen:
    """Start a launch, whose output goes to a file beside its folder."""
    processes, environment = LAUNCHES[launch]
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    # accelerate shards on a CPU only where a test lets it
    script = [str(ROOT / "tests/train/killed_command.py")] if environment else ["-m", "ocr_hf.train.grpo"]
    settings = SETTINGS | {"model": model, "data": data, "output_dir": out}
    flags = [str(word) for key, value in settings.items() for word in (f"--{key}", value)]
    common = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    common["PYTHONPATH"] = f"{ROOT}{os.pathsep}{out.parent}"
    with open(out.with_suffix(".log"), "a") as log:
        return subprocess.Popen(
            [*command, *script, *flags], env=os.environ | common | environment, stdout=log, stderr=log
        )


def kill(running: subprocess.Popen, chance: random.Random) -> dict:
    """Kill one worker, or all processes at once; return which, and how long the others lived."""
    launcher, ranks, everyone = psutil.Process(running.pid), {}, []
    with suppress(psutil.Error):
        everyone = launcher.children(recursive=True)
        ranks = {each.environ().get("RANK"): each for each in launcher.children()}
    rank = chance.choice(sorted(ranks)) if len(ranks) > 1 and chance.random() < 0.5 else None
    for process in [launcher, *everyone] if rank is None else [ranks[rank]]:
        with suppress(psutil.Error):
            process.kill()
    begun = time.monotonic()
    # torchrun ends the others when one has died
    running.wait(timeout=120)
    psutil.wait_procs(everyone, timeout=120)
    return {"killed": "all"} if rank is None else {"killed": rank, "others_ended_s": round(time.monotonic() - begun, 1)}


def trains(running: subprocess.Popen, out: Path) -> None:
    """Wait until a launch has read model and data and begins to train, or has ended."""
    settings, begun = out / "resolved_config.yaml", time.time()
    while running.poll() is None and not (settings.is_file() and settings.stat().st_mtime >= begun):
        time.sleep(0.05)


def fail(message: str, log: Path) -> NoReturn:
    """End the script, with the last of what a run has said, since its folder goes."""
    raise SystemExit(f"{message}; its log ends so:\n{log.read_text()[-3000:]}")


def killed(launch: str, model: Path, data: Path, out: Path, whole_s: float, kills: int, seed: int) -> list[dict]:
    """Run a launch to its end through so many kills; return what each of them met.

    whole_s : how long it trains and saves when it is left alone
    """
    chance, met, pauses = random.Random(f"{launch} {seed}"), [], []
    log = out.with_suffix(".log")
    while len(met) < kills:
        if not pauses:
            # A run goes on where a kill has left it, so the moments of the whole one are met in their order
            moments = sorted(chance.uniform(0.0, whole_s) for _ in range(kills - len(met)))
            pauses = [moment - before for before, moment in zip([0.0, *moments], moments, strict=False)]
        before, begun, written = last_checkpoint(out), time.time(), log.stat().st_size if log.is_file() else 0
        after_s, running = pauses.pop(0), start(launch, model, data, out)
        trains(running, out)
        with suppress(subprocess.TimeoutExpired):
            running.wait(timeout=after_s)
        found = kill(running, chance) if running.poll() is None else {}
        if running.returncode == 0:
            # It came to its end first: what is left of its kills meets a run that begins anew
            out.rename(out.with_name(f"{out.name}-ended-{len(met)}"))
            pauses = []
            continue
        if not found:
            fail(f"{launch} ended by itself with {running.returncode}", log)
        after = last_checkpoint(out)
        step = [0 if path is None else int(path.name.rpartition("-")[2]) for path in (before, after)]
        if step[1] < step[0]:
            fail(f"{launch}: checkpoint-{step[0]} was lost at a kill after {after_s:.1f} s", log)
        if "others_ended_s" in found:
            if f"rank      : {found['killed']} " not in log.read_text()[written:]:
                fail(f"{launch}: process {found['killed']} was killed, and isn't named", log)
            if found["others_ended_s"] > ENDED_S:
                fail(f"{launch}: {found['others_ended_s']} s after a kill there were others", log)
        # A save is at work on a checkpoint without a manifest, or at the end on the model
        parts = [path for path in out.glob("checkpoint-*") if not (path / "checkpoint.json").is_file()]
        parts = [path.name for path in (*parts, *out.glob("_saving")) if path.stat().st_mtime >= begun]
        met.append({"after_s": round(after_s, 1), **found, "checkpoint": step[1], "in_the_save_of": parts})
        print(f"{launch}: {met[-1]}", flush=True)
    code = start(launch, model, data, out).wait()
    if code:
        fail(f"{launch} ended with {code} after its kills", log)
    return met


def history(folder: Path) -> list[dict]:
    """Return what a run has logged of each step."""
    state = json.loads((folder / "trainer_state.json").read_text())
    return [entry for entry in state["log_history"] if "loss" in entry]


def furthest(alone: Path, other: Path) -> dict[str, float]:
    """Return the largest differences of logged figures and of weights; exit where they, or missing steps, show."""
    before, after = history(alone), history(other)
    if len(before) != STEPS or len(after) != STEPS:
        raise SystemExit(f"{other} has logged {len(after)} steps of {STEPS}")
    if not max(entry["grad_norm"] for entry in before) > 0.0:
        raise SystemExit(f"{alone} has learned nothing, so that nothing can be compared")
    logged = max(abs(one[name] - two[name]) for one, two in zip(before, after, strict=True) for name in COMPARED)
    weights, others = (load_file(folder / "model.safetensors") for folder in (alone, other))
    found = {"logged": logged, "weights": max(float((weights[n] - others[n]).abs().max()) for n in weights)}
    if not max(found.values()) <= TOLERANCE:
        raise SystemExit(f"{other} has ended otherwise than {alone}: {found}")
    return found


def summary(found: dict) -> dict:
    """Return the figures of all launches together; a lost checkpoint would have ended the script."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    differences, met = [each["largest_difference"] for each in found.values()], []
    for each in found.values():
        met += each["kills"]
    return {
        "kills": len(met),
        "lost_checkpoints": 0,
        "in_a_save": sum(bool(each["in_the_save_of"]) for each in met),
        "of_one_process": sum("others_ended_s" in each for each in met),
        "others_ended_s": max((each["others_ended_s"] for each in met if "others_ended_s" in each), default=None),
        "largest_difference": {name: max(each[name] for each in differences) for name in ("logged", "weights")},
        "processor_s": round(used.ru_utime + used.ru_stime),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one kill of the first launch, nothing written")
    parser.add_argument("--kills", type=int, default=20, help="in all, spread over the launches")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    launches = list(LAUNCHES)[:1] if given.quick else list(LAUNCHES)
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        data, model = place / "ocr-vsi", build_tiny(place / "tiny", "0.2M")
        (place / "vowels.py").write_text(REWARD)
        build_folder(BuildConfig(scenes=2, rooms=1, frames=8, seconds=8.0, width=112, height=84, seed=7), data)
        for number, launch in enumerate(launches):
            alone, other = (place / f"{number}-{how}" for how in ("alone", "killed"))
            running = start(launch, model, data, alone)
            trains(running, alone)
            begun = time.monotonic()
            if running.wait():
                fail(f"{launch} fails when left alone", alone.with_suffix(".log"))
            whole_s = time.monotonic() - begun
            kills = 1 if given.quick else given.kills // len(launches)
            met = killed(launch, model, data, other, whole_s, kills, given.seed)
            found[launch] = {"alone_s": round(whole_s, 1), "kills": met, "largest_difference": furthest(alone, other)}
            print(f"{launch}: {found[launch]['largest_difference']}", flush=True)
            if not given.quick:
                write_json(given.out / "kills.json", {"summary": summary(found), "launches": found})
    print(json.dumps(summary(found)))


if __name__ == "__main__":
    main()
