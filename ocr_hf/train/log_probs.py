"""Scoring completions under the video that each rollout's media id names.

TRL 1.16 has one method that computes log-probs, for old, reference and current policy alike, and it calls the model
without the videos. It is kept as it is and given a model that adds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ocr_hf.train.video_store import MediaId, VideoStore

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class VideoConditionedModel:
    """A model that adds to each call the videos of the rows it is called with.

    TRL walks a batch in chunks, in order, and calls the model once per chunk; `media_ids` has one entry per row of the
    whole batch, and each call takes those of its rows off the front.

    model : what TRL would have called, with its wrappers; unwrapped : the transformers model inside, for its tower
    context : entered while the vision tower runs, for the same mixed precision as the model's own forward
    """

    def __init__(
        self,
        model: Any,
        unwrapped: PreTrainedModel,
        videos: VideoStore,
        media_ids: Sequence[MediaId],
        context: Callable[[], Any],
    ) -> None:
        self.model, self.unwrapped, self.videos, self.context = model, unwrapped, videos, context
        self.waiting = list(media_ids)

    def __call__(self, *, input_ids: torch.Tensor, **arguments: Any) -> Any:
        rows, self.waiting = self.waiting[: len(input_ids)], self.waiting[len(input_ids) :]
        if len(rows) != len(input_ids):
            raise RuntimeError(
                f"the model was called with {len(input_ids)} rows, but videos of only {len(rows)} are left; this TRL "
                "splits its batches in another way than 1.16 does"
            )
        with self.context():
            video = self.videos.arguments(self.unwrapped, rows, input_ids)
        return self.model(input_ids=input_ids, **(arguments | video))

    def check_all_used(self) -> None:
        """Raise RuntimeError where the model was called for fewer rows than have a video."""
        if self.waiting:
            raise RuntimeError(
                f"{len(self.waiting)} rollouts were scored without their video; this TRL splits its batches in another "
                "way than 1.16 does"
            )


def k3_divergence(sampled_under: torch.Tensor, other: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return [sum, tokens] of KL(p || q) estimated on tokens that were sampled from p.

    sampled_under, other : (B, C) log-probs of the tokens under p and q; mask : (B, C), which tokens count
    The estimator is k3 of Schulman's note, as in TRL: exp(d) - d - 1 with d = log q - log p. It has the mean of the
    plain -d and less variance, and no token makes it negative.
    """
    difference = other - sampled_under
    return torch.stack([((difference.exp() - difference - 1) * mask).sum(), mask.sum()])
