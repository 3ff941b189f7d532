"""Building an ocr-vsi folder: plan, make the clips on any number of workers, assemble.

Workers are spawned, never forked: a fork taken after torch or Open3D used their threads can hang for ever.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from ocr_hf.data.assemble import assemble
from ocr_hf.data.clips import build_scene
from ocr_hf.data.config import BuildConfig
from ocr_hf.data.plan import ScenePlan, jobs, plan_scenes
from ocr_hf.data.schema import read_manifest
from ocr_hf.data.staging import Staging, is_complete, open_staging

OnClip = Callable[[Mapping[str, Any]], None]
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def build_folder(
    config: BuildConfig,
    out: str | os.PathLike,
    *,
    num_proc: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    on_clip: OnClip | None = None,
) -> dict[str, Any]:
    """Build the data set folder `out`; return its manifest.

    num_proc : worker processes; the bytes don't depend on it. With more than one, a script needs the usual
        `if __name__ == "__main__":` guard, because workers are spawned
    resume : take up an interrupted build of the same config, or keep a finished one; overwrite : build anew
    on_clip : called with each clip's record as it is finished
    Until it is complete, everything is in `OUT.incomplete`. Killed at any moment, the build is continued with
    `resume=True` and ends with the same bytes.
    Raises FolderExistsError where something is in the way, ValueError where a scene can't be read, OSError where the
    disk is full, RuntimeError where a worker died.
    """
    out = Path(out)
    if num_proc < 1:
        raise ValueError(f"num_proc is {num_proc}; give at least 1 worker")
    scenes = plan_scenes(config)
    if resume and not overwrite and is_complete(config, out):
        return read_manifest(out)
    staging = open_staging(config, out, resume=resume, overwrite=overwrite)
    for record in _make_clips(config, jobs(scenes, num_proc), staging, num_proc):
        if on_clip is not None:
            on_clip(record)
    return assemble(config, scenes, staging)


def _make_clips(
    config: BuildConfig, work: list[ScenePlan], staging: Staging, num_proc: int
) -> Iterator[dict[str, Any]]:
    if min(num_proc, len(work)) == 1:
        for plan in work:
            yield from build_scene(config, plan, staging)
        return
    with _one_thread_each():
        pool = ProcessPoolExecutor(min(num_proc, len(work)), get_context("spawn"), initializer=_start_worker)
        try:
            for done in as_completed([pool.submit(_finish_job, config, plan, staging) for plan in work]):
                yield from done.result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker was killed (out of memory?); continue with --resume, or with a smaller --num-proc"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _finish_job(config: BuildConfig, plan: ScenePlan, staging: Staging) -> list[dict[str, Any]]:
    return list(build_scene(config, plan, staging))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let workers started inside the block use one thread for linear algebra; they are the parallelism."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update({name: "1" for name in _ONE_THREAD})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_worker() -> None:
    """Let Ctrl-C end a worker at once, and let it end by itself when the parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent_process().join()
    os._exit(1)
