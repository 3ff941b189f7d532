"""Share-GRPO (arXiv 2505.16673): advantages over all variants of a question and over the own one."""

from __future__ import annotations

import torch

from ocr_hf.train.credit import Outcome
from ocr_hf.train.strategies.ocr import OCR


class Share(OCR):
    """`share`: rollouts as of `ocr`, and Share-GRPO's credit (arXiv 2505.16673).

    A = (r - mean) / (std + e) over the whole group, that is over all variants of the question, plus the same over the
    rollouts of the own variant, for rollouts that are scored under their own: with `score_under` own, the default here,
    these are all, with clean the vanilla ones. As in its released code the two are added, so that a group whose noise
    is annealed to nothing has GRPO's advantages twice. Its variants are rewritten questions and altered pictures; here
    they are the recorded clip and OCR's copy.
    """

    name = "share"
    help = "as `ocr`, with advantages over all variants plus over the own variant (Share-GRPO, arXiv 2505.16673)"
    default_score_under = "own"
    own_credit = True

    def advantages(self, outcome: Outcome) -> torch.Tensor:
        own = outcome.over(~outcome.altered)
        if self.config.score_under == "own":
            own = own + outcome.over(outcome.altered)
        return outcome.joint + own
