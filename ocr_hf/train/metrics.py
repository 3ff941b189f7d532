"""What is logged of rollouts: per role (vanilla, noisy, shuffled) and about the noise that they saw."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Any

import torch

from ocr_hf.train.rollout_plan import Rollout

ANSWER = "<answer>"


class TokenMeans:
    """Means over tokens, of values that come micro-batch by micro-batch; kept on this process until they are logged."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._sums = torch.zeros(len(self.names), 2, dtype=torch.float64)

    def add(self, name: str, values: torch.Tensor, mask: torch.Tensor) -> None:
        """Add the values (B, C) of those tokens of a micro-batch where `mask` is set."""
        # Sums and counts, not means: micro-batches have different numbers of tokens
        counted = torch.stack([(values.detach() * mask).sum().double(), mask.sum().double()]).cpu()
        self._sums[self.names.index(name)] += counted

    def take(self) -> torch.Tensor:
        """Return (names, 2) sums and tokens since the last call, of this process, and start anew."""
        taken, self._sums = self._sums, torch.zeros_like(self._sums)
        return taken


class RolloutMetrics:
    """Means per role over all processes; a role without rollouts is left out (NaN, which TRL does not log).

    `tokens` : entropies of each role's tokens, and a strategy's `loss_terms`; `excluded` : roles that aren't trained on
    """

    def __init__(
        self, roles: Sequence[str], loss_terms: Sequence[str] = (), excluded: Collection[str] = frozenset()
    ) -> None:
        self.roles = tuple(roles)
        self.excluded = [number for number, name in enumerate(self.roles) if name in excluded]
        self.tokens = TokenMeans([f"{role}/entropy" for role in self.roles] + [f"loss/{term}" for term in loss_terms])

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
        score = rewards if accuracy is None else accuracy
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
            measured[f"{name}/frac_mixed"] = _share_mixed(score, of_role)
        trained = (role >= 0) & ~torch.isin(role, torch.tensor(self.excluded, device=role.device, dtype=role.dtype))
        measured["all/frac_mixed"] = _share_mixed(score, trained)
        return measured

    def add_entropy(self, entropies: torch.Tensor, mask: torch.Tensor, roles: Sequence[str]) -> None:
        """Add the entropies (B, C) of a micro-batch's completion tokens, each to its rollout's role."""
        for name in self.roles:
            of_role = torch.tensor([role == name for role in roles], device=mask.device)
            self.tokens.add(f"{name}/entropy", entropies, mask * of_role.unsqueeze(1))


def _share_mixed(score: torch.Tensor, members: torch.Tensor) -> float:
    """Return the share of groups whose members (groups, G) bool, two at least, don't all score the same."""
    own = [values[~values.isnan()] for values in score.masked_fill(~members, torch.nan)]
    mixed = [bool((values != values[0]).any()) for values in own if len(values) > 1]
    return sum(mixed) / len(mixed) if mixed else float("nan")


def answer_start(completion: Sequence[int], tokenizer: Any) -> int:
    """Return how many tokens of a completion come before its answer: up to the tag `<answer>`, 0 where it has none."""
    if ANSWER not in tokenizer.decode(completion):
        return 0
    # Once the tag is there, more tokens don't take it away: the least number that shows it is found by bisection
    return bisect_left(range(len(completion)), True, key=lambda count: ANSWER in tokenizer.decode(completion[:count]))


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
