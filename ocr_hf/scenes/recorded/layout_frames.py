"""What every reader of a camera layout is told, what it finds, and what several of them need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_hf.scenes.cameras.trajectory import natural_key

PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class Given:
    """What the user says of a folder; None for what is in its files, or for the layout's own."""

    intrinsics: np.ndarray | None
    depth_unit_m: float | None
    fps: float | None


@dataclass(frozen=True, eq=False)
class Frames:
    """What a layout's function finds: T frames with a pose, in order of time.

    images, depth : T paths, None for a frame without depth
    poses : (T, 4, 4) camera to world, OpenCV axes
    times_s : (T,)
    intrinsics : (3, 3), or (T, 3, 3) of a camera that refocuses, for pictures of `size`
    size : (width, height), None where the files don't say it
    depth_unit_m : metres of one step of the depth maps
    dropped : reason -> number of frames left out
    """

    images: Sequence[Path]
    poses: np.ndarray
    times_s: np.ndarray
    intrinsics: np.ndarray
    size: tuple[int, int] | None
    depth: Sequence[Path | None]
    depth_unit_m: float
    dropped: Mapping[str, int]


def counted(numbers_of: Iterable[int], given: Given, where: str) -> np.ndarray:
    """Return times of frames by their numbers, seconds."""
    if given.fps is None:
        raise ValueError(f"{where} has no times; give fps, the pictures a second")
    return np.array(list(numbers_of), dtype=np.float64) / given.fps


def pictures(folder: Path, ends: tuple[str, ...] = PICTURES) -> list[Path]:
    """Return a folder's pictures, those below it too, in natural order of their names."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in ends and path.is_file()]
    return sorted(found, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def depth_map(path: Path, where: str) -> Path:
    """Return the path of a depth map; raise ValueError for one of a kind that the intake doesn't read."""
    if path.suffix.lower() != ".png":
        raise ValueError(f"{where}: depth map '{path.name}' is no PNG; write 16-bit PNGs, millimetres")
    return path
