"""Token ids of several prompts as one batch: the one place that pads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Rows = Sequence[Sequence[int]]


def left_padded(rows: Rows, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (ids, mask) (B, longest) with the padding in front, so that all rows end where generation goes on."""
    return padded_behind(rows, 0, pad)


def padded_behind(rows: Rows, length: int, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (ids, mask) (B, longest) with the padding behind the first `length` tokens, where all rows line up."""
    import torch

    longest = max(map(len, rows))
    gaps = [longest - len(row) for row in rows]
    ids = [[*row[:length], *[pad] * gap, *row[length:]] for row, gap in zip(rows, gaps, strict=True)]
    mask = [[1] * length + [0] * gap + [1] * (longest - length - gap) for gap in gaps]
    return torch.tensor(ids), torch.tensor(mask)


def right_padded(rows: Rows, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (ids, mask) (B, longest) with the padding at the end, as for training, where labels are padded alike."""
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
