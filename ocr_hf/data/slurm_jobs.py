"""Building on a Slurm cluster: the jobs of a build are handed to `sbatch`, and the command ends (extra: ocr-hf[scale]).

    clips_1   an array of tasks, each the scenes of its rank; a scene that fails is noted and the others go on
    clips_2   after it: fewer tasks that try again what failed; finished clips are passed over
    folder    after both, one task: metadata, card, manifest

`ocr-hf build --executor slurm --resume` says what failed, and hands in again what isn't made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_lock import build_lock, final_folder
from ocr_hf.data.build_plan import check_workers, jobs, plan_scenes
from ocr_hf.data.scale import ATTEMPTS, MEMORY_GB, AssembleFolder, BuildClips, logs_of, unfinished_scenes
from ocr_hf.data.staging import is_complete, open_staging

NEEDED = ("partition", "time")
"""Options of sbatch without which datatrove hands nothing in."""


@dataclass(frozen=True)
class Submitted:
    """What was handed in.

    jobs : name -> Slurm's number of the job; empty where the folder is complete
    scripts : name -> the script that sbatch was given
    failed : scenes that failed in the launch before, with the last line of why
    scenes : how many are still to be made
    """

    jobs: Mapping[str, str]
    scripts: Mapping[str, Path]
    failed: Mapping[str, str]
    scenes: int


def submit_to_slurm(
    config: BuildConfig,
    out: str | os.PathLike,
    *,
    workers: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    sbatch: Mapping[str, str] | None = None,
) -> Submitted:
    """Hand a build's jobs to Slurm and return.

    Args:
        config: what to build.
        out: the folder to make, on a file system that all machines share.
        workers: tasks at a time.
        resume: hand in again what isn't made of an earlier launch of the same config, whose jobs have ended.
        overwrite: build anew, whatever is there.
        sbatch: options of sbatch: partition and time, and any others, such as account, qos or mem-per-cpu.

    Returns:
        The jobs, and what failed before.

    Raises:
        FolderExistsError: something is in the way, and neither `resume` nor `overwrite` was given.
        ValueError: partition or time is missing, `workers` is below 1, or sbatch refuses a job.
        FileNotFoundError: there is no `sbatch` here.
    """
    given = dict(sbatch or {})
    missing = next((name for name in NEEDED if not given.get(name)), None)
    if missing:
        raise ValueError(f"a Slurm job needs {missing}; give it with --sbatch {missing}=...")
    check_workers(workers)
    if shutil.which("sbatch") is None:
        raise FileNotFoundError("there is no sbatch on this machine; run the command where Slurm's jobs are handed in")
    out = final_folder(out)
    scenes = plan_scenes(config)
    if resume and not overwrite and is_complete(config, out):
        return Submitted({}, {}, {}, 0)
    with build_lock(out):
        staging = open_staging(config, out, resume=resume, overwrite=overwrite)
        logs = logs_of(out)
        failed = _take_failures(logs)
        unfinished = len(unfinished_scenes(staging, scenes))
        # Logs of an earlier launch would pass for this one's
        for old in logs.glob("slurm_*"):
            shutil.rmtree(old)
        executors = _executors(config, out, logs, min(len(jobs(scenes, workers)), unfinished), workers, given)
        _hand_in(executors, given)
    return Submitted(
        {name: str(executor.job_id) for name, executor in executors.items()},
        {name: logs / f"slurm_{name}/launch_script.slurm" for name in executors},
        failed,
        unfinished,
    )


def _executors(
    config: BuildConfig, out: Path, logs: Path, scenes: int, workers: int, sbatch: Mapping[str, str]
) -> dict[str, Any]:
    """Return name -> executor, each after those before it; without scenes to make, the folder's alone."""
    from datatrove.executor import SlurmPipelineExecutor

    partition, limit = sbatch["partition"], sbatch["time"]
    others = {name: value for name, value in sbatch.items() if name not in NEEDED}
    found: dict[str, Any] = {}
    # The second try is of few scenes: as many tasks as run at a time find them, not one for each scene
    counts = [scenes] + [min(scenes, workers)] * (ATTEMPTS - 1) if scenes else []
    steps = [
        *((f"clips_{i}", count, [BuildClips(config, out, logs / f"failed_{i}")]) for i, count in enumerate(counts, 1)),
        ("folder", 1, [AssembleFolder(config, out)]),
    ]
    for name, tasks, pipeline in steps:
        found[name] = SlurmPipelineExecutor(
            pipeline,
            tasks=tasks,
            workers=min(workers, tasks),
            time=limit,
            partition=partition,
            mem_per_cpu_gb=MEMORY_GB,
            qos="",
            job_name=f"{out.name}-{name}",
            logging_dir=str(logs / f"slurm_{name}"),
            sbatch_args=others,
            skip_completed=False,
            # Whatever became of the tasks before: what they made is told by markers
            run_on_dependency_fail=True,
            depends=next(reversed(found.values()), None),
            env_command=_environment(),
        )
    return found


def _hand_in(executors: Mapping[str, Any], sbatch: Mapping[str, str]) -> None:
    """Hand in all jobs, each after those before it; where that fails, say which of them wait at Slurm already."""
    try:
        executors["folder"].run()
    except (subprocess.CalledProcessError, OSError) as error:
        accepted = {name: executor.job_id for name, executor in executors.items() if executor.job_id}
        told = ""
        if accepted:
            words = ", ".join(f"{name} ({job})" for name, job in accepted.items())
            told = f"; handed in already: {words}, remove with `scancel {' '.join(map(str, accepted.values()))}`"
        if isinstance(error, OSError):
            raise OSError(
                f"can't hand in all jobs ({error}); free some space or mend it, and try again{told}"
            ) from error
        # Its message goes straight to the terminal: datatrove catches what sbatch prints, and not its errors
        options = ", ".join(f"{name}={value}" for name, value in sbatch.items())
        # Behind each job datatrove hands in a small one that adds up its tasks' statistics
        refused = next((name for name in executors if name not in accepted), "that adds up statistics")
        raise ValueError(
            f"sbatch refused the job {refused} with status {error.returncode} and the message above; change --sbatch "
            f"({options}) or wait until fewer jobs are yours{told}"
        ) from error


def _environment() -> str:
    """Return the shell's words that give a job this process's Python, and one thread to each task."""
    words = ["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1"]
    activate = Path(sys.prefix) / "bin/activate"
    if sys.prefix != sys.base_prefix and activate.is_file():
        words.append(f". '{activate}'")
    return "; ".join(words)


def _take_failures(logs: Path) -> dict[str, str]:
    """Return scene -> the last line of why its last try failed, and put the notes away."""
    found = {}
    for attempt in range(1, ATTEMPTS + 1):
        folder = logs / f"failed_{attempt}"
        # A scene that failed once and was made at the next try has no note of the last
        notes = sorted(folder.glob("*.txt"))
        if attempt == ATTEMPTS:
            # A full disk may have left a note without a word
            lines = {path.stem: path.read_text(encoding="utf-8").strip().splitlines() for path in notes}
            found = {name: (told or ["no reason was stored"])[-1] for name, told in lines.items()}
        shutil.rmtree(folder, ignore_errors=True)
    return found
