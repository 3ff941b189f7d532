"""`ocr-vsi-twins`: questions whose answer an edit of the scene changes, with their controls; unseen by training.

    OUT/rooms       200 procedural rooms, one clip of each
    OUT/homes       100 procedural homes of two to four rooms
    OUT/furnished   100 homes of one to four rooms with real furniture models; needs the models (--models, or installed)

Clips are those of ocr-vsi-test. Each question is asked of three videos and scored by pairs (`twin_scores.py`), so that
a model that doesn't look gets no pair of letters right. `ocr_vsi_twins.json` freezes it (`frozen.py`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.vsi_bench.frozen import SPLIT, FrozenBenchmark, has_models
from ocr_hf.vsi_bench.ocr_vsi_test import CLIPS

OCR_VSI_TWINS = FrozenBenchmark(
    name="ocr-vsi-twins",
    version=2,
    record="ocr_vsi_twins.json",
    config="twins",
    hashed=(
        *("id", "clip_id", "scene_name", "question_type", "question", "options", "ground_truth", "queried_objects"),
        *("relation", "control_of", "edit", "edited_ground_truth"),
    ),
    rows="pairs",
)
TWINS = replace(CLIPS, clips_per_scene=1, seed=19, split=SPLIT, questions_per_task=1, twins=4)
ROOMS = replace(TWINS, scenes=200)
"""Rooms 190000 to 190199; the other parts have seeds, and so scenes, of their own."""
HOMES = replace(TWINS, scenes=100, seed=20, rooms=3)
FURNISHED_HOMES, FURNISHED_SEED = 100, 21


def parts(models: Path | None = None) -> dict[str, BuildConfig]:
    """Return name -> what to build.

    Args:
        models: Folder of furniture models; None takes the installed ones, and leaves the part `furnished` out where
            none are.
    """
    found = {"rooms": ROOMS, "homes": HOMES}
    if has_models(models):
        folder = None if models is None else str(models)
        found["furnished"] = replace(
            TWINS, source="furnished", scenes=FURNISHED_HOMES, seed=FURNISHED_SEED, rooms=None, models=folder
        )
    return found
