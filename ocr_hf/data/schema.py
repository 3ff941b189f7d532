"""The columns of `ocr-vsi`, typed, and the version of the format.

Question columns carry VSI-Bench's own names and meaning, so that its scorers read our rows and our code reads its.
OCR stands for Object-Centric 3D Rollout, never for text recognition.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from datasets import Features

FORMAT_VERSION = 1
"""Raised when a reader of the old format would misread the new one."""
MANIFEST = "ocr_vsi.json"
RECIPES = "scan_recipes.json"
"""In folders of recipes of scans, which have no videos and no manifest (scan_recipes.py)."""
CONFIGS = ("pairs", "recipes", "twins")
"""`pairs`: vanilla and noisy video. `recipes`: vanilla video and footprints; the noise is made while training.
`twins`: vanilla and edited video, with the answer to one question in both; only in folders built with `twins`."""
METADATA = {"pairs": "metadata.parquet", "recipes": "vanilla/metadata.parquet", "twins": "twins.parquet"}
"""Metadata file of each config, below the folder of a split."""
MAX_QUESTIONS = 1000
"""Per clip: a row's id is clip number * MAX_QUESTIONS + number of the question."""
MAX_PUSHED_FILES = 25_000
"""The Hub takes no more large files in a commit, and a push is one commit."""

_NUMBERS, _IDS = pa.list_(pa.float64()), pa.list_(pa.int32())
_MATRIX = pa.list_(_NUMBERS)
_RECIPE_COLUMNS: dict[str, pa.DataType] = {
    "id": pa.int64(),
    "dataset": pa.string(),
    "scene_name": pa.string(),
    "question_type": pa.string(),
    "question": pa.string(),
    "options": pa.list_(pa.string()),
    "ground_truth": pa.string(),
    "reasoning": pa.string(),
    "queried_objects": _IDS,
    "context_objects": _IDS,
    "clip_id": pa.string(),
    "fps": pa.float64(),
    "objects": pa.list_(
        pa.struct({"id": pa.int32(), "label": pa.string(), "center": _NUMBERS, "size": _NUMBERS, "rotation": _MATRIX})
    ),
    "camera_to_world": pa.list_(_MATRIX),
    "intrinsics": _MATRIX,
    "footprints": pa.list_(
        pa.struct(
            {
                "object_id": pa.int32(),
                "frame": pa.int32(),
                "height": pa.int32(),
                "width": pa.int32(),
                "counts": pa.string(),
            }
        )
    ),
}
_NOISE_COLUMNS: dict[str, pa.DataType] = {
    "noisy_objects": _IDS,
    "mode": pa.string(),
    "strength": pa.float64(),
    "seed": pa.int64(),
}
_OBJECTS, _FOOTPRINTS = _RECIPE_COLUMNS["objects"], _RECIPE_COLUMNS["footprints"]
_TWIN_COLUMNS: dict[str, pa.DataType] = {
    "relation": pa.string(),
    "control_of": pa.int64(),
    "edit": pa.string(),
    "edited_ground_truth": pa.string(),
    "edited_objects": _OBJECTS,
    "edited_footprints": _FOOTPRINTS,
}
_ALTERED_COLUMNS: dict[str, pa.DataType] = {
    "altered_file_names": pa.list_(pa.string()),
    "altered_strengths": _NUMBERS,
    "altered_edits": pa.list_(pa.list_(pa.string())),
}
"""Of config `recipes`, in folders built with `variants`."""
MEANING: dict[str, str] = {
    "id": f"clip number × {MAX_QUESTIONS} + number of the question in its clip",
    "dataset": "where the scene comes from: procedural, furnished, mesh, ...",
    "scene_name": "the scene; a scene is in one split only",
    "question_type": "VSI-Bench's task name",
    "question": "VSI-Bench's wording",
    "options": "answers with their letters, or null where the answer is a number",
    "ground_truth": "the letter, or the number",
    "reasoning": "a chain of thought computed from the geometry, ending in the answer",
    "queried_objects": "ids of the objects that the question names",
    "context_objects": "ids of objects that it doesn't name but the answer rests on",
    "clip_id": "the video; all questions of a clip share its files",
    "fps": "frames per second of scene time; frame i is shown at i / fps seconds",
    "objects": "every object: id, label, box centre (3) and full size (3) in metres, rotation (3 x 3, columns = axes)",
    "camera_to_world": "(T, 4, 4) pose per frame; metres, +Z up; camera x right, y down, z forward",
    "intrinsics": "(3, 3) pinhole matrix in pixels of the stored frames",
    "footprints": "visible pixels per object and frame, as COCO run lengths; frames without the object are left out",
    "vanilla": "the video as rendered",
    "noisy": "the same video with `noisy_objects` perturbed (config `pairs`)",
    "noisy_objects": "ids of the perturbed objects (config `pairs`)",
    "mode": "how: gaussian, geometry, rigid, scale, warp or jitter (config `pairs`)",
    "strength": "of the noise (config `pairs`)",
    "seed": "of the noise (config `pairs`)",
    "edited": "the same walk after an edit of the 3D scene (config `twins`)",
    "relation": "changes: the edit changes the answer; keeps: it doesn't (config `twins`)",
    "control_of": "id of the row in which another edit changes this question's answer; null there (config `twins`)",
    "edit": "the edits in order, a JSON list of kind, objects and parameters (config `twins`)",
    "edited_ground_truth": "the answer for `edited` (config `twins`)",
    "edited_objects": "every object after the edit (config `twins`)",
    "edited_footprints": "visible pixels in `edited` (config `twins`)",
}
ALTERED_MEANING: dict[str, str] = {
    "altered": "the same walk through the scene with objects altered in 3D, weakest first (config `recipes`)",
    "altered_strengths": "how far each of these goes, in diagonals of the objects' boxes (config `recipes`)",
    "altered_edits": "what was done in each of these: scene edits as JSON, in order (config `recipes`)",
}
"""Of the columns that `variants` adds."""
RECORDED_MEANING: dict[str, str] = {
    "fps": "frames per second; frame i is shown at i / fps seconds; when it was recorded: `scenes.jsonl`",
    "footprints": "pixels per object and frame, as COCO run lengths; `scenes.jsonl` states where each clip's come from",
    "vanilla": "the recorded frames, cut and resized",
}
"""Of columns that mean another thing in recordings than in scenes that were rendered."""


