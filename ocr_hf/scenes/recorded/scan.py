"""A scan of a data set, as its reader hands it on: what is annotated, and frames that are read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ocr_hf.scenes.scene import SceneObject

Frames = Callable[[Sequence[int]], Iterator[np.ndarray | None]]
"""Frame numbers, ascending -> a picture or map of each, one in memory at a time; None for a frame without."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan in metres, +Z up, OpenCV cameras.

    name : the scan's in its data set
    objects : what is annotated, with boxes
    structure_ids : in instance maps, of walls and the like, and of what can't be asked about
    poses : (N, 4, 4) float64, camera to world; not finite where tracking was lost
    times_s : (N,) float64, ascending
    intrinsics : (3, 3), or (N, 3, 3) of a camera that refocuses, pixels of the pictures
    pixel_centres : "half" or "integer"
    pictures : (H, W, 3) uint8
    depth : (h, w) metres, or None where the scan has none
    instances : (h, w) ids, or None where the scan has none
    depth_unit_m : metres of one step in which depth is stored
    notes : what the user should know of it
    camera : which of the data set's cameras it was, None where it has one only
    """

    name: str
    objects: tuple[SceneObject, ...]
    structure_ids: tuple[int, ...]
    poses: np.ndarray
    times_s: np.ndarray
    intrinsics: np.ndarray
    pixel_centres: str
    pictures: Frames
    depth: Frames | None
    instances: Frames | None
    depth_unit_m: float = 0.001
    notes: tuple[str, ...] = ()
    camera: str | None = None


@dataclass(frozen=True, eq=False)
class Filmed:
    """What one camera of a scan recorded.

    poses, times_s, intrinsics, pictures, depth, notes : as of `Scan`
    width, height : of the pictures
    """

    poses: np.ndarray
    times_s: np.ndarray
    intrinsics: np.ndarray
    width: int
    height: int
    pictures: Frames
    depth: Frames | None
    notes: tuple[str, ...] = ()
