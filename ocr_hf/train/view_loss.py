"""What a strategy may add to the loss: terms that compare a completion's log-probs under several videos.

TRL's loss stays as it is. A strategy names further videos, *views*, under which the completions of a group are scored
as well, and returns values per token from the log-probs under all of them; they are averaged as the loss in force
averages its own tokens, so that a weight means what `beta` means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class ScoredTokens:
    """The completions of a micro-batch with their log-probs, B rollouts of C tokens.

    policy : (B, C) under the video that the loss scores them under, with its gradient
    views : name -> (B, C) under each view; with a gradient where the strategy says `views_train`
    advantages : (B,)
    right : (B,) bool, whether the answer earned its reward: accuracy above 0.1, or where no reward function says, any
        reward above 0
    """

    policy: torch.Tensor
    views: Mapping[str, torch.Tensor]
    advantages: torch.Tensor
    right: torch.Tensor


def token_loss(
    values: torch.Tensor,
    mask: torch.Tensor,
    loss_type: str,
    *,
    accumulation: float,
    longest: int,
    items: torch.Tensor | float,
) -> torch.Tensor:
    """Average values per token as TRL 1.16 averages those of a loss type; a test holds both together.

    values, mask : (B, C)
    accumulation : micro-batches per step; longest : max_completion_length, for dr_grpo
    items : tokens of all micro-batches of a step, per process, for dapo, cispo and vespo
    """
    total = (values * mask).sum()
    if loss_type in ("grpo", "sapo"):
        return ((values * mask).sum(-1) / mask.sum(-1).clamp(min=1.0)).mean() / accumulation
    if loss_type == "bnpo":
        return total / mask.sum().clamp(min=1.0) / accumulation
    if loss_type == "dr_grpo":
        return total / (len(values) * longest) / accumulation
    if loss_type in ("dapo", "cispo", "vespo"):
        return total / items
    if loss_type == "luspo":
        return (values * mask).sum(-1).mean() / accumulation
    raise ValueError(f"loss_type is '{loss_type}', which strategies with views can't add to; use dapo or grpo")
