"""Which video each rollout of a batch is sampled from and scored under, decided before anything is sampled.

The plan is a function of settings, rows and step. Every process plans its own rows; a group may lie across processes,
so a rollout's place in its group comes from its global number.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ocr_hf.models.media import VANILLA, VideoInputs, media_id
from ocr_hf.models.sampled_clip import SampledClip
from ocr_hf.train.clip_loader import BAD_CLIP, CLIP, BadRow, encode_clip
from ocr_hf.train.rollouts import Strategy
from ocr_hf.train.variants import Vanilla, Variant
from ocr_hf.train.video_store import MediaId, VideoStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rollout:
    """One rollout of the batch in flight.

    role : its part in the strategy's layout; variant : which copy of its clip it is sampled from
    sampled_from, scored_under : media ids of the video at sampling and in every log-prob; None for a row without
        video, and for one that was skipped
    views : media ids of the strategy's views, in the order of its `view_names`; none for such rows
    """

    role: str
    variant: Variant
    clip: SampledClip | None = None
    sampled_from: MediaId = None
    scored_under: MediaId = None
    views: tuple[str, ...] = ()
    skipped: bool = False


@dataclass(frozen=True)
class ClipEncoder:
    """Makes model inputs of clips, and puts them in a store under their media ids."""

    processor: Any
    store: VideoStore
    device: torch.device
    min_pixels: int | None = None
    max_pixels: int | None = None

    @property
    def video_processor(self) -> Any:
        return self.processor.video_processor

    def encode(self, clip: SampledClip, frames: np.ndarray) -> VideoInputs:
        return encode_clip(self.processor, clip, frames, self.min_pixels, self.max_pixels).to(self.device)

    def vanilla(self, clip: SampledClip) -> VideoInputs:
        return self.store.videos[self.add(clip, Vanilla())]

    def add(self, clip: SampledClip, variant: Variant) -> str:
        """Put one variant of a clip in the store, unless it is there, and return its media id."""
        name = media_id(clip.id, variant.settings)
        self.store.add(name, lambda: variant.video(clip, self), media_id(clip.id, VANILLA))
        return name


@dataclass(frozen=True)
class RolloutPlanner:
    """Plans batches by one strategy.

    score_under : "own" scores noisy rollouts under the video they were sampled from, "clean" under the recorded one
    skip_bad : leave out a row that cannot be used, with a warning, instead of raising BadRow
    """

    strategy: Strategy
    score_under: str
    skip_bad: bool

    def plan(
        self, rows: Sequence[Mapping[str, Any]], encoder: ClipEncoder, first: int, group: int, step: int, steps: int
    ) -> list[Rollout]:
        """Return the rollouts of a training batch, whose videos are then in the encoder's store.

        rows : of this process, one per rollout; first : global number of the first; group : rollouts per group
        step, steps : of the training, for annealed noise
        """
        # None marks a group that is skipped; a group's video is made once, whatever its rollouts
        variants: dict[int, dict[str, Variant] | None] = {}
        rollouts = []
        for position, row in enumerate(rows):
            number, member = divmod(first + position, group)
            if CLIP in row and number not in variants:
                variants[number] = self._variants(row, step, steps)
            if CLIP in row and variants[number] is not None:
                role = self.strategy.layout[member]
                rollouts.append(self._rollout(row[CLIP], role, variants[number], encoder))
            else:
                # A row that has its clip comes here only if the strategy refused it
                rollouts.append(without_clip(row, skipped=CLIP in row))
        return rollouts

    def _variants(self, row: Mapping[str, Any], step: int, steps: int) -> dict[str, Variant] | None:
        """Return the variant of each role and view for a row's group, or None for a row that is skipped."""
        try:
            return self.strategy.variants(row, step, steps) | self.strategy.views(row, step, steps)
        except BadRow as error:
            if not self.skip_bad:
                raise
            logger.warning("skipped: %s", error)
            return None

    def _rollout(self, clip: SampledClip, role: str, variants: Mapping[str, Variant], encoder: ClipEncoder) -> Rollout:
        variant = variants.get(role, Vanilla())
        sampled_from = encoder.add(clip, variant)
        scored_under = sampled_from if self.score_under == "own" else encoder.add(clip, Vanilla())
        views = tuple(encoder.add(clip, variants[name]) for name in self.strategy.view_names)
        return Rollout(role, variant, clip, sampled_from, scored_under, views)


def plan_recorded(rows: Sequence[Mapping[str, Any]], encoder: ClipEncoder) -> list[Rollout]:
    """Return the rollouts of an evaluation batch: every one sees its clip as recorded, whatever the strategy."""
    rollouts = []
    for row in rows:
        if CLIP in row:
            name = encoder.add(row[CLIP], Vanilla())
            rollouts.append(Rollout("vanilla", Vanilla(), row[CLIP], name, name))
        else:
            rollouts.append(without_clip(row))
    return rollouts


def without_clip(row: Mapping[str, Any], skipped: bool = False) -> Rollout:
    """Return the rollout of a row that has no clip, or none that can be used."""
    return Rollout("vanilla", Vanilla(), skipped=skipped or BAD_CLIP in row)
