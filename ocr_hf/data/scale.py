"""Building on many machines: the same work as datatrove pipeline blocks (extra: ocr-hf[scale]).

    from datatrove.executor import LocalPipelineExecutor      # or SlurmPipelineExecutor, RayPipelineExecutor
    from ocr_hf.data.scale import AssembleFolder, BuildClips

    clips = LocalPipelineExecutor([BuildClips(config, out)], tasks=64, workers=2, logging_dir="logs/clips")
    LocalPipelineExecutor([AssembleFolder(config, out)], tasks=1, logging_dir="logs/folder", depends=clips).run()

`out` must lie on a file system that all machines share. The bytes don't depend on the executor or the number of
tasks; a relaunch skips finished clips, and `ocr-hf build --resume` can finish what an executor started.
`ocr-hf build --executor local` and `ray` are `build_locally` and `build_on_ray`; `slurm` is `submit_to_slurm`
(slurm_jobs.py).
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ocr_hf.data.assemble import assemble
from ocr_hf.data.atomic import replacing
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_lock import build_lock, final_folder
from ocr_hf.data.build_plan import ScenePlan, check_workers, jobs, plan_scenes
from ocr_hf.data.make_clips import build_scene
from ocr_hf.data.staging import Staging, finished, is_complete, open_staging
from ocr_hf.data.workers import one_thread_each
from ocr_hf.registry import named_plugins, use_plugins
from ocr_hf.settings.extras import need

need("scale", "building on many machines", ["datatrove"])

from datatrove.data import Document  # noqa: E402
from datatrove.executor import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.base import PipelineStep  # noqa: E402

ATTEMPTS = 2
"""How often a scene is tried whose task fails: a full memory or a slow disk may be another's fault."""
MEMORY_GB = 2
"""What a task asks of a cluster; a worker takes less (docs/benchmarks.md)."""


