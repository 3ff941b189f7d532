"""Whether vLLM's log-probs are those of the scorer: compared at the first step, and again every so many.

Two implementations of one model never agree to the bit. Beyond rounding, a difference means that they see something
different: another video, other times, other weights. Training would go on, towards what nobody asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ocr_hf.models.families import family_of
from ocr_hf.train import checks
from ocr_hf.train.log_probs import without_training
from ocr_hf.train.rollout_plan import Rollout
from ocr_hf.train.video_store import MediaId
from ocr_hf.train.vllm_sampler import VLLMSampler


def changed_by(args: Any) -> list[str]:
    """Return the sampling settings in force with which vLLM's log-probs are of another distribution than the model's.

    Args:
        args: OCRGRPOConfig.
    """
    neutral = {
        "top_p": (1.0, None),
        "top_k": (0, -1, None),
        "min_p": (0.0, None),
        "repetition_penalty": (1.0, None),
        "vllm_structured_outputs_regex": (None,),
        "generation_kwargs": (None, {}),
    }
    return [name for name, values in neutral.items() if getattr(args, name) not in values]


TOLERANCE = {torch.float64: 0.005, torch.float32: 0.005, torch.bfloat16: 0.05, torch.float16: 0.02}
"""Nats a token by which the sampler's log-probs may differ from the scorer's, on average."""


def tolerance_of(*number_types: torch.dtype) -> float:
    """Return the tolerance of the coarsest of these number types."""
    return max(TOLERANCE.get(number_type, TOLERANCE[torch.bfloat16]) for number_type in number_types)


@dataclass(frozen=True)
class Disagreement:
    """How far the sampler's log-probs are from the scorer's, and where furthest.

    total, tokens : sum of the absolute differences, nats, and over how many tokens
    row, column : of the largest difference `largest`, between `sampled` and `scored`
    """

    total: float = 0.0
    tokens: int = 0
    largest: float = 0.0
    row: int = -1
    column: int = -1
    sampled: float = 0.0
    scored: float = 0.0

    @property
    def mean(self) -> float:
        """Nats a token; 0 where none was compared."""
        return self.total / self.tokens if self.tokens else 0.0

    @classmethod
    def between(cls, sampled: torch.Tensor, scored: torch.Tensor, mask: torch.Tensor) -> Disagreement:
        """Compare log-probs (B, C) where `mask` is set.

        Args:
            sampled: The sampler's; NaN where it couldn't tell, which is left out.
            scored: The scorer's; NaN counts as infinitely far.
            mask: Which tokens are compared.
        """
        where = mask.bool() & ~sampled.isnan()
        if not where.any():
            return cls()
        difference = (sampled.double() - scored.double()).abs().nan_to_num(nan=torch.inf)
        difference = difference.masked_fill(~where, 0.0)
        row, column = divmod(int(difference.argmax()), difference.shape[1])
        return cls(
            float(difference.sum()),
            int(where.sum()),
            float(difference[row, column]),
            row,
            column,
            float(sampled[row, column]),
            float(scored[row, column]),
        )


def over_processes(found: Disagreement, accelerator: Any) -> dict[str, float]:
    """Return what is logged of a comparison, of all processes; nothing where none compared a token.

    Args:
        found: This process's.
        accelerator: All processes take part.
    """
    values = torch.tensor([[found.total, found.tokens, found.largest]], device=accelerator.device)
    total, tokens, largest = accelerator.gather(values).unbind(1)
    if not tokens.sum():
        return {}
    return {"vllm/difference": float(total.sum() / tokens.sum()), "vllm/largest_difference": float(largest.max())}


def check_sampler(found: Disagreement, allowed: float, token: str, media_id: MediaId) -> None:
    """Stop the run where the sampler disagrees with the scorer.

    Args:
        found: The comparison of the first step.
        allowed: Nats a token, on average.
        token: The one with the largest difference, as text.
        media_id: Of the video that it was sampled from.

    Raises:
        RuntimeError: It does.
    """
    if not found.mean <= allowed:
        raise RuntimeError(
            f"vLLM's log-probs of the first step differ from the scorer's by {found.mean:.3g} nats a token, and "
            f"{allowed:g} is allowed; most at token {found.column} {token!r} of rollout {found.row} (media id "
            f"{media_id}): vLLM {found.sampled:.4f}, scorer {found.scored:.4f}. Set use_vllm to false, or "
            "sampler_tolerance higher if rounding explains it, and report the model, both versions and this message"
        )


class SampledByVLLM:
    """The part of the trainer that lets TRL's vLLM see videos and holds it against the scorer."""

    def _sample_by_vllm(self) -> None:
        """Let TRL's vLLM see the rollouts' videos; say where its log-probs can't be compared with the scorer's."""
        model = self.base_of(self.model)
        checks.check_vllm_family(model.config, family_of(model.config))
        reasons = changed_by(self.args)
        if checks.is_sharded(self.accelerator):
            reasons.append("sharded parameters")
        if reasons:
            warnings.warn(f"vLLM's log-probs are not compared with the scorer's: {', '.join(reasons)}", stacklevel=3)
        self.vllm_generation = VLLMSampler(self.vllm_generation, model, self.processing_class, not reasons)

    def _compare_sampler(self, output: dict[str, Any], rollouts: Sequence[Rollout]) -> dict[str, Any]:
        """Compare vLLM's log-probs with the scorer's under the video that each rollout was sampled from.

        At the first step the run stops where they disagree; every `sampler_check_every` steps the figure is logged.
        Returns the batch, without vLLM's log-probs where TRL would set them against those of another video.
        """
        sampler, args = self.vllm_generation, self.args
        if self.mode == "train" and sampler.due(self.state.global_step, args.sampler_check_every):
            found = Disagreement()
            # A process whose rows have no video still takes part in the sums, or the others would wait for it
            if self._sees_video:
                media_ids = [rollout.sampled_from for rollout in rollouts]
                with without_training(self.model, inside_only=True):
                    scored = self._score_under(media_ids, output)
                found = Disagreement.between(output["sampling_per_token_logps"], scored, output["completion_mask"])
            figures = over_processes(found, self.accelerator)
            self._record(figures)
            if sampler.unchecked and found.tokens:
                allowed = args.sampler_tolerance
                if allowed is None:
                    allowed = tolerance_of(sampler.number_type, self._number_type)
                token = self._tokenizer.decode([int(output["completion_ids"][found.row, found.column])])
                check_sampler(found, allowed, token, media_ids[found.row])
            # By what all processes saw, for all must take part in the next sums, or none
            sampler.unchecked = sampler.unchecked and not figures
        if args.scores_other_video:
            return {name: value for name, value in output.items() if name != "sampling_per_token_logps"}
        return output
