"""From a group's rewards to advantages: TRL's way, and what a strategy or `noisy_credit` puts in its place.

Noisy rollouts that are scored under the recorded clip are off-policy: the policy is told what it would not have said.
Their wrong answers teach it most where it is right by a cue that the noise hides: every wrong letter then pushes up the
letter that the cue gives, so the cue is learnt anew (ROMA, arXiv 2605.09262, calls it reward poisoning). In a pilot OCR
beat GRPO exactly where noisy rollouts were right on conflicts more often than wrong on the rest. `positive` and `split`
are our repairs, to be tested and not yet shown to be better: nobody else's method.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from trl.trainer.utils import nanstd

EPSILON = 1e-4
"""Added to a standard deviation that is divided by, as in TRL 1.16."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the rollouts of a generation batch earned, over all processes: `groups` groups of G.

    rewards : (groups, G) weighted sums, NaN for rollouts that enter neither the baseline nor the loss
    altered : (groups, G) bool, which saw another video than the recorded one; a noisy rollout whose noise is annealed
        to nothing did not, and counts as vanilla
    joint : (groups, G) TRL's advantages
    scale : "group" divides by standard deviations, "none" does not
    """

    rewards: torch.Tensor
    altered: torch.Tensor
    joint: torch.Tensor
    scale: str = "group"

    def over(self, members: torch.Tensor) -> torch.Tensor:
        """Return rewards normalised as TRL does over some members (groups, G) bool of each group; 0 for the others.

        A member without others has nothing to be compared with and gets 0.
        """
        own = self.rewards.masked_fill(~members, torch.nan)
        centred = own - own.nanmean(1, keepdim=True)
        return (centred / self.spread(own)).nan_to_num(0.0)

    def spread(self, rewards: torch.Tensor) -> torch.Tensor:
        """Return what differences within each group are divided by, (groups, 1)."""
        return (
            nanstd(rewards, dim=1, keepdim=True) + EPSILON if self.scale != "none" else torch.ones_like(rewards[:, :1])
        )


def noisy_credit(kind: str, outcome: Outcome) -> torch.Tensor:
    """Return advantages (groups, G), r the reward of a rollout of a group, e = 1e-4.

    joint     A = (r - mean) / (std + e) over the whole group: TRL's, as in NoisyRollout.
    positive  vanilla rollouts: as joint. Noisy ones: max(A, 0), so that no answer is pushed down for being given under
              noise.
    split     vanilla rollouts: A = (r - mean_v) / (std_v + e), mean and standard deviation over the vanilla rollouts
              alone, as if there were no others. Noisy ones: A = max(r - mean_v, 0) / (std + e): they count where they
              beat what the policy earns without noise. std is over the whole group, for std_v is 0 where all vanilla
              rollouts are wrong, which is where a right noisy one says most.

    Under `scale_rewards` none nothing is divided. A group whose rollouts all saw the recorded clip has joint's.
    """
    if kind == "joint":
        return outcome.joint
    if kind == "positive":
        return torch.where(outcome.altered, outcome.joint.clamp(min=0.0), outcome.joint)
    vanilla = outcome.rewards.masked_fill(outcome.altered, torch.nan)
    ahead = (outcome.rewards - vanilla.nanmean(1, keepdim=True)).clamp(min=0.0)
    noisy = (ahead / outcome.spread(outcome.rewards)).nan_to_num(0.0)
    split = torch.where(outcome.altered, noisy, outcome.over(~outcome.altered))
    return torch.where(outcome.altered.any(1, keepdim=True), split, outcome.joint)
