"""Small heads that read values from words while answering is learnt, and are thrown away after training."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import nn
from torch.nn import functional


class WordHead(nn.Module):
    """Reads named values from the hidden states of words.

    outputs : name -> slice of the targets that this head reads; beta : of the smooth L1 loss
    yes_no : names whose targets are 0 or 1, learnt by cross-entropy
    """

    def __init__(
        self, hidden: int, outputs: Mapping[str, slice], beta: float = 0.2, yes_no: Collection[str] = ()
    ) -> None:
        super().__init__()
        self.outputs, self.beta, self.yes_no = outputs, beta, yes_no
        self.norm = nn.LayerNorm(hidden)
        self.read = nn.Linear(hidden, max(part.stop for part in outputs.values()))

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return (sum, count) of each loss; words : (N, H), targets : (N, values), NaN = not asked or unknown."""
        read = self.read(self.norm(words.float()))
        out = {}
        for name, part in self.outputs.items():
            valid = torch.isfinite(targets[:, part])
            given, wanted = read[:, part], targets[:, part].nan_to_num()
            if name in self.yes_no:
                each = functional.binary_cross_entropy_with_logits(given, wanted, reduction="none")
            else:
                each = functional.smooth_l1_loss(given, wanted, beta=self.beta, reduction="none")
            out[name] = torch.stack([(each * valid).sum(), valid.sum()])
        return out


def attention_loss(attention: torch.Tensor) -> torch.Tensor:
    """Return -log of the share of attention (N,) that goes where it should, as (sum, count)."""
    each = -(attention.float() + 1e-4).log()
    return torch.stack([each.sum(), torch.tensor(float(len(each)))])