class BuildClips(PipelineStep):
    """Makes this task's share of the clips; passes on one document per clip, whose metadata is the clip's record."""

    name = "clips"
    type = "ocr-vsi"

    def __init__(self, config: BuildConfig, out: str | os.PathLike, failures: str | os.PathLike | None = None) -> None:
        """Open the folder, here on the submitting machine, or continue it; refuse one that holds something else.

        failures : folder in which a scene that fails leaves its traceback, and the build goes on; None = it ends there
        """
        super().__init__()
        self.failures = None if failures is None else Path(failures).absolute()
        self.config, self.staging = config, Staging(Path(out).absolute())
        self.plugins = named_plugins()  # other machines don't inherit this one's environment
        if not is_complete(config, self.staging.out):
            open_staging(config, self.staging.out, resume=True)

    def run(self, data: Iterable[Any] | None = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Make the clips of every `world_size`-th piece of work, from number `rank`."""
        use_plugins(self.plugins)
        yield from data or ()
        if self.staging.out.exists() or self.staging.is_assembled:
            return
        # Every task plans all the work and takes its stride of it: no queue and no coordinator.
        for plan in jobs(plan_scenes(self.config), world_size)[rank::world_size]:
            try:
                for record in build_scene(self.config, plan, self.staging):
                    self.stat_update("skipped" if record.get("skipped") else "built")
                    yield Document(text=record["id"], id=record["id"], metadata=record)
            except Exception:
                if self.failures is None:
                    raise
                self.stat_update("failed")
                self.failures.mkdir(parents=True, exist_ok=True)
                with replacing(self.failures / f"{plan.name}.txt") as temporary:
                    temporary.write_text(traceback.format_exc(), encoding="utf-8")


class AssembleFolder(PipelineStep):
    """Turns the finished clips into the data set folder; runs as one task after all of BuildClips."""

    name = "folder"
    type = "ocr-vsi"

    def __init__(self, config: BuildConfig, out: str | os.PathLike) -> None:
        super().__init__()
        self.config, self.staging = config, Staging(Path(out).absolute())
        self.plugins = named_plugins()

    def run(self, data: Iterable[Any] | None = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Write metadata, card and manifest, and give the folder its name."""
        use_plugins(self.plugins)
        yield from data or ()
        if rank == 0 and not is_complete(self.config, self.staging.out):
            manifest = assemble(self.config, plan_scenes(self.config), self.staging)
            rows = sum(split["rows"] for split in manifest["statistics"]["splits"].values())
            self.stat_update("rows", value=rows)


def build_locally(
    config: BuildConfig,
    out: str | os.PathLike,
    *,
    workers: int = 1,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Build as `build_folder` does, on datatrove's local executor: one task a scene, each with a log of its own.

    A scene that fails doesn't end the build: the others are made, then it is tried again.

    Args:
        config: what to build.
        out: the folder to make.
        workers: processes; each holds one scene at a time.
        resume: take up an interrupted build of the same config, or keep a finished one.
        overwrite: build anew, whatever is there.

    Returns:
        The manifest, as `build_folder`.

    Raises:
        FolderExistsError: something is in the way, and neither `resume` nor `overwrite` was given.
        FolderBusyError: another build holds the folder.
        ValueError: `workers` is below 1, or scenes' names clash.
        RuntimeError: scenes failed each time, which it names; what was made is kept for `resume`, tracebacks and logs
            are in `OUT.logs`.
    """
    return _build(config, out, _local, workers, resume, overwrite)


def build_on_ray(
    config: BuildConfig,
    out: str | os.PathLike,
    *,
    workers: int = 1,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Build as `build_locally` does, on Ray: the cluster that RAY_ADDRESS names, or this machine.

    Args:
        config: what to build.
        out: the folder to make, on a file system that all machines share.
        workers: scenes at a time; each takes a processor and MEMORY_GB.
        resume: take up an interrupted build of the same config, or keep a finished one.
        overwrite: build anew, whatever is there.

    Returns:
        The manifest, as `build_folder`.

    Raises:
        ImportError: Ray isn't installed.
        FolderExistsError, FolderBusyError, ValueError, RuntimeError: as `build_locally`.
    """
    need("scale", "building on Ray", ["ray"])
    return _build(config, out, _ray, workers, resume, overwrite)


def _local(steps: list[PipelineStep], tasks: int, workers: int, logs: Path) -> None:
    """Run steps on processes of this machine."""
    # Finished clips have markers of their own, which also hold after a clean start of the logs
    executor = LocalPipelineExecutor(
        steps, tasks=tasks, workers=workers, logging_dir=str(logs), skip_completed=False, start_method="spawn"
    )
    with one_thread_each():
        executor.run()


def _ray(steps: list[PipelineStep], tasks: int, workers: int, logs: Path) -> None:
    """Run steps on Ray's machines."""
    import ray
    from datatrove.executor import RayPipelineExecutor

    # On a machine of its own the workers may be as many as were asked for, like those of `_local`
    with one_thread_each():
        if not ray.is_initialized():
            alone = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
            ray.init(log_to_driver=False, **alone)
        try:
            RayPipelineExecutor(
                steps,
                tasks=tasks,
                workers=workers,
                logging_dir=str(logs),
                skip_completed=False,
                mem_per_cpu_gb=MEMORY_GB,
            ).run()
        finally:
            ray.shutdown()


def _build(
    config: BuildConfig,
    out: str | os.PathLike,
    run: Callable[[list[PipelineStep], int, int, Path], None],
    workers: int,
    resume: bool,
    overwrite: bool,
) -> dict[str, Any]:
    """Make clips with an executor that waits for its tasks, try once more what failed, and assemble them here.

    run : given steps, tasks, workers and a folder for logs
    """
    out = final_folder(out)
    check_workers(workers)
    scenes = plan_scenes(config)
    if resume and not overwrite and (manifest := finished(config, out)):
        return manifest
    with build_lock(out):
        staging = open_staging(config, out, resume=resume, overwrite=overwrite)
        logs = logs_of(out)
        for attempt in range(1, ATTEMPTS + 1):
            if not unfinished_scenes(staging, scenes):
                break
            steps: list[PipelineStep] = [BuildClips(config, out, logs / f"failed_{attempt}")]
            tasks = len(jobs(scenes, workers))
            run(steps, tasks, min(workers, tasks), logs / f"attempt_{attempt}")
        failed = unfinished_scenes(staging, scenes)
        if failed:
            told = f"{', '.join(failed[:5])}{' ...' if len(failed) > 5 else ''}"
            raise RuntimeError(
                f"{len(failed)} of {len(scenes)} scenes failed {ATTEMPTS} times ({told}); see "
                f"{logs.name}/failed_{ATTEMPTS} for why, and continue with --resume"
            )
        return assemble(config, scenes, staging)


def unfinished_scenes(staging: Staging, scenes: tuple[ScenePlan, ...]) -> list[str]:
    """Return the names of planned scenes of which clips aren't made; none where the folder is put together."""
    left = set() if staging.is_assembled else {clip.id for clip in staging.unfinished(scenes)}
    return [scene.name for scene in scenes if any(clip.id in left for clip in scene.clips)]


def logs_of(out: Path) -> Path:
    """Return the folder beside a data set where its executors leave logs and failures."""
    return out.with_name(out.name + ".logs")
