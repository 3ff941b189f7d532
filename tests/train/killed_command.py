"""`ocr-hf grpo` sharded over processes on a CPU, one of which may fail while it writes its part of a checkpoint.

Started by test_killed.py, with torchrun. In the environment, KILL="RANK WRITE": that process is killed (kill -9) at its
so many-th write; a save writes twice, the weights and the optimizer's state. FULL="RANK WRITE": its disk is full then.
OLDER="RANK": that process has another version of a library.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.distributed.checkpoint import FileSystemWriter

from ocr_hf.settings.run_command import call
from ocr_hf.train import versions
from ocr_hf.train.grpo import main
from ocr_hf.train.rewards import REWARDS
from tests.train.conftest import vowel_reward
from tests.train.fsdp_on_cpu import allow_fsdp_on_a_cpu


def at_write(last: int, happens: Callable[[], Any]) -> None:
    """Let something happen in place of the `last`-th write of this process."""
    write, writes = FileSystemWriter.write_data, []

    def write_or_fail(self: FileSystemWriter, *arguments: Any) -> Any:
        writes.append(self)
        if len(writes) == last:
            happens()
        return write(self, *arguments)

    FileSystemWriter.write_data = write_or_fail


def fill() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


if __name__ == "__main__":
    torch.set_num_threads(1)
    allow_fsdp_on_a_cpu()
    # Nothing that a tiny model says is well formed: for that it would learn nothing, whatever is lost
    REWARDS["vowels"] = vowel_reward
    for name, happens in (("KILL", lambda: os.kill(os.getpid(), signal.SIGKILL)), ("FULL", fill)):
        rank, write = os.environ.get(name, "none 0").split()
        if rank == os.environ["RANK"]:
            at_write(int(write), happens)
    if os.environ.get("OLDER") == os.environ["RANK"]:
        older = versions.library_versions() | {"transformers": "5.22.0"}
        versions.library_versions = lambda: older
    call(main, sys.argv[1:], "grpo")
