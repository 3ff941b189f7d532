"""The folder of a recorded scene, version 1: what its two JSON files may hold. docs/your-own-scans.md shows the tables.

    SCENE/cameras.json   conventions, intrinsics, frames with their times, poses and files
    SCENE/boxes.json     objects with ids, labels and oriented boxes; rooms where they are known
    SCENE/...            images or a video, depth as 16-bit PNG, instance maps as 8- or 16-bit PNG
    SCENE/converted.json how it was made of a scan, where it was; for recipes (data/scan_recipes.py)

Conventions are declared and never guessed. A key that isn't in the tables is refused: a misspelt one would otherwise be
a default in silence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.registry import unknown_choice
from ocr_hf.scenes.cameras.trajectories import AXES
from ocr_hf.scenes.readers.mesh_options import UNITS
from ocr_hf.scenes.recorded.conventions import TO_Z_UP

VERSION = 1
"""Raised when a reader of the old version would misread the new one."""
CAMERAS, BOXES = "cameras.json", "boxes.json"
CONVERTED = "converted.json"
POSES = ("camera_to_world", "world_to_camera")
PIXEL_CENTRES = {"half": 0.0, "integer": 0.5}
"""Where the first pixel's centre is, at 0.5 or at 0; what is added to a principal point to make it ours, pixels."""

_REQUIRED = object()


@dataclass(frozen=True)
class Entry:
    """One key of an object.

    what : the value, in words, as messages and the documentation say it
    read : returns the value, or raises ValueError, TypeError or KeyError
    meaning : one sentence
    default : where the key may be left out
    """

    what: str
    read: Callable[[Any], Any]
    meaning: str
    default: Any = _REQUIRED

    @property
    def is_required(self) -> bool:
        """Whether the key must be there."""
        return self.default is _REQUIRED


def _array(*shape: int | None) -> Callable[[Any], np.ndarray]:
    def read(value: Any) -> np.ndarray:
        array = np.array(value)
        if array.dtype.kind not in "iuf":  # numbers in quotes, null, true
            raise TypeError
        array = array.astype(np.float64)
        if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape)):  # noqa: B905
            raise ValueError
        return array

    return read


def typed(*kinds: type, least: float | None = None) -> Callable[[Any], Any]:
    """Return what reads a value of these kinds, finite and not below `least`; of texts, one that isn't empty."""

    def read(value: Any) -> Any:
        # A bool is an int in Python, but `true` is no number
        if not isinstance(value, kinds) or isinstance(value, bool) or value == "":
            raise TypeError
        if isinstance(value, int | float) and not (np.isfinite(value) and (least is None or value >= least)):
            raise ValueError
        return value

    return read


