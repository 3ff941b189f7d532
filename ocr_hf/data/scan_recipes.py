"""Recipes of scans: what whoever has the scans needs to make the clips of a build again, and nothing of the scans.

    RECIPES/README.md           card
    RECIPES/scan_recipes.json   options of the build, library versions, licences, counts; `RECIPES_KEYS`
    RECIPES/train.jsonl         a line for each clip of a split; `CLIP_KEYS`

Scans whose terms allow no redistribution can be published in this way only. A recipe holds what the builder chose
(scan, frame numbers, seeds) and digests of what came of it, by which a copy of another version is noticed. What was
measured in a scan stays out: pixels, depth, poses, boxes and footprints, and the questions and answers that follow from
them; the reader's own build has them all again. Config `recipes` of ocr-vsi is another thing: it holds videos.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.build_config import MAX_SCENES, SPLITS
from ocr_hf.data.recorded_scene import check_scene_name
from ocr_hf.data.schema import MAX_QUESTIONS, RECIPES, FormatError, holds_recipes
from ocr_hf.scenes.recorded.intake_format import CONVERTED_KEYS, Entry, read_object, typed

VERSION = 1
"""Raised when a reader of the old format would misread the new one."""
MAX_TEXT = 2000
"""Letters of a text: longer ones could be pictures in disguise."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _digest(value: Any) -> str:
    if not _SHA256.fullmatch(value):
        raise ValueError
    return value


def _numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(typed(int, least=0), value))


def _converted(value: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    found = read_object(value, "converted", CONVERTED_KEYS)
    if found["dataset"] is not None:
        check_scene_name(found["dataset"])
    return found


def _digests(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_digest, value))


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(typed(str), value))


