"""Cut a generated batch into micro-batches that keep groups together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ocr_hf.perturb.keys import generator, stable_key

Batch = dict[str, Any]
"""What TRL makes of a generation batch: tensors (B, ...) and lists of B, one entry per rollout; scalars; None."""


def take(batch: Batch, rows: Sequence[int]) -> Batch:
    """Return these rows of a batch, in this order."""
    # Typed, for torch would make an index of floats from an empty list
    index = torch.as_tensor(np.asarray(rows, dtype=np.int64))

    def pick(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.ndim > 0:
            return value[index.to(value.device)]
        return [value[row] for row in index.tolist()] if isinstance(value, list) else value

    return {name: pick(value) for name, value in batch.items()}


def drop_rows(batch: Batch, dropped: torch.Tensor) -> Batch:
    """Return a batch without the rows where `dropped` (B,) is true."""
    return batch if not dropped.any() else take(batch, torch.nonzero(~dropped).flatten().tolist())


def mask_rows(batch: Batch, masked: torch.Tensor) -> Batch:
    """Return a batch whose rows, where `masked` (B,) is true, have no completion tokens and no advantage."""
    if not masked.any():
        return batch
    keep: Callable[[torch.Tensor], torch.Tensor] = lambda value: (~masked).to(value.device, value.dtype)  # noqa: E731
    # Masked, not dropped: how many rows are skipped differs between processes, and all must train equally many
    completions, advantages = batch["completion_mask"], batch["advantages"]
    return {
        **batch,
        "completion_mask": completions * keep(completions).unsqueeze(1),
        "advantages": advantages * keep(advantages),
    }


def split_by_group(batch: Batch, chunks: int, group: int, seed: tuple[int, ...]) -> list[Batch]:
    """Cut a batch into `chunks` micro-batches; the groups' order is random, their rollouts stay side by side.

    group : rollouts per group, side by side in the batch. A process that holds parts of groups (its rows are no
    multiple of `group`) has its rows cut as they come
    seed : decides the order
    """
    # TRL shuffles single rollouts across micro-batches; then each would have to encode nearly every clip of the batch
    rows = len(batch["completion_ids"])
    block = group if rows % group == 0 else rows
    # From a key, not from torch's global state: a resumed run forms the same micro-batches
    order = generator(stable_key("groups", *seed)).permutation(rows // block)
    index = (order[:, None] * block + np.arange(block)).reshape(-1)
    # The parts are equal: `check_groups` refuses strategies whose remaining rollouts could not be cut so
    return [take(batch, part) for part in np.array_split(index, chunks)]
