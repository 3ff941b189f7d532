"""Consistency under degraded views, after ROMA's abstract (arXiv 2605.09262), which is all that we had: so "like"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ocr_hf.perturb.keys import stable_key
from ocr_hf.train.log_probs import k3
from ocr_hf.train.strategies.plain_grpo import GRPO
from ocr_hf.train.variants import FrameNoise, Variant
from ocr_hf.train.view_loss import ScoredTokens


class RomaLike(GRPO):
    """`roma_like`: GRPO on clean rollouts, which are also to hold under degraded videos (after arXiv 2605.09262).

    To the loss of each token are added

        kl_weight max_k k3(log pi(o|V), log pi(o|V_k))    where the rollout is right
        - pg_weight A exp(log pi(o|V_0) - detached)       the policy gradient of the same completion under one of them

    V_1 ... V_K: `views` copies with diffusion noise of `timestep` on whole frames, drawn anew for each row and step.
    k3(p, q) = exp(q - p) - (q - p) - 1 estimates KL(pi(.|V) || pi(.|V_k)) on a token sampled from pi(.|V). Its first
    argument is detached: the degraded views are drawn to the clean one, whose own distribution isn't drawn to theirs,
    and the gradient of k3 is then that of the KL. The abstract says: teacher forcing on clean trajectories, a KL
    surrogate against the worst augmentation, an auxiliary policy gradient with clean advantages, the regularisation of
    right trajectories alone. Detaching, the noise, K and both weights are ours.
    """

    name = "roma_like"
    help = (
        "every rollout sees the recorded clip; right ones are to hold under noise (after arXiv 2605.09262's abstract)"
    )
    columns = ("id",)
    views_train = True
    loss_terms = ("degraded_kl", "degraded_policy")
    default_options = {"kl_weight": 0.1, "pg_weight": 0.5, "views": 2}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.options["views"] < 1:
            raise ValueError(f"option views of strategy 'roma_like' is {self.options['views']}; give 1 or more")

    @property
    def view_names(self) -> tuple[str, ...]:
        """One name for each degraded copy."""
        return tuple(f"degraded_{k}" for k in range(self.options["views"]))

    def views(self, row: Mapping[str, Any], step: int, total_steps: int) -> dict[str, Variant]:
        return {
            name: FrameNoise(self.config.timestep, stable_key(name, self.config.noise_seed, row["id"], step))
            for name in self.view_names
        }

    def loss_values(self, scored: ScoredTokens) -> dict[str, tuple[float, torch.Tensor]]:
        views = torch.stack([scored.views[name] for name in self.view_names])
        worst = k3(scored.policy.detach(), views).amax(0) * scored.right.unsqueeze(1)
        one = views[0]
        policy = -scored.advantages.unsqueeze(1) * (one - one.detach()).exp()
        return {
            "degraded_kl": (float(self.options["kl_weight"]), worst),
            "degraded_policy": (float(self.options["pg_weight"]), policy),
        }