class FormatError(ValueError):
    """A folder isn't an ocr-vsi data set, or one that this version can't read."""


def features(config: str = "pairs", altered: bool = False) -> Features:
    """Return the columns of a config as `load_dataset` gives them; `altered` where the build had `variants`."""
    from datasets import Features, List, Video

    shown = {}
    for name, kind in stored_features(config, altered).items():
        if name.endswith("_file_name"):
            shown[name.removesuffix("_file_name")] = Video()
        elif name.endswith("_file_names"):
            shown[name.removesuffix("_file_names")] = List(Video())
        else:
            shown[name] = kind
    return Features(shown)


def stored_features(config: str = "pairs", altered: bool = False) -> Features:
    """Return the columns of a config's metadata file: videos are names of files beside it (VideoFolder)."""
    from datasets import Features

    return Features.from_arrow_schema(stored_schema(config, altered))


def stored_schema(config: str = "pairs", altered: bool = False) -> pa.Schema:
    """Return `stored_features` as a pyarrow schema, without importing datasets (which imports torch)."""
    if config not in CONFIGS:
        raise ValueError(f"ocr-vsi has no config '{config}'; it has {', '.join(CONFIGS)}")
    columns = {**_RECIPE_COLUMNS, "vanilla_file_name": pa.string()}
    if config == "pairs":
        columns |= {"noisy_file_name": pa.string(), **_NOISE_COLUMNS}
    if config == "recipes" and altered:
        columns |= _ALTERED_COLUMNS
    if config == "twins":
        columns |= {"edited_file_name": pa.string(), **_TWIN_COLUMNS}
    return pa.schema(columns)


def part_schema(altered: bool) -> pa.Schema:
    """Return the columns of `pairs` and `recipes`, which a clip's rows have while a build is in progress."""
    pairs = stored_schema("pairs")
    return pa.schema([*pairs, *(field for field in stored_schema("recipes", altered) if field.name not in pairs.names)])


def has_altered(manifest: Mapping[str, Any]) -> bool:
    """Return whether a data set was built with `variants`, by its manifest."""
    return bool(manifest.get("config", {}).get("variants"))


def configs_of(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the configs that the folder of a manifest has, the default one first."""
    # Twins may have been asked for and not found in any clip: a config without rows can't be loaded.
    return tuple(name for name in CONFIGS if splits_of(manifest, name))


def splits_of(manifest: Mapping[str, Any], config: str) -> dict[str, Mapping[str, Any]]:
    """Return the splits in which a config has rows, with what the manifest counts in them."""
    splits = manifest["statistics"]["splits"].items()
    return {name: counts for name, counts in splits if config != "twins" or counts.get("twins")}


def holds_recipes(folder: str | Path) -> bool:
    """Return whether a folder holds recipes of scans instead of a data set."""
    return (Path(folder) / RECIPES).is_file()


def check_version(manifest: Mapping[str, Any], where: str) -> None:
    """Raise FormatError if a manifest was written by a newer format than this code knows."""
    version = manifest.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise FormatError(f"{where}: format_version is {version!r}; it is not a {MANIFEST} of an ocr-vsi data set")
    if version > FORMAT_VERSION:
        raise FormatError(
            f"{where} has format version {version}, this ocr-hf reads up to {FORMAT_VERSION}; upgrade with "
            "`pip install -U ocr-hf`"
        )


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return a data set folder's manifest; raise FormatError if there is none, it is broken, or it is too new."""
    path = Path(folder) / MANIFEST
    if not path.is_file() and holds_recipes(folder):
        raise FormatError(f"{folder} holds recipes of scans and no videos; make them with `ocr-hf join {folder}`")
    if not path.is_file():
        raise FormatError(f"{folder} holds no {MANIFEST}; give a finished folder written by `ocr-hf build`")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{path} is not JSON ({error}); build the data set again") from error
    if not isinstance(manifest, dict):
        raise FormatError(f"{path} holds a {type(manifest).__name__}, not an object; build the data set again")
    check_version(manifest, str(path))
    return manifest
