"""Weights that FSDP left in parts, one file a process, put together on one machine without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PARTS = "pytorch_model_fsdp_0"
"""Folder of a checkpoint that holds the parts, as accelerate names it."""
_MODEL = "model."
"""What stands before each name: the parts hold one dictionary, and its key is this."""


def has_parts(folder: Path) -> bool:
    """Return whether a checkpoint holds weights in parts, all of them."""
    # torch writes its list of what the parts hold when they are written
    return (folder / PARTS / ".metadata").is_file()


def read_parts(folder: Path) -> dict[str, torch.Tensor]:
    """Return a checkpoint's weights by name.

    Reads the list of parts as torch wrote it, which is a pickle: for checkpoints of one's own only.
    """
    import torch
    from torch.distributed import checkpoint

    reader = checkpoint.FileSystemReader(folder / PARTS)
    listed = reader.read_metadata().state_dict_metadata
    whole = {name: torch.empty(entry.size, dtype=entry.properties.dtype) for name, entry in listed.items()}
    checkpoint.load(whole, storage_reader=reader, no_dist=True)
    return {name.removeprefix(_MODEL): value for name, value in whole.items()}
