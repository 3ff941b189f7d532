"""Counterfactual pairs: the same question about an edited scene, in which another answer is right."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ocr_hf.data.video import VideoSource
from ocr_hf.train.clip_loader import CLIP, BadRow, row_name
from ocr_hf.train.credit import Outcome
from ocr_hf.train.rollouts import Strategy
from ocr_hf.train.stored_copies import check_stored
from ocr_hf.train.variants import EditedVideo, Variant

EDITED = "edited"
"""Column with the edited video."""
OF_EDITED = {"ground_truth": "edited_ground_truth", "objects": "edited_objects", "footprints": "edited_footprints"}
"""Column that rewards read -> the one that holds the same of the edited video."""


class Counterfactual(Strategy):
    """`counterfactual`: the other rollouts see the edited video of a twin, and only its own answer is rewarded (ours).

    Rewards of these rollouts get `edited_ground_truth`, `edited_objects` and `edited_footprints` in the place of
    `ground_truth`, `objects` and `footprints`. Each rollout is scored under the video that it saw, and advantages are
    normalised over the rollouts of its own video: (r - mean) / (std + e), for an answer that is right in one video says
    nothing of the other. Rows: the config `twins` of ocr-vsi, or any with these columns; docs/twins.md.
    """

    name = "counterfactual"
    help = "half of the rollouts see the video of an edited scene, and are rewarded for the answer that is right there"
    other = "edited"
    columns = ("id", EDITED, "edited_ground_truth")
    data_config = "twins"
    default_score_under = "own"
    own_credit = True
    stored_columns = (EDITED, "camera_to_world")

    def scored_under(self, wanted: str | None) -> str:
        if wanted == "clean":
            raise ValueError(
                "score_under is 'clean', but strategy 'counterfactual' rewards an answer that is wrong for the "
                "recorded clip; set it to own, or leave it out"
            )
        return super().scored_under(wanted)

    def stored_videos(self, row: Mapping[str, Any]) -> Sequence[VideoSource | None]:
        return (row.get(EDITED),)

    def check_stored(self, row: Mapping[str, Any], source: VideoSource | None) -> int:
        if source is None:
            raise BadRow(
                f"{row_name(row)}: it has no edited video; use rows of config twins, or set on_bad_video to skip"
            )
        poses = row.get("camera_to_world")
        count = None if poses is None else len(poses)
        return check_stored(row, source, count, "edited video", "build the data set again, or set on_bad_video to skip")

    def perturbed(self, row: Mapping[str, Any], step: int, total_steps: int) -> Variant:
        source = row.get(EDITED)
        found, last = self.check_stored(row, source), row[CLIP].indices[-1]
        if found <= last:
            raise BadRow(
                f"{row_name(row)}: its edited video has {found} frames, and frame {last} of its clip is shown; film "
                "both alike, or set on_bad_video to skip"
            )
        edits = row.get("edit")
        # What was done decides the pixels; rows without it are told apart by their files, or by themselves
        name = edits or (source.get("path") if isinstance(source, Mapping) else source)
        objects = {number for one in json.loads(edits or "[]") for number in one.get("objects", ())}
        return EditedVideo(source, name if isinstance(name, str) else f"row {row['id']}", tuple(sorted(objects)), row)

    def row_for(self, role: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        if role != self.other:
            return row
        return {**row, **{name: row[other] for name, other in OF_EDITED.items() if name in row and other in row}}

    def advantages(self, outcome: Outcome) -> torch.Tensor:
        return outcome.over(~outcome.altered) + outcome.over(outcome.altered)
