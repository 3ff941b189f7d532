"""`ocr-vsi-test`: questions about rooms that no training has seen.

    OUT/rooms       240 procedural rooms, one clip of each
    OUT/furnished   120 homes of one to four rooms with real furniture models; needs the models (--models, or installed)
    OUT/house       a modelled apartment, sixteen clips: another kind of scene; needs its files (--house)

Lens, height of the camera and exposure differ from clip to clip. `ocr_vsi_test.json` freezes it (`frozen.py`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.vsi_bench.frozen import SPLIT, FrozenBenchmark, has_models, with_house

OCR_VSI_TEST = FrozenBenchmark(
    name="ocr-vsi-test",
    version=2,
    record="ocr_vsi_test.json",
    config="recipes",
    hashed=("id", "clip_id", "scene_name", "question_type", "question", "options", "ground_truth", "queried_objects"),
    rows="questions",
    debiased=("rooms", "furnished"),
)
"""Version 1 was made by version 1 of the generator, whose rooms words alone could guess; 2 by version 2, and has the
part `furnished`."""
CLIPS = BuildConfig(
    clips_per_scene=2,
    rooms=1,
    frames=16,
    seconds=16.0,
    width=224,
    height=168,
    question_frames=8,
)
"""Clips of one room; the training data of `recipes/ocr_vsi_tiny` are built alike. Of 16 frames a model is given 8, and
only what these show is asked about."""
ROOMS = replace(CLIPS, scenes=240, clips_per_scene=1, seed=9, split=SPLIT, questions_per_task=3)
"""Rooms 90000 to 90239: scenes of different seeds are different (`ocr_hf.data.build_config.MAX_SCENES`)."""
FURNISHED_HOMES = 120
HOUSE_CLIPS = 16


def parts(house: Path | None = None, models: Path | None = None) -> dict[str, BuildConfig]:
    """Return name -> what to build.

    Args:
        house: Folder with the house's files; None leaves the part `house` out.
        models: Folder of furniture models; None takes the installed ones, and leaves the part `furnished` out where
            none are.

    Raises:
        FileNotFoundError: A file of the house isn't in the folder.
    """
    found = {"rooms": ROOMS}
    if has_models(models):
        folder = None if models is None else str(models)
        found["furnished"] = replace(ROOMS, source="furnished", scenes=FURNISHED_HOMES, rooms=None, models=folder)
    if house is not None:
        found["house"] = with_house(ROOMS, house, HOUSE_CLIPS)
    return found
