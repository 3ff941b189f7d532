"""Source `scans`: the clips that recipes name, cut from the user's own copy of the scans."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import ocr_hf
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import ClipPlan, ScenePlan
from ocr_hf.data.convert_scan import convert_scan
from ocr_hf.data.footage import Footage
from ocr_hf.data.own_sources import Recorded
from ocr_hf.data.recording import Recording
from ocr_hf.data.scan_recipes import (
    ClipRecipe,
    ScanRecipes,
    pictures_digest,
    questions_digest,
    read_recipes,
    video_digests,
)
from ocr_hf.data.schema import MAX_QUESTIONS, RECIPES
from ocr_hf.data.sources import SCENE_SOURCES
from ocr_hf.questions.exclude import why_excluded
from ocr_hf.scenes.recorded.arkitscenes import find_metadata
from ocr_hf.scenes.recorded.intake_format import CAMERAS
from ocr_hf.scenes.recorded.read_recorded import RecordedFolder, read_recorded

DEPTH = 4
"""How deep below `root` a scan's folder may lie: of several data sets one is arkitscenes/3dod/Training/40753679."""
LEFT_OUT = "the recipes leave it out"


class Scans(Recorded):
    """Scenes that recipes name, each converted when it is its turn, cut as they say, and compared with their digests.

    One converted scan a worker is on the disk at a time, in the system's folder for temporary files.
    """

    name = "scans"
    help = "what recipes of scans name, cut from the user's copy of the scans; `ocr-hf join` uses it"
    settings = ("root", "recipes")

    def check(self, config: BuildConfig) -> None:
        if not (config.root and config.recipes):
            raise ValueError("source scans needs recipes and the scans; use `ocr-hf join RECIPES --root SCANS`")
        if not Path(config.root).is_dir():
            raise ValueError(f"root is {config.root}, which is no folder; give the one with your copy of the scans")
        self.check_cut(config)
        told = _recipes(config).config
        told["source_options"] = {**self.default_options, **(told["source_options"] or {})}
        for name, value in told.items():
            found = getattr(config, name)
            if found != value:
                raise ValueError(f"{name} is {found}, the recipes have {value}; use `ocr-hf join`, which takes theirs")

    def num_scenes(self, config: BuildConfig) -> int:
        return _recipes(config).num_scenes

    def scene_name(self, config: BuildConfig, index: int, seed: int) -> str:
        return _recipes(config).scene_names.get(index, f"left_out_{index:05d}")

    def inputs(self, config: BuildConfig) -> Sequence[str]:
        # What they say, and not where they lie: fetched again they are the same
        return tuple(str(path) for path in recipe_files(Path(config.recipes)))

    def why_excluded(self, config: BuildConfig, plan: ScenePlan) -> str | None:
        return why_excluded(plan.name)

    def footage(self, config: BuildConfig, plan: ScenePlan) -> Footage:
        recipes = _recipes(config)
        recipe = next((clip for clip in recipes.clips.values() if clip.scene_name == plan.name), None)
        if recipe is None:
            raise ValueError(LEFT_OUT)
        folder, scratch = _recorded(config, recipe)
        if reason := why_excluded(folder.scan or ""):
            _remove(scratch)
            raise ValueError(f"not for training: {reason}")
        options = self.options(config)
        found = RecipeFootage(recipes, folder, options["margin_m"], options["outlines"], options["keep_blurred"])
        if scratch is not None:
            weakref.finalize(found, shutil.rmtree, scratch, ignore_errors=True)
        return found

    def check_clip(
        self, config: BuildConfig, clip: ClipPlan, rows: list[dict[str, Any]], folder: Path
    ) -> tuple[list[dict[str, Any]], list[str]]:
        recipes = _recipes(config)
        recipe = recipes.clips[clip.id]
        kept = [row for row in rows if row["id"] % MAX_QUESTIONS in recipe.question_numbers]
        if not kept or questions_digest(kept) != recipe.questions_sha256:
            raise ValueError(f"{clip.id}: its questions aren't the recipe's; your annotation {_of_another(recipes)}")
        vanilla, noisy = video_digests(kept, folder)
        if vanilla != recipe.vanilla_sha256:
            # Of the same pictures: that much was compared before
            return kept, [f"its videos are of the recipe's pictures in other bytes ({_other_libraries(recipes)})"]
        if noisy != recipe.noisy_sha256:
            raise ValueError(f"{clip.id}: its noise isn't the recipe's; your depth or masks {_of_another(recipes)}")
        return kept, []


