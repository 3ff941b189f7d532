"""Worker processes.

They are spawned, never forked: a fork taken after torch or Open3D used their threads can hang for ever. What this
module imports, every worker imports: neither datasets nor torch.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import ScenePlan
from ocr_hf.data.make_clips import build_scene
from ocr_hf.data.staging import Staging

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def make_clips(config: BuildConfig, work: list[ScenePlan], staging: Staging, num_proc: int) -> Iterator[dict[str, Any]]:
    """Do the work, on `num_proc` processes; yield each clip's record as its job is done."""
    if min(num_proc, len(work)) == 1:
        # In this process: nothing is spawned, so that a script needs no __main__ guard.
        for plan in work:
            yield from build_scene(config, plan, staging)
        return
    with worker_pool(min(num_proc, len(work))) as pool:
        for done in as_completed([pool.submit(_finish_job, config, plan, staging) for plan in work]):
            yield from done.result()


@contextmanager
def worker_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Start worker processes that use one thread each, end with this one, and drop what hasn't begun at an error.

    Raises RuntimeError where a worker was killed, KeyboardInterrupt where Ctrl-C was what killed it.
    """
    with one_thread_each(), _noting_interrupts() as interrupted:
        pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_start_worker)
        finished = False
        try:
            yield pool
            finished = True
        except BrokenProcessPool as error:
            # Ctrl-C reaches the workers too, and they end at once; here Python may have dropped it (in a destructor)
            if interrupted.is_set():
                raise KeyboardInterrupt from error
            raise RuntimeError(
                "a worker was killed (out of memory?); continue with --resume, or with a smaller --num-proc"
            ) from error
        finally:
            # Idle workers take half a second to end; nobody needs to wait for that
            pool.shutdown(wait=not finished, cancel_futures=True)


@contextmanager
def _noting_interrupts() -> Iterator[threading.Event]:
    """Yield what tells whether Ctrl-C was pressed inside the block; it interrupts as before."""
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield pressed
        return

    def note(number: int, frame: Any) -> None:
        pressed.set()
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _finish_job(config: BuildConfig, plan: ScenePlan, staging: Staging) -> list[dict[str, Any]]:
    return list(build_scene(config, plan, staging))


@contextmanager
def one_thread_each() -> Iterator[None]:
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
    # A parent killed with SIGKILL can't tell its workers; without this they would go on, and write into the folder of
    # the build that was started next.
    parent_process().join()
    os._exit(1)
