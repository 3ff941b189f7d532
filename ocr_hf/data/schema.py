"""The columns of `ocr-vsi`, typed, and the version of the format.

Question columns carry VSI-Bench's own names and meaning, so that its scorers read our rows and our code reads its.
OCR stands for Object-Centric 3D Rollout, never for text recognition.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Features, List, Value, Video

FORMAT_VERSION = 1
"""Raised when a reader of the old format would misread the new one."""
MANIFEST = "ocr_vsi.json"
CONFIGS = ("pairs", "recipes")
"""`pairs`: vanilla and noisy video. `recipes`: vanilla video and footprints; the noise is made while training."""
MAX_QUESTIONS = 1000
"""Per clip: a row's id is clip number * MAX_QUESTIONS + number of the question."""

_MATRIX = List(List(Value("float64")))
_RECIPE_COLUMNS: dict[str, Any] = {
    "id": Value("int64"),
    "dataset": Value("string"),
    "scene_name": Value("string"),
    "question_type": Value("string"),
    "question": Value("string"),
    "options": List(Value("string")),
    "ground_truth": Value("string"),
    "reasoning": Value("string"),
    "queried_objects": List(Value("int32")),
    "context_objects": List(Value("int32")),
    "clip_id": Value("string"),
    "fps": Value("float64"),
    "objects": List(
        {
            "id": Value("int32"),
            "label": Value("string"),
            "center": List(Value("float64")),
            "size": List(Value("float64")),
            "rotation": _MATRIX,
        }
    ),
    "camera_to_world": List(_MATRIX),
    "intrinsics": _MATRIX,
    "footprints": List(
        {
            "object_id": Value("int32"),
            "frame": Value("int32"),
            "height": Value("int32"),
            "width": Value("int32"),
            "counts": Value("string"),
        }
    ),
}
_NOISE_COLUMNS: dict[str, Any] = {
    "noisy_objects": List(Value("int32")),
    "mode": Value("string"),
    "strength": Value("float64"),
    "seed": Value("int64"),
}
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
    "noisy": "the same video with noise on the pixels of `noisy_objects` (config `pairs`)",
    "noisy_objects": "ids of the perturbed objects (config `pairs`)",
    "mode": "gaussian or geometry (config `pairs`)",
    "strength": "of the noise (config `pairs`)",
    "seed": "of the noise (config `pairs`)",
}


class FormatError(ValueError):
    """A folder isn't an ocr-vsi data set, or one that this version can't read."""


def features(config: str = "pairs") -> Features:
    """Return the columns of a config as `load_dataset` gives them."""
    return Features(_columns(config, Video(), ""))


def stored_features(config: str = "pairs") -> Features:
    """Return the columns of a config's metadata file: videos are names of files beside it (VideoFolder)."""
    return Features(_columns(config, Value("string"), "_file_name"))


def _columns(config: str, video: Any, suffix: str) -> dict[str, Any]:
    if config not in CONFIGS:
        raise ValueError(f"ocr-vsi has no config '{config}'; it has {' and '.join(CONFIGS)}")
    columns = {**_RECIPE_COLUMNS, f"vanilla{suffix}": video}
    if config == "pairs":
        columns |= {f"noisy{suffix}": video, **_NOISE_COLUMNS}
    return columns


def check_version(manifest: Mapping[str, Any], where: str) -> None:
    """Raise FormatError if a manifest was written by a newer format than this code knows."""
    version = manifest.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise FormatError(f"{where}: format_version is {version!r}; it is no {MANIFEST} of an ocr-vsi data set")
    if version > FORMAT_VERSION:
        raise FormatError(
            f"{where} has format version {version}, this ocr-hf reads up to {FORMAT_VERSION}; upgrade with "
            "`pip install -U ocr-hf`"
        )


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return a data set folder's manifest; raise FormatError if there is none, it is broken, or it is too new."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise FormatError(f"{folder} holds no {MANIFEST}; give a finished folder written by `ocr-hf build`")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{path} is no JSON ({error}); build the data set again") from error
    check_version(manifest, str(path))
    return manifest