def _one_of(known: Mapping[str, Any] | tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in tuple(known):
            raise ValueError
        return value

    return read


def _or_null(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(typed(str), value))


def _positive(value: Any) -> float:
    number = float(typed(int, float)(value))
    if number <= 0.0:
        raise ValueError
    return number


def is_list(value: Any) -> list[Any]:
    """Return a list as it is; TypeError for anything else."""
    if not isinstance(value, list):
        raise TypeError
    return value


def _choice(known: Mapping[str, Any] | tuple[str, ...], meaning: str) -> Entry:
    return Entry(" or ".join(known), _one_of(known), meaning)


_text, _number, _whole = typed(str), typed(int, float), typed(int, least=0)
_VERSION = Entry(f"{VERSION}", typed(int, least=1), "of this format")

CAMERA_KEYS: dict[str, Entry] = {
    "version": _VERSION,
    "camera_axes": _choice(AXES, "x right, y down, z forward; or x right, y up, z backward"),
    "poses": _choice(POSES, "which way the matrices in `frames` map points"),
    "up": _choice(tuple(TO_Z_UP), "the world's axis that points up; the world is right-handed"),
    "units": _choice(tuple(UNITS), "of all lengths in both files that don't name theirs"),
    "pixel_centres": _choice(
        tuple(PIXEL_CENTRES), "the first pixel's centre is at 0.5 (nerfstudio, COLMAP), or at 0 (OpenCV)"
    ),
    "intrinsics": Entry("3 x 3 numbers", _array(3, 3), "pinhole matrix in pixels of the images; no distortion"),
    "width": Entry("a whole number", typed(int, least=1), "of all images, pixels"),
    "height": Entry("a whole number", typed(int, least=1), "of all images, pixels"),
    "frames": Entry("a list", is_list, "one object a frame, in the order of time"),
    "video": Entry(
        "a file name or null", _or_null(_text), "file that holds the images of frames with `video_frame`", None
    ),
    "depth_unit_m": Entry(
        "a number above 0 or null",
        _or_null(_positive),
        "metres of one unit of the depth maps: 0.001 for millimetres",
        None,
    ),
    "dataset": Entry("a text", _text, "where the recording comes from: scannet, ...; the column `dataset`", "recorded"),
    "scan": Entry("a text or null", _or_null(_text), "its name there; scans that VSI-Bench tests on are refused", None),
    "licence": Entry("a text", _text, "what the card says: an SPDX id, or other", "other"),
    "attribution": Entry("a list of texts", _texts, "whom the card names", ()),
}
"""cameras.json."""

FRAME_KEYS: dict[str, Entry] = {
    "image": Entry("a file name or null", _or_null(_text), "8-bit RGB, PNG or JPEG, upright", None),
    "video_frame": Entry(
        "a whole number or null", _or_null(_whole), "number of the frame in `video`, instead of `image`", None
    ),
    "time_s": Entry("a number or null", _or_null(_number), "seconds; may be left out with `video_frame`", None),
    "pose": Entry(
        "4 x 4 numbers or null",
        _or_null(_array(4, 4)),
        "null, or not finite, where tracking was lost: the frame is dropped",
    ),
    "intrinsics": Entry(
        "3 x 3 numbers or null", _or_null(_array(3, 3)), "of a camera that refocuses; else those of the file", None
    ),
    "depth": Entry(
        "a file name or null", _or_null(_text), "16-bit PNG along the optical axis (not the ray); 0 = unknown", None
    ),
    "instances": Entry(
        "a file name or null", _or_null(_text), "8- or 16-bit grey PNG of object ids; 0 = background", None
    ),
}
"""An entry of `frames`. Depth and instance maps show what the image shows; they may have another size of its shape."""

BOX_KEYS: dict[str, Entry] = {
    "version": _VERSION,
    "objects": Entry("a list", is_list, "one object an instance"),
    "rooms": Entry("a list", is_list, "floor outlines, for sizes of rooms and routes", ()),
    "floor_area_m2": Entry("a number above 0 or null", _or_null(_positive), "where the recording states it", None),
}
"""boxes.json."""

OBJECT_KEYS: dict[str, Entry] = {
    "id": Entry("a whole number", typed(int, least=1), "1 to 65535, its value in instance maps"),
    "label": Entry(
        "a text or null", _or_null(_text), "category as questions name it; null: structure, never asked about"
    ),
    "center": Entry("3 numbers", _array(3), "in the world; left out with `size`: fitted to masks and depth", None),
    "size": Entry("3 numbers", _array(3), "full extents along the box's axes", None),
    "rotation": Entry(
        "3 x 3 numbers", _array(3, 3), "columns are the box's axes in the world; left out: the world's own", None
    ),
}
"""An entry of `objects`."""

ROOM_KEYS: dict[str, Entry] = {
    "name": Entry("a text", _text, "of the room"),
    "floor": Entry("3 numbers each", _array(None, 3), "corners of the floor in the world, in order, either way round"),
    "height": Entry("a number above 0", _positive, "from floor to ceiling"),
}
"""An entry of `rooms`."""

CONVERTED_KEYS: dict[str, Entry] = {
    "from": Entry("a text", _text, "the reader: scannet, scannetpp, arkitscenes or scenezoo"),
    "every": Entry("a whole number", typed(int, least=1), "of how many frames one was taken"),
    "camera": Entry("a text or null", _or_null(_text), "which of the data set's cameras", None),
    "dataset": Entry("a text or null", _or_null(_text), "scenezoo's name of the data set", None),
    "labels": Entry("an object or null", _or_null(typed(dict)), "class name -> category, over the package's own", None),
}
"""converted.json."""


def read_json(path: Path, where: str, keys: Mapping[str, Entry]) -> dict[str, Any]:
    """Return what a JSON file holds, checked; `where` names it in messages."""
    if not path.is_file():
        raise ValueError(f"{where} is not there; a recorded scene has {CAMERAS} and {BOXES} (docs/your-own-scans.md)")
    try:
        told = json.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{where} is no JSON ({error}); write it again") from error
    # Before the keys: those of another version may be others
    version = told.get("version") if isinstance(told, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise ValueError(
            f"{where} has version {version}, this ocr-hf reads {VERSION}; upgrade it with pip install -U ocr-hf"
        )
    return read_object(told, where, keys)


def read_object(value: Any, where: str, keys: Mapping[str, Entry]) -> dict[str, Any]:
    """Return an object's values with the defaults of those left out.

    Raises ValueError, in one sentence, for a key that is missing or isn't known, and for a value that isn't as told.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {_short(value)}; give an object with {', '.join(keys)}")
    for name in value:
        if name not in keys:
            raise ValueError(f"{where}: {unknown_choice('a key', name, keys)}")
    found = {}
    for name, entry in keys.items():
        if name not in value:
            if entry.is_required:
                raise ValueError(f"{where} has no '{name}'; give {entry.what}: {entry.meaning}")
            found[name] = entry.default
            continue
        try:
            found[name] = entry.read(value[name])
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise ValueError(f"{where}: {name} is {_short(value[name])}; give {entry.what}") from error
    return found


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
