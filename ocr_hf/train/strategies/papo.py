"""PAPO (arXiv 2507.06448): a reward for answering otherwise when most of the video is black."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ocr_hf.perturb.keys import stable_key
from ocr_hf.train.log_probs import k3
from ocr_hf.train.strategies.plain_grpo import GRPO
from ocr_hf.train.variants import BlackPatches, Variant
from ocr_hf.train.view_loss import ScoredTokens

LARGEST = 10.0
"""Nats at which its released code cuts a token's divergence: what earns without bound would be the whole loss."""


class PAPO(GRPO):
    """`papo`: GRPO whose loss falls with what black patches would change (arXiv 2507.06448).

    loss = L_GRPO - gamma k3(log pi(o|V), log pi(o|V_mask)), a value per token cut at 10, with
    k3(p, q) = exp(q - p) - (q - p) - 1. In V_mask each of the model's patches (14 x 14 pixels of two frames in
    Qwen2.5-VL) is black with probability `masked`, one mask for a row and a step. The log-probs under it are detached:
    the gradient goes through log pi(o|V) alone. 0.02 and 0.6 are the paper's, for models of 3B; its "double entropy"
    terms are left out.
    """

    name = "papo"
    help = (
        "every rollout sees the recorded clip; the loss falls with what black patches would change (arXiv 2507.06448)"
    )
    columns = ("id",)
    view_names = ("masked",)
    loss_terms = ("masked_kl",)
    default_options = {"gamma": 0.02, "masked": 0.6}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if not 0.0 <= self.options["masked"] <= 1.0:
            raise ValueError(
                f"option masked of strategy 'papo' is {self.options['masked']}; give a probability, 0 to 1"
            )

    def views(self, row: Mapping[str, Any], step: int, total_steps: int) -> dict[str, Variant]:
        key = stable_key("black patches", self.config.noise_seed, row["id"], step)
        return {"masked": BlackPatches(float(self.options["masked"]), key)}

    def loss_values(self, scored: ScoredTokens) -> dict[str, tuple[float, torch.Tensor]]:
        divergence = k3(scored.policy, scored.views["masked"]).clamp(max=LARGEST)
        return {"masked_kl": (-float(self.options["gamma"]), divergence)}
