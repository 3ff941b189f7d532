"""Object-Centric 3D Rollout (OCR, arXiv 2511.13190): noise on some objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ocr_hf.data.video import VideoSource
from ocr_hf.perturb import rows
from ocr_hf.perturb.modes import noise_mode
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.train.clip_loader import BadRow, row_name
from ocr_hf.train.rollouts import Strategy
from ocr_hf.train.stored_copies import ALTERED, check_copy, shows_stored_copies, stored_copy
from ocr_hf.train.variants import RegionNoise, Vanilla, Variant


class OCR(Strategy):
    """`ocr`: the other rollouts see one copy of the clip with noise on some objects (arXiv 2511.13190)."""

    name = "ocr"
    help = "half of the rollouts see the clip with noise on some objects (arXiv 2511.13190)"
    stored_columns = (ALTERED, "camera_to_world")

    @property
    def columns(self) -> tuple[str, ...]:
        """What the choice of objects reads, and what the noise mode does."""
        own = ("id", "footprints", "camera_to_world")
        return tuple(dict.fromkeys([*own, *noise_mode(self.config.mode).columns]))

    def stored_videos(self, row: Mapping[str, Any]) -> Sequence[VideoSource]:
        return row[ALTERED] if shows_stored_copies(self.config.mode, row) else ()

    def check_stored(self, row: Mapping[str, Any], source: VideoSource) -> int:
        return check_copy(row, source)

    def perturbed(self, row: Mapping[str, Any], step: int, total_steps: int) -> Variant:
        config = self.config
        ocr_map = OCRMap(
            select=config.select,
            region=config.region,
            max_objects=config.max_objects,
            mode=noise_mode(config.mode),
            strength=config.strength,
            schedule=config.schedule,
            total_steps=total_steps,
            seed=config.noise_seed,
            min_visible=config.min_visible,
        )
        try:
            footprints = rows.footprints_of(row)
        except (KeyError, TypeError, ValueError) as error:
            raise BadRow(
                f"{row_name(row)}: its footprints cannot be read ({error}); build the data set again, or train with "
                "strategy noisy_rollout, which needs none"
            ) from error
        if shows_stored_copies(config.mode, row):
            return stored_copy(row, ocr_map.strength_at(step), footprints)
        objects = ocr_map.choose(row["id"], step, footprints, row.get("queried_objects") or ())
        plan = ocr_map.plan_for(objects, row["id"], step)
        return Vanilla() if plan.is_identity else RegionNoise(ocr_map, plan, footprints, row, step)
