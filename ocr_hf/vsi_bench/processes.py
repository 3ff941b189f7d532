"""Several processes, started by torchrun or `accelerate launch`, that share the questions of one run."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Processes:
    """This process's number among `count`, and its device (None = choose)."""

    rank: int
    count: int
    device: str | None

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def close(self) -> None:
        """Leave the group of processes."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().destroy_process_group()


def current_processes() -> Processes:
    """Return the group this process belongs to, by the launcher's WORLD_SIZE; a group of one without a launcher.

    `accelerate launch --cpu --num_processes 2` starts one process only; on CPUs take
    `torchrun --standalone --nproc_per_node 2 -m ocr_hf.cli eval ...`. Raises RuntimeError where the processes don't
    find each other.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started == 1:
        return Processes(0, 1, None)
    import torch
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # Without `cpu`, PartialState takes processes on a machine without GPUs for independent ones, and each would ask
    # all questions.
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available())
    if state.num_processes != started:
        raise RuntimeError(f"{started} processes were started but {state.num_processes} found each other; use torchrun")
    return Processes(state.process_index, state.num_processes, str(state.device))