class RecipeFootage(Footage):
    """A scan of which recipes say what is cut from it."""

    def __init__(self, recipes: ScanRecipes, *args: Any) -> None:
        super().__init__(*args)
        self._recipes = recipes

    def record(self, config: BuildConfig, clip: ClipPlan) -> tuple[Recording, dict[str, Any]]:
        """Return a clip as `Footage.record` does; raise ValueError, too, where it isn't the recipe's."""
        recipe = self._recipes.clips.get(clip.id)
        if recipe is None:
            raise ValueError(LEFT_OUT)
        recording, facts = super().record(config, clip)
        for name, value in (
            ("frame_numbers", list(recipe.frame_numbers)),
            ("pictures_sha256", recipe.pictures_sha256),
        ):
            if facts[name] != value:
                raise ValueError(f"{clip.id}: its pictures aren't the recipe's; your copy may be of another version")
        return recording, facts


def recipe_files(folder: Path) -> list[Path]:
    """Return the files of a folder of recipes that say what is made."""
    return [folder / RECIPES, *sorted(folder.glob("*.jsonl"))]


def scan_folders(root: str | os.PathLike, names: frozenset[str]) -> dict[str, list[Path]]:
    """Return where the scans of these names lie: folders named so, up to `DEPTH` below, the nearest first.

    root : the user's copy, of one data set or of several
    """
    found: dict[str, list[Path]] = {}
    level = [Path(root).resolve()]
    for depth in range(DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            if folder.name in names:
                found.setdefault(folder.name, []).append(folder)
            elif depth < DEPTH:
                below += _folders_in(folder)
        level = below
    return found


def _folders_in(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except PermissionError:  # somebody else's
        names = []
    yield from (folder / name for name in names)


def copy_state(root: str | os.PathLike, recipes: ScanRecipes) -> str:
    """Return a name for what a copy has of the recipes' scans: another once a file is added or has another length.

    No file is opened: half a million take seconds. Hidden files don't count.
    """
    names = frozenset(recipes.scene_names.values())
    found = scan_folders(root, names)
    folders = [folder for name in sorted(found) for folder in found[name]]
    # Not every data set that scenezoo reads has a folder for each scan
    folders += sorted(
        {
            _whole_set(Path(root), clip.converted).resolve()
            for clip in recipes.clips.values()
            if clip.converted and clip.converted["from"] == "scenezoo" and clip.scene_name not in found
        }
    )
    digest = hashlib.sha256()
    for folder in folders:
        digest.update(f"{folder}\0".encode("utf-8", "surrogateescape"))
        # ARKitScenes has what belongs to a scan above its folder
        if (metadata := find_metadata(folder)) is not None:
            digest.update(f"{metadata} {metadata.stat().st_size}\0".encode("utf-8", "surrogateescape"))
        for name, size in _files_below(folder):
            digest.update(f"{name} {size}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _files_below(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield path and bytes of every file below a folder, in one order on every machine; links are followed."""
    waiting, seen = [str(folder)], set()
    while waiting:
        place = waiting.pop()
        try:
            state = os.stat(place)
            # A link may lead back up
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            with os.scandir(place) as entries:
                items = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)
        except OSError:  # somebody else's, or gone since
            continue
        for entry in items:
            if entry.is_dir():
                waiting.append(entry.path)
                continue
            try:
                yield entry.path, entry.stat().st_size
            except OSError:  # a link that leads nowhere, as yet
                yield entry.path, -1


_found = lru_cache(maxsize=4)(scan_folders)
"""For the workers of one build: thousands of scans are looked for once."""


def forget_scans() -> None:
    """Look for the scans anew: some may have been added since."""
    _found.cache_clear()


@lru_cache(maxsize=4)
def _read(folder: Path, changed: int) -> ScanRecipes:
    return read_recipes(folder)


def _recipes(config: BuildConfig) -> ScanRecipes:
    path = Path(config.recipes) / RECIPES
    return _read(Path(config.recipes), path.stat().st_mtime_ns if path.is_file() else 0)


def _recorded(config: BuildConfig, recipe: ClipRecipe) -> tuple[RecordedFolder, str | None]:
    """Return a scan as a recorded scene, and the folder to remove where it was converted for that.

    Of several folders of its name it is the first that has the recipe's pictures: ARKitScenes has one in 3dod and one
    in raw, with other frames, and what the user converted may lie beside them.
    """
    name, converted = recipe.scene_name, recipe.converted
    found = _found(config.root, frozenset(_recipes(config).scene_names.values())).get(name, [])
    ways = [(folder, None) for folder in found if (folder / CAMERAS).is_file()]
    if converted is not None:
        root = Path(config.root)
        if converted["from"] == "scenezoo":
            # Its readers take the folder of the whole data set
            found = [_whole_set(root, converted)]
        ways += [(folder, converted) for folder in found if not (folder / CAMERAS).is_file()]
    if not ways:
        told = f" with {CAMERAS}; write it as the builder did" if converted is None else ""
        raise ValueError(f"your copy has no folder {name}{told}")
    refusals = []
    for folder, way in ways:
        scratch = None if way is None else tempfile.mkdtemp(prefix="ocr-hf-scan-")
        try:
            opened = read_recorded(folder if scratch is None else _convert(folder, name, way, scratch))
            if len(ways) == 1 or _shows(opened, recipe):
                return opened, scratch
            refusals.append(ValueError(f"none of your {len(ways)} folders {name} has the recipe's pictures"))
        except ValueError as error:
            refusals.append(error)
        except BaseException:
            _remove(scratch)
            raise
        _remove(scratch)
    raise refusals[0]


def _whole_set(root: Path, converted: Mapping[str, Any]) -> Path:
    """Return the folder of a whole data set that scenezoo reads."""
    folder = root / str(converted["dataset"])
    return folder if folder.is_dir() else root


def _convert(folder: Path, name: str, converted: Mapping[str, Any], out: str) -> Path:
    """Write a scan as the builder did; return its folder."""
    options = {key: converted[key] for key in ("every", "labels", "dataset")}
    if converted["from"] != "scannet":
        options["camera"] = converted["camera"]
    if converted["from"] == "scenezoo":
        options["scan"] = name
    return convert_scan(converted["from"], folder, out, **options).folder


def _shows(folder: RecordedFolder, recipe: ClipRecipe) -> bool:
    """Return whether a recorded scene has the pictures of a clip."""
    chosen = np.flatnonzero(np.isin(folder.numbers, recipe.frame_numbers))
    return len(chosen) == len(recipe.frame_numbers) and pictures_digest(folder.images(chosen)) == recipe.pictures_sha256


def _remove(scratch: str | None) -> None:
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)


def _of_another(recipes: ScanRecipes) -> str:
    """Return the reason why something that a scan determines differs from the recipes."""
    theirs = recipes.told["ocr_hf"]
    other = "" if theirs == ocr_hf.__version__ else f", or ocr-hf {theirs} did it otherwise than {ocr_hf.__version__}"
    return f"may be of another version{other}"


def _other_libraries(recipes: ScanRecipes) -> str:
    """Return which libraries are of another version here than where the recipes' videos were made."""
    differing = []
    for name, theirs in recipes.told["libraries"].items():
        try:
            ours = version(name)
        except PackageNotFoundError:
            ours = "none"
        if ours != theirs:
            differing.append(f"{name} {ours}, the recipe's {theirs}")
    return "; ".join(differing) or "encoded by another build of the same libraries"


SCENE_SOURCES.register(Scans())
