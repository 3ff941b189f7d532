"""The rollout strategies of the package, one file each, in the order in which pages and messages list them."""

from __future__ import annotations

from ocr_hf.train.rollouts import STRATEGIES
from ocr_hf.train.strategies.counterfactual import Counterfactual
from ocr_hf.train.strategies.noisy_rollout import NoisyRollout
from ocr_hf.train.strategies.ocr import OCR
from ocr_hf.train.strategies.papo import PAPO
from ocr_hf.train.strategies.plain_grpo import GRPO
from ocr_hf.train.strategies.roma_like import RomaLike
from ocr_hf.train.strategies.share import Share
from ocr_hf.train.strategies.t_grpo import TGRPO

for _entry in (GRPO, OCR, NoisyRollout, TGRPO, PAPO, RomaLike, Share, Counterfactual):
    STRATEGIES.register(_entry)
