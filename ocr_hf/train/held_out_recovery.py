"""R on held-out clips while a model trains: what is left of its score with the objects that are asked about noised.

The measure's own noise, match and quotient (`vsi_bench/recovery.py`), on few clips and at one strength: a curve to
watch, with no interval. What a model's R is, `ocr-hf eval --audit recovery` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_hf.data.load import spread
from ocr_hf.models.answer import AnsweringModel, Prompt
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.train.clip_loader import CLIP, ClipLoader, encode_clip
from ocr_hf.train.log_probs import without_training
from ocr_hf.train.rewards import accuracy_reward
from ocr_hf.vsi_bench.audits import VANILLA, Arm, apply_audit
from ocr_hf.vsi_bench.context_match import match_context
from ocr_hf.vsi_bench.recovery import context_recovery

if TYPE_CHECKING:
    from datasets import Dataset

    from ocr_hf.train.config import OCRGRPOConfig

QUESTIONS = 4
"""Of a clip, at most."""
STRENGTH = 1.0
VIEWS = {VANILLA: VANILLA, "black": "black"} | {side: str(Arm(side, STRENGTH, 0)) for side in ("queried", "matched")}
"""Name in the log -> audit; noise is drawn once, the same at every evaluation."""
COLUMNS = ("footprints", "camera_to_world", "queried_objects", "question_type", "ground_truth")


class HeldOutRecovery:
    """Questions about a few held-out clips, each answered on the clip, on black frames and under noise on both sides.

    Decoded frames are kept, in memory; what the model takes is made anew each time, a question at a time.
    """

    def __init__(self, rows: Dataset | None, args: OCRGRPOConfig, processor: Any) -> None:
        """Choose and decode the clips.

        Args:
            rows: Held-out rows, with the columns of ocr-vsi's recipes.
            args: Settings of the training: how many clips, how they are shown, how long answers are.
            processor: The model's.

        Raises:
            ValueError: There are no such rows, or none whose named objects are seen and have like objects beside them.
            BadRow: A clip can't be read.
        """
        missing = [name for name in COLUMNS if name not in (getattr(rows, "column_names", None) or ())]
        if missing:
            raise ValueError(
                f"recovery_clips is {args.recovery_clips}, but the rows to evaluate on lack {', '.join(missing)}; set "
                "eval_split with data_config recipes, or recovery_clips to 0"
            )
        self.args, self.processor = args, processor
        loader = ClipLoader(args.video_column, args.frames, args.frame_cache_mb * 2**20)
        self.rows = [row for row in loader([rows[at] for at in chosen(rows, args.recovery_clips)]) if _is_matched(row)]
        if not self.rows:
            raise ValueError(
                f"recovery_clips is {args.recovery_clips}, but no question about these clips names objects that are "
                "seen and have like ones beside them; give more clips, or 0"
            )

    def measure(self, model: Any) -> dict[str, float]:
        """Return the score, per cent, on each view, and R of both sides where the video gains enough to tell.

        model : without wrappers; greedy answers, so that no random state moves
        """
        asked, size = AnsweringModel(model, self.processor), self.args.per_device_eval_batch_size
        kinds, truths = ([row[key] for row in self.rows] for key in ("question_type", "ground_truth"))
        scores = {}
        with without_training(model):
            for name, audit in VIEWS.items():
                texts: list[str] = []
                for start in range(0, len(self.rows), size):
                    batch = self.rows[start : start + size]
                    prompts = [Prompt(row["prompt"], self._video(row, audit)) for row in batch]
                    texts += asked.answer_all(prompts, size, self.args.max_completion_length)
                scores[name] = np.array(accuracy_reward(texts, kinds, truths))
        found = context_recovery(
            kinds,
            [row[CLIP].id for row in self.rows],
            scores[VANILLA],
            scores["black"],
            scores["queried"][None, None],
            scores["matched"][None, None],
            [STRENGTH],
        )["overall"]
        sides = found["strengths"][0]
        shown = {name: entry["score"] for name, entry in {**found, **sides}.items() if name in VIEWS}
        ratios = {name: sides[name]["value"] for name in ("R_queried", "R_matched")}
        shown |= {name: value for name, value in ratios.items() if value is not None}
        return {f"recovery/{name}": value for name, value in shown.items()}

    def _video(self, row: Mapping[str, Any], audit: str) -> Any:
        clip, args = row[CLIP], self.args
        footprints = footprints_of(row).select(clip.indices)
        frames = apply_audit(
            audit, clip.array, row["id"], 0, STRENGTH, footprints, row["queried_objects"], clip.indices
        ).frames
        return encode_clip(self.processor, clip, frames, args.min_pixels, args.max_pixels)


def chosen(rows: Dataset, clips: int) -> list[int]:
    """Return which rows are asked: of so many clips, spread evenly, `QUESTIONS` each, spread evenly."""
    names = rows["clip_id" if "clip_id" in rows.column_names else "id"]
    of_clip: dict[Any, list[int]] = {}
    for place, name in enumerate(names):
        of_clip.setdefault(name, []).append(place)
    groups = list(of_clip.values())
    return [groups[at][place] for at in spread(len(groups), clips) for place in spread(len(groups[at]), QUESTIONS)]


def _is_matched(row: Mapping[str, Any]) -> bool:
    """Whether a question names objects that are seen in its clip, each with a like one that it doesn't name."""
    footprints, queried = footprints_of(row).select(row[CLIP].indices), row["queried_objects"] or ()
    return bool(queried) and match_context(footprints, queried) is not None