def _or_null(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _up_to(most: int) -> Entry:
    def read(value: Any) -> int:
        if typed(int, least=1)(value) > most:
            raise ValueError
        return value

    return Entry(f"a whole number, 1 to {most}", read, "as of the build")


_WHOLE = Entry("a whole number", typed(int, least=0), "as of the build")
_TEXT = Entry("a text", typed(str), "as of the build")
_SHARE = Entry("a number", typed(int, float), "as of the build")

OPTION_KEYS: dict[str, Entry] = {
    "scenes": _up_to(MAX_SCENES),
    "clips_per_scene": _up_to(100),
    **dict.fromkeys(("frames", "width", "height", "seed", "max_objects", "question_frames"), _WHOLE),
    **dict.fromkeys(("select", "mode", "split"), _TEXT),
    **dict.fromkeys(("validation", "test"), _SHARE),
    "strength": Entry("a number or null", _or_null(typed(int, float)), "as of the build", None),
    "question_types": Entry("a list of texts", _texts, "as of the build"),
    "questions_per_task": Entry("a whole number or null", _or_null(typed(int)), "as of the build", None),
    "source_options": Entry("an object or null", _or_null(typed(dict)), "as of the build", None),
}
"""Options of a build that recipes state: none names a file, so that those of a stranger open none here."""

RECIPES_KEYS: dict[str, Entry] = {
    "version": Entry(f"{VERSION}", typed(int, least=1), "of this format"),
    "ocr_hf": Entry("a text", typed(str), "version of the package that built the clips"),
    "libraries": Entry("an object", typed(dict), "versions of what made the bytes"),
    "config": Entry("an object", typed(dict), "options of the build"),
    "sources": Entry("a list", typed(list), "data set, licence, scenes and whom to name"),
    "splits": Entry("an object", typed(dict), "split -> scenes, clips, questions"),
}
"""scan_recipes.json."""

CLIP_KEYS: dict[str, Entry] = {
    "clip_id": Entry("a text", typed(str), "the clip; its scene's name and its number there"),
    "index": Entry("a whole number", typed(int, least=0), "number of the clip in the build; row ids follow from it"),
    "dataset": Entry("a text", typed(str), "where the scan comes from: scannet, ..."),
    "scene_name": Entry("a text", typed(str), "the scan's name there, and that of its folder"),
    "converted": Entry("an object or null", _converted, "options of `ocr-hf convert-scan`; null: recorded otherwise"),
    "frame_numbers": Entry("whole numbers", _numbers, "which frames of the converted scan the clip shows"),
    "question_numbers": Entry("whole numbers", _numbers, "which of the questions that can be asked were kept"),
    "pictures_sha256": Entry("a SHA-256", _digest, "of the pixels of these frames, whole and before they are resized"),
    "questions_sha256": Entry("a SHA-256", _digest, "of questions, options and answers"),
    "vanilla_sha256": Entry("a SHA-256", _digest, "of the vanilla video"),
    "noisy_sha256": Entry("SHA-256s", _digests, "of the noisy videos, in the order in which questions name them"),
}
"""A line of a split's file."""


@dataclass(frozen=True)
class ClipRecipe:
    """A line of a split's file, as `CLIP_KEYS` says, and its split."""

    split: str
    clip_id: str
    index: int
    dataset: str
    scene_name: str
    converted: Mapping[str, Any] | None
    frame_numbers: tuple[int, ...]
    question_numbers: tuple[int, ...]
    pictures_sha256: str
    questions_sha256: str
    vanilla_sha256: str
    noisy_sha256: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ScanRecipes:
    """A folder of recipes that was read and checked.

    told : what `scan_recipes.json` holds
    clips : by id, in the order of the build
    scene_names : by number of the scene in the build; those of scenes without a clip are missing
    """

    folder: Path
    told: Mapping[str, Any]
    clips: Mapping[str, ClipRecipe]
    scene_names: Mapping[int, str]

    @property
    def config(self) -> dict[str, Any]:
        """The build's options, without the number of scenes."""
        return {name: value for name, value in self.told["config"].items() if name != "scenes"}

    @property
    def num_scenes(self) -> int:
        """Scenes of the build, with those of which no clip was made: row ids count them."""
        return self.told["config"]["scenes"]


def pictures_digest(pictures: Iterable[np.ndarray]) -> str:
    """Return a SHA-256 of pictures, (H, W, 3) uint8 each."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(np.ascontiguousarray(picture))
    return digest.hexdigest()


def split_counts(clips: Iterable[tuple[str, Sequence[int]]]) -> dict[str, int]:
    """Return what `splits` states of a split.

    Args:
        clips: of each clip, the name of its scene and the numbers of its questions.
    """
    clips = list(clips)
    scenes = {scene for scene, _ in clips}
    return {"scenes": len(scenes), "clips": len(clips), "questions": sum(len(numbers) for _, numbers in clips)}


def questions_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a SHA-256 of the questions and answers of a clip's rows, in order."""
    names = ("question_type", "question", "options", "ground_truth")
    told = [[row["id"] % MAX_QUESTIONS, *(row[name] for name in names)] for row in rows]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()


def video_digests(rows: Sequence[Mapping[str, Any]], folder: Path) -> tuple[str, tuple[str, ...]]:
    """Return the SHA-256 of a clip's vanilla video, and of its noisy ones in the order in which its rows name them.

    rows : with the columns of metadata.parquet; folder : of the split
    """
    vanilla = rows[0]["vanilla_file_name"]
    # Rows without noise name the vanilla video
    noisy = dict.fromkeys(row["noisy_file_name"] for row in rows if row["noisy_file_name"] != vanilla)
    return _file_digest(folder / vanilla), tuple(_file_digest(folder / name) for name in noisy)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_recipes(folder: str | os.PathLike) -> ScanRecipes:
    """Read a folder of recipes, which may be a stranger's.

    Args:
        folder: with `scan_recipes.json` and a file for each split.

    Returns:
        The recipes.

    Raises:
        FormatError: there are none, they are of a newer format, or anything in them isn't as it should be: a key is
            missing or unknown, a scene has no name that a folder can have, clips don't follow from their scenes.
    """
    folder = Path(folder)
    if not holds_recipes(folder):
        raise FormatError(f"{folder} holds no {RECIPES}; give a folder or repository of recipes of scans")
    value = _json((folder / RECIPES).read_bytes(), RECIPES)
    version = value.get("version") if isinstance(value, dict) else None
    # Before the keys: those of another version may be others
    if isinstance(version, int) and version > VERSION:
        raise FormatError(
            f"{RECIPES} has version {version}, this ocr-hf reads up to {VERSION}; upgrade with `pip install -U ocr-hf`"
        )
    try:
        told = read_object(value, RECIPES, RECIPES_KEYS)
        told["config"] = read_object(told["config"], f"{RECIPES}, config", OPTION_KEYS)
        _check_texts(value, RECIPES)
        clips = [clip for split in _split_names(told) for clip in _read_split(folder, split)]
        scene_names = _scene_names(told["config"], clips)
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(f"{folder.name}/{error}") from error
    clips.sort(key=lambda clip: clip.index)
    return ScanRecipes(folder, told, {clip.clip_id: clip for clip in clips}, scene_names)


def _json(content: bytes, where: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is no JSON ({error}); fetch the recipes again") from error


def _split_names(told: Mapping[str, Any]) -> list[str]:
    unknown = [name for name in told["splits"] if name not in SPLITS]
    if unknown or not told["splits"]:
        raise ValueError(f"{RECIPES}: splits are {', '.join(told['splits'])}; they are some of {', '.join(SPLITS)}")
    return list(told["splits"])


def _read_split(folder: Path, split: str) -> Iterator[ClipRecipe]:
    path = folder / f"{split}.jsonl"
    if not path.is_file():
        raise ValueError(f"{RECIPES} names the split {split}, and {path.name} is not there; fetch the recipes again")
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        where = f"{path.name}, line {number}"
        value = _json(line, where)
        found = read_object(value, where, CLIP_KEYS)
        _check_texts(value, where)
        check_scene_name(found["scene_name"])
        if max(found["question_numbers"], default=MAX_QUESTIONS) >= MAX_QUESTIONS:
            raise ValueError(f"{where}: a clip has a question, and at most {MAX_QUESTIONS}")
        yield ClipRecipe(split, **found)


def _scene_names(config: Mapping[str, Any], clips: Sequence[ClipRecipe]) -> dict[int, str]:
    """Return the scenes' names by their numbers, after these and the clips' ids were compared with each other."""
    names: dict[int, str] = {}
    seen: set[int] = set()
    for clip in clips:
        scene, number = divmod(clip.index, config["clips_per_scene"])
        # Ids become file names and row ids: both follow from the scene's name and the clip's number
        if scene >= config["scenes"] or clip.clip_id != f"{clip.scene_name}_{number:02d}" or clip.index in seen:
            raise ValueError(f"{clip.split}.jsonl: {clip.clip_id} isn't clip {clip.index} of {clip.scene_name}")
        if names.setdefault(scene, clip.scene_name) != clip.scene_name:
            raise ValueError(f"{clip.split}.jsonl: scene {scene} is {names[scene]} and {clip.scene_name}")
        seen.add(clip.index)
    if len(set(names.values())) < len(names):
        raise ValueError("two scenes of the recipes have one name")
    return names


def _check_texts(value: Any, where: str) -> None:
    """Raise ValueError for a text that is too long to be one."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"{where} holds a text of {len(value):,} letters, at most {MAX_TEXT:,} are allowed")
    if isinstance(value, dict):
        for name, item in value.items():
            _check_texts(name, where)
            _check_texts(item, where)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item, where)
