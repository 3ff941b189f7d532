"""What is logged of rollouts: per role (vanilla, noisy, shuffled) and about the noise that they saw."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ocr_hf.train.rollout_plan import Rollout


class RolloutMetrics:
    """Means per role over all processes; a role without rollouts is left out (NaN, which TRL does not log)."""

    def __init__(self, roles: Sequence[str]) -> None:
        self.roles = tuple(roles)
        self._entropy = torch.zeros(len(self.roles), 2, dtype=torch.float64)

    def of_rewards(
        self,
        role: torch.Tensor,
        rewards: torch.Tensor,
        accuracy: torch.Tensor | None,
        lengths: torch.Tensor,
    ) -> dict[str, float]:
        """Return the metrics of one generation batch.

        role : (groups, G) index into `roles`; rewards : (groups, G) weighted sums, NaN where there is none
        accuracy : (groups, G) or None; lengths : (groups, G) completion tokens
        """
        measured: dict[str, float] = {}
        for number, name in enumerate(self.roles):
            of_role = role == number
            own = rewards.masked_fill(~of_role, torch.nan)
            measured[f"{name}/reward"] = own.nanmean().item()
            if accuracy is not None:
                measured[f"{name}/accuracy"] = accuracy.masked_fill(~of_role, torch.nan).nanmean().item()
            measured[f"{name}/length"] = lengths.float().masked_fill(~of_role, torch.nan).nanmean().item()
            # A group whose rollouts of one role all earn the same gives that role no signal; one rollout has no spread
            spread = [values[~values.isnan()] for values in own]
            several = [bool((values == values[0]).all()) for values in spread if len(values) > 1]
            measured[f"{name}/frac_reward_zero_std"] = sum(several) / len(several) if several else float("nan")
        return measured

    def add_entropy(self, entropies: torch.Tensor, mask: torch.Tensor, roles: Sequence[str]) -> None:
        """Add the entropies (B, C) of a micro-batch's completion tokens; kept on this process until `entropy`."""
        # Sums and counts, not means: micro-batches have different numbers of tokens
        sums = (entropies.detach() * mask).sum(1).double().cpu()
        counts = mask.sum(1).double().cpu()
        for row, role in enumerate(roles):
            self._entropy[self.roles.index(role)] += torch.stack([sums[row], counts[row]])

    def take_entropy(self) -> torch.Tensor:
        """Return (roles, 2) summed entropy and tokens since the last call, of this process, and start anew."""
        taken, self._entropy = self._entropy, torch.zeros_like(self._entropy)
        return taken


def completion_columns(rollouts: Sequence[Rollout]) -> dict[str, list]:
    """Return the columns that the table of completions gets, one entry per rollout."""
    return {
        "media_id": [rollout.sampled_from for rollout in rollouts],
        "scored_media_id": [rollout.scored_under for rollout in rollouts],
        "role": ["skipped" if rollout.skipped else rollout.role for rollout in rollouts],
        "perturbed_objects": [list(rollout.variant.objects) for rollout in rollouts],
    }


def noise_totals(rollouts: Sequence[Rollout]) -> list[float]:
    """Return [noisy videos, objects perturbed in them, shares of their pixels perturbed], each summed."""
    # The noisy rollouts of a group share one variant object, and count as one video
    noisy = {id(rollout.variant): rollout for rollout in rollouts if rollout.role != "vanilla"}.values()
    return [
        float(len(noisy)),
        float(sum(len(rollout.variant.objects) for rollout in noisy)),
        float(sum(rollout.variant.area(rollout.clip) for rollout in noisy)),
    ]
