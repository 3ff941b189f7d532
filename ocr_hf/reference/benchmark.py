"""`ocr-vsi-test`: questions about rooms that no training has seen, frozen by seeds and by a hash of what is asked.

    OUT/rooms   240 procedural rooms, one clip of each
    OUT/house   a modelled apartment, sixteen clips: another kind of scene; needs its files (--house)

Both are ocr-vsi folders with the one split `test`. What is frozen stands in `ocr_vsi_test.json` beside this module
(see `frozen.py`): the hash of each part, and the questions that the debiased part leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocr_hf.data.atomic import write_json
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.load import scenes
from ocr_hf.reference.config import CLIPS
from ocr_hf.reference.frozen import SPLIT, check_frozen
from ocr_hf.vsi_bench.ocr_vsi_layout import PRUNED

ROOMS = replace(CLIPS, scenes=240, clips_per_scene=1, seed=9, split=SPLIT, questions_per_task=3)
"""Rooms 90000 to 90239: scenes of different seeds are different (`ocr_hf.data.build_config.MAX_SCENES`)."""
HOUSE_CLIPS = 16
HOUSE_FILES = ("house.glb", "instances.json")


def parts(house: Path | None) -> dict[str, BuildConfig]:
    """Return name -> what to build; without a folder of the house's files there is no part `house`.

    Raises FileNotFoundError where one of HOUSE_FILES isn't in the folder.
    """
    if house is None:
        return {"rooms": ROOMS}
    for name in HOUSE_FILES:
        if not (house / name).is_file():
            raise FileNotFoundError(f"{house} holds no {name}; --house takes a folder with {' and '.join(HOUSE_FILES)}")
    scene, instances = (str(house / name) for name in HOUSE_FILES)
    apartment = replace(
        ROOMS,
        source="mesh",
        rooms=None,
        clips_per_scene=HOUSE_CLIPS,
        path=(scene,),
        instances=(instances,),
        licence="mit-0",
        attribution=("aws-robotics/aws-robomaker-small-house-world",),
    )
    return {"rooms": ROOMS, "house": apartment}


def build_benchmark(
    out: Path,
    configs: Mapping[str, BuildConfig],
    record: Mapping[str, Any] | None,
    *,
    training: Sequence[Path] = (),
    num_proc: int = 1,
    on_clip: Callable[[Mapping[str, Any]], None] | None = None,
) -> dict[str, Path]:
    """Build what is missing of the parts, check them, and return part -> folder.

    configs : from `parts`
    record : what is frozen (`read_record`); None builds without a check, to freeze what comes out
    training : folders of training data, none of whose scenes may be here
    Raises ValueError where a part isn't the frozen one, or a scene is among the training data.
    """
    folders = {}
    for name, config in configs.items():
        folder = folders[name] = out / name
        build_folder(config, folder, num_proc=num_proc, resume=True, on_clip=on_clip)
        for other in training:
            check_unseen(folder, other)
        if record is not None:
            check_frozen(name, folder, record)
            mark_pruned(folder, record[name]["pruned"])
    return folders


def check_unseen(folder: Path, training: Path) -> None:
    """Raise ValueError if a scene of a benchmark part is also among the training data."""
    both = sorted(set(scenes(folder)) & set(scenes(training)))
    if both:
        raise ValueError(f"{len(both)} scenes of {folder} are in {training} too, as {both[0]}; train on other seeds")


def mark_pruned(folder: Path, ids: list[int]) -> None:
    """Write beside a part which questions its debiased part leaves out; `ocr-hf eval --split debiased` reads it."""
    write_json(folder / PRUNED, {"pruned": ids})
