"""Checks of an ocr-vsi folder before it is published: complete, in this format, and free to publish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ocr_hf.data.load import scenes as scenes_of
from ocr_hf.data.schema import CONFIGS, MANIFEST, RECIPES, FormatError, read_manifest, stored_features
from ocr_hf.data.statistics import sources_of
from ocr_hf.hub.check_recipes import check_recipes
from ocr_hf.hub.hub_errors import first_of
from ocr_hf.hub.licences import restriction
from ocr_hf.hub.repo_files import LocalFile

VIDEO_SUFFIXES = (".mp4", ".webm", ".mkv", ".avi", ".mov")
_TOLD_BY = {"pairs": "noisy_file_name", "twins": "edited_file_name"}
_SPLITS = ("train", "validation", "test")


def check_dataset(folder: Path, files: Iterable[LocalFile], metadata: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each thing wrong with a data set folder.

    metadata : the card's YAML block
    """
    files = tuple(files)
    paths = {file.path for file in files}
    if RECIPES in paths:
        yield from check_recipes(folder, files)
        return
    try:
        manifest = read_manifest(folder)
    except FormatError as error:
        yield str(error)
        return
    yield from _check_configs(paths, metadata)
    yield from _check_sources(folder, manifest)
    tables = [file for file in files if file.path.endswith(".parquet")]
    if not tables:
        yield f"{folder} holds no metadata (*.parquet); give a finished folder written by `ocr-hf build`"
    scenes: dict[str, set[str]] = {}
    for file in tables:
        yield from _check_table(file, paths, scenes)
    for scene, splits in sorted(scenes.items()):
        if len(splits) > 1:
            yield f"scene {scene} is in the splits {' and '.join(sorted(splits))}; a scene belongs to one"
    empty = [file.path for file in files if file.path.lower().endswith(VIDEO_SUFFIXES) and file.size == 0]
    if empty:
        yield f"{first_of(empty)} are empty; build them again"


def _check_configs(paths: set[str], metadata: dict[str, Any]) -> Iterator[str]:
    named = {config.get("config_name") for config in metadata.get("configs") or [] if isinstance(config, dict)}
    if metadata.get("configs") and not named & set(CONFIGS):
        yield f"README.md: configs names {', '.join(map(str, named))}; the data set's are {', '.join(CONFIGS)}"


def _check_sources(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence unless the manifest, from which the card is, names the scenes' own licences and authors."""
    try:
        found = sources_of(list(scenes_of(folder).values()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"scenes.jsonl, which has each scene's licence, can't be read ({error!r}); build the data set again"
        return
    stated = manifest.get("statistics", {}).get("sources")
    if found != stated:
        differing = next((item for item in found if item not in (stated or [])), found[0] if found else {})
        yield (
            f"{MANIFEST}: the licences and authors aren't those of scenes.jsonl, as {differing.get('licence')} for "
            f"{differing.get('dataset')}; build the data set again"
        )


def _check_table(file: LocalFile, paths: set[str], scenes: dict[str, set[str]]) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(file.source)
    except (pa.ArrowException, OSError) as error:
        yield f"{file.path} can't be read ({str(error).splitlines()[0]}); build the data set again"
        return
    config = next((name for name, column in _TOLD_BY.items() if column in schema.names), "recipes")
    wanted = stored_features(config, "altered_file_names" in schema.names).arrow_schema
    for field in wanted:
        if field.name not in schema.names:
            yield f"{file.path} lacks the column {field.name}; build the data set again"
            return
        if schema.field(field.name).type != field.type:
            found = schema.field(field.name).type
            yield f"{file.path}: the column {field.name} is {found}, it must be {field.type}; build it again"
            return
    files = [name for name in wanted.names if name.endswith(("_file_name", "_file_names"))]
    columns = ["dataset", "scene_name", *files]
    # partitioning=None: pyarrow would take a folder named `a=b` for a column.
    rows = pq.read_table(file.source, columns=columns, partitioning=None).to_pydict()
    split = next((part for part in file.path.split("/") if part in _SPLITS), "")
    for scene in set(rows["scene_name"]):
        scenes.setdefault(scene, set()).add(split)
    yield from _check_licences(file, rows["dataset"], rows["scene_name"])
    yield from _check_videos(file, paths, {name: _flat(rows[name]) for name in files})


def _flat(names: list[Any]) -> list[str | None]:
    """Return the names of a column that holds one or a list of them."""
    return [name for item in names for name in (item if isinstance(item, list) else [item])]


def _check_licences(file: LocalFile, sources: list[str], scenes: list[str]) -> Iterator[str]:
    for source, scene in sorted(set(zip(sources, scenes, strict=True))):
        if reason := restriction(source, scene):
            yield (
                f"{file.path} names frames of {source} ({scene}): {reason}; push with --recipes-only, which sends how "
                "clips are made of the user's own copy, or publish a producer script, as in dataset_scripts/"
            )
            return  # one is enough to refuse


def _check_videos(file: LocalFile, paths: set[str], columns: dict[str, list[str | None]]) -> Iterator[str]:
    folder = file.path.rpartition("/")[0]
    for column, names in columns.items():
        wanted = {name for name in names if name}
        missing = sorted(name for name in wanted if _joined(folder, name) not in paths)
        if missing:
            yield f"{file.path}: {column} names {first_of(missing)} not in the folder; build the data set again"


def _joined(folder: str, name: str) -> str:
    """`folder/name` with `..` resolved; a name that leads out of the repository matches no file."""
    parts: list[str] = []
    for part in (f"{folder}/{name}" if folder else name).split("/"):
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
