"""`ocr-vsi-test`: questions about rooms that no training has seen, frozen by seeds and by a hash of the questions.

    OUT/rooms       240 procedural rooms, one clip of each
    OUT/furnished   120 homes of one to four rooms with real furniture models; needs the models (--models, or installed)
    OUT/house       a modelled apartment, sixteen clips: another kind of scene; needs its files (--house)

All are ocr-vsi folders with the one split `test`. Lens, height of the camera and exposure differ from clip to clip. The
record that freezes them is `ocr_vsi_test.json` beside this module: the hash of each part, and the questions that the
debiased part leaves out. `ocr-hf benchmark` builds and checks it.
"""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.load import scenes
from ocr_hf.data.own_sources import INSTALLED_MODELS
from ocr_hf.data.schema import METADATA
from ocr_hf.vsi_bench.debias import pruned_ids
from ocr_hf.vsi_bench.ocr_vsi_layout import PRUNED

VERSION = 2
"""1 was made by version 1 of the generator, whose rooms words alone could guess; 2 by version 2, and has the part
`furnished`. Scores on different versions can't be compared."""
SPLIT = "test"
RECORD = "ocr_vsi_test.json"
HASHED = ("id", "clip_id", "scene_name", "question_type", "question", "options", "ground_truth", "queried_objects")
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
HOUSE_FILES = ("house.glb", "instances.json")


def parts(house: Path | None = None, models: Path | None = None) -> dict[str, BuildConfig]:
    """Return name -> what to build.

    Args:
        house: Folder with the house's files; None leaves the part `house` out.
        models: Folder of furniture models; None takes the installed ones, and leaves the part `furnished` out where
            none are.

    Raises:
        FileNotFoundError: One of HOUSE_FILES isn't in the folder.
    """
    found = {"rooms": ROOMS}
    if models is not None or INSTALLED_MODELS.is_dir():
        folder = None if models is None else str(models)
        found["furnished"] = replace(ROOMS, source="furnished", scenes=FURNISHED_HOMES, rooms=None, models=folder)
    if house is None:
        return found
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
    return found | {"house": apartment}


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


def content_hash(folder: Path) -> str:
    """Return the SHA-256 of what a part asks about what: rows in order, and where the camera was, to a millimetre.

    Videos and footprints aren't in it: other builds of the codec or the ray caster give other bytes for the same room.
    """
    digest = hashlib.sha256()
    for item in _content(folder):
        digest.update(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


def _content(folder: Path) -> Iterator[list[Any]]:
    file = pq.ParquetFile(folder / SPLIT / METADATA["recipes"])
    clip = None
    for group in range(file.num_row_groups):
        for row in file.read_row_group(group, [*HASHED, "camera_to_world"]).to_pylist():
            # Poses stand in every row of a clip; they are hashed once, rounded, because their last bits differ between
            # processors
            if row["clip_id"] != clip:
                clip = row["clip_id"]
                yield [clip, np.rint(1000.0 * np.array(row["camera_to_world"])).astype(int).tolist()]
            yield [row[name] for name in HASHED]


def describe(folder: Path) -> dict[str, Any]:
    """Return hash and counts of a part."""
    table = pq.read_table(folder / SPLIT / METADATA["recipes"], columns=["clip_id", "scene_name"])
    scenes, clips = (len(set(table[name].to_pylist())) for name in ("scene_name", "clip_id"))
    return {"sha256": content_hash(folder), "scenes": scenes, "clips": clips, "questions": len(table)}


def check_frozen(part: str, folder: Path, record: Mapping[str, Any]) -> None:
    """Raise ValueError where a part that was built isn't the frozen one."""
    found, wanted = describe(folder), record[part]
    different = [f"{name} {found[name]}, frozen {wanted[name]}" for name in found if found[name] != wanted[name]]
    if different:
        raise ValueError(
            f"{folder} is not the frozen part '{part}' of ocr-vsi-test, version {VERSION} ({'; '.join(different)}), so "
            "scores on it can't be compared; use the code, the libraries (constraints.txt) and the scene files that it "
            "was frozen with"
        )


def freeze(folders: Mapping[str, Path], path: Path, debiased: Sequence[str] = ("rooms", "furnished")) -> dict[str, Any]:
    """Write the record of the parts in these folders and return it.

    debiased : parts whose easy questions are found; folds are by scene, so a part with one scene has none
    """
    record: dict[str, Any] = {}
    for part, folder in folders.items():
        table = pq.read_table(folder / SPLIT / METADATA["recipes"], columns=list(HASHED))
        pruned = pruned_ids(table.to_pylist()) if part in debiased else []
        record[part] = {**describe(folder), "pruned": pruned}
    # With an indent json puts every id on a line of its own
    text = re.sub(r"\[[\d,\s]+\]", _wrapped, json.dumps({"version": VERSION, **record}, indent=1))
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return record


def _wrapped(numbers: re.Match[str]) -> str:
    return textwrap.fill(" ".join(numbers[0].split()), 100, subsequent_indent="   ")


def read_record() -> dict[str, Any]:
    """Return part -> {sha256, scenes, clips, questions, pruned: ids that the debiased part leaves out}."""
    record = json.loads(files("ocr_hf.vsi_bench").joinpath(RECORD).read_text(encoding="utf-8"))
    del record["version"]
    return record
