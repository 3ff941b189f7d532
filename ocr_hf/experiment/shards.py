"""Rows of an experiment that are made once, in shards that survive a kill, by several processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets

from ocr_hf.data.atomic import replacing
from ocr_hf.data.workers import worker_pool

SHARD = 250
"""Rooms of a shard."""


def load_shards(
    folder: Path, count: int, make: Callable[[int, int, Path], list[dict[str, Any]]], processes: int = 2
) -> datasets.Dataset:
    """Return the rows of some rooms, made first where they aren't in the folder yet.

    Args:
        folder: where shards are written, each whole or not at all; a shorter part has other shards, so it needs another
            folder.
        count: of rooms.
        make: (first room, number of rooms, file of the shard) -> their rows; it is sent to other processes.
        processes: that make shards.
    """
    shards = _shards(folder, count)
    missing = [shard for shard in shards if not shard[-1].is_file()]
    folder.mkdir(parents=True, exist_ok=True)
    if missing:
        with worker_pool(min(processes, len(missing))) as pool:
            for done in as_completed([pool.submit(_write_shard, make, *shard) for shard in missing]):
                done.result()
    return datasets.Dataset.from_parquet([str(file) for *_, file in shards])


def load_first(
    load: Callable[[Any, Path, int], datasets.Dataset], part: Any, folder: Path, processes: int, count: int | None
) -> datasets.Dataset:
    """Return the rows of the first rooms of a part, from the whole part where that is made.

    Args:
        load: (part, folder, processes) -> the rows of a part.
        part: a dataclass with name and count; so few rooms are a part of another name, for they have other shards.
        folder: of all parts.
        processes: that make shards.
        count: of rooms; None = all.
    """
    if count is None or count >= part.count:
        return load(part, folder, processes)
    if is_made(folder / part.name, part.count):
        return load(part, folder, processes).select(range(count))
    return load(replace(part, name=f"{part.name}-first-{count}", count=count), folder, processes)


def is_made(folder: Path, count: int) -> bool:
    """Return whether all shards of so many rooms are in the folder."""
    return all(file.is_file() for *_, file in _shards(folder, count))


def _shards(folder: Path, count: int) -> list[tuple[int, int, Path]]:
    """Return first room, number of rooms and file of each shard."""
    return [(start, min(SHARD, count - start), folder / f"{start:05d}.parquet") for start in range(0, count, SHARD)]


def _write_shard(make: Callable[[int, int, Path], list[dict[str, Any]]], start: int, count: int, file: Path) -> None:
    rows = make(start, count, file)
    with replacing(file) as partial:
        datasets.Dataset.from_list(rows).to_parquet(str(partial))
