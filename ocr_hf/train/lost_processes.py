"""Which process of a distributed run is gone: the others learn of it as a connection that broke, without a name.

`torchrun` names a process of its own machine. On another machine the error reads as if the survivor had failed.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

INTERVAL = 1.0
"""Seconds between two signs of life."""
SILENCE = 6.0
"""Seconds without one after which a process counts as lost, once a connection has broken; ours."""
BROKEN = ("connection closed", "connection reset", "connection refused", "broken pipe", "socket timeout", "timed out")
"""Words of gloo's errors, which have no type of their own; NCCL's have."""


class LostProcess(RuntimeError):
    """Another process of the run has ended; its rank and machine are named."""


@contextmanager
def naming_lost_processes(accelerator: Any) -> Iterator[None]:
    """Turn the error of a connection that broke into LostProcess, which names who is gone; all processes call this.

    Each process counts up a number of its own in the run's store, from a thread: so one that merely waits for others
    isn't taken for lost. Without a store (one process, or a launcher that sets no MASTER_ADDR) errors stay as they are.
    """
    if accelerator.num_processes == 1 or not {"MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        yield
        return
    from accelerate.utils import gather_object

    hosts = gather_object([socket.gethostname()])
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(accelerator.process_index, ended), daemon=True)
    thread.start()
    try:
        yield
    except Exception as error:
        lost = _lost(hosts) if is_broken_connection(error) else ""
        if not lost:
            raise
        raise LostProcess(
            f"{lost}: killed, out of memory, or without network; its own output may say more. The same command on all "
            "machines goes on from the newest whole checkpoint"
        ) from error
    finally:
        ended.set()


def is_broken_connection(error: BaseException) -> bool:
    """Whether an error says that another process couldn't be reached, rather than that this one failed."""
    from torch.distributed import DistError

    text = str(error).lower()
    return isinstance(error, DistError) or (
        isinstance(error, RuntimeError) and "gloo" in text and any(words in text for words in BROKEN)
    )


def _store() -> Any:
    """A connection of its own to the run's store: another's may be held by whoever waits on it."""
    from torch.distributed import PrefixStore, TCPStore

    place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return PrefixStore("ocr_hf/alive", TCPStore(*place, is_master=False, timeout=timedelta(seconds=10)))


def _beat(rank: int, ended: threading.Event) -> None:
    """Count up until the run is over, or its store is."""
    try:
        store = _store()
        while not ended.wait(INTERVAL):
            store.add(str(rank), 1)
    except RuntimeError:
        return


def _lost(hosts: Sequence[str]) -> str:
    """Return who no longer counts, in words; empty where all do.

    The first answer is kept in the store: whoever reads it later would see those gone, too, that ended because of it.
    """
    try:
        store = _store()
        before = [store.add(str(rank), 0) for rank in range(len(hosts))]
        time.sleep(SILENCE)
        still = [rank for rank, count in enumerate(before) if store.add(str(rank), 0) == count]
        found = ", ".join(f"process {rank} on {hosts[rank]}" for rank in still)
        told = store.compare_set("lost", "", found).decode() if found else ""
        return f"{told or found} no longer answers" if found else ""
    except RuntimeError:
        return f"the store of the run, kept by process 0 on {hosts[0]} or its launcher, no longer answers"
