"""Clips as arrays, made once before training: pixels as the model takes them, and what 3D annotation says of each cell.

A cell is the part of a frame that one video token shows (28 x 28 pixels after resizing). Training only reads arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ocr_hf.data.atomic import replacing
from ocr_hf.data.video import read_frames
from ocr_hf.models.media import encode_video
from ocr_hf.perturb.rows import footprints_of
from recipes.ocr_vsi_tiny.dense_supervision import Geometry
from recipes.ocr_vsi_tiny.vocabulary import labels

if TYPE_CHECKING:
    from transformers import ProcessorMixin

MIN_COVERAGE = 0.06
"""Share of a cell that an object must cover to be labelled there."""
MERGE = 2
"""Patches down and across a cell."""
OBJECTS = 64
"""Most objects of one clip."""
CLIP_COLUMNS = ["clip_id", "fps", "objects", "camera_to_world", "footprints", "vanilla_file_name"]


@dataclass(frozen=True)
class ClipArrays:
    """N clips of T frames with P patches of D values and K cells each, and of at most O objects.

    patches : (N, T, P, D) uint8, in the processor's order, so that the patches of a cell are neighbours
    present : (N, T, K, C) bool, labels (vocabulary.py) of the objects in each cell
    center : (N, T, K, 3) float32, world position of the box of the object that covers most of the cell; NaN = none
    longest : (N, T, K) float32, metres, longest side of that box
    camera_to_world : (N, T, 4, 4) float32
    object_category : (N, O) int16, category of each object that the clip shows; -1 = no more objects
    object_center : (N, O, 3) float32, world position of its box
    object_axes : (N, O, 3, 3) float32, half axes of its box as columns
    """

    patches: np.ndarray
    present: np.ndarray
    center: np.ndarray
    longest: np.ndarray
    camera_to_world: np.ndarray
    object_category: np.ndarray
    object_center: np.ndarray
    object_axes: np.ndarray

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, places: Any) -> ClipArrays:
        """Return some of the clips."""
        return ClipArrays(**{item.name: getattr(self, item.name)[places] for item in fields(self)})

    def geometry(self) -> Geometry:
        """Return the annotation as tensors."""
        return Geometry(**{item.name: torch.from_numpy(getattr(self, item.name)) for item in fields(Geometry)})

    def at_frames(self, frames: np.ndarray) -> ClipArrays:
        """Return the clips with only some of their frames: (T,), the same of every clip, or (N, T)."""
        chosen = np.broadcast_to(frames, (len(self), np.shape(frames)[-1]))
        rows = np.arange(len(self))[:, None]
        return replace(self, **{name: getattr(self, name)[rows, chosen] for name in PER_FRAME})

    def mirrored(self, columns: int) -> ClipArrays:
        """Return the clips seen in a mirror: left is right; the world's first axis is reversed.

        columns : patches across a frame
        """
        sign = np.array([-1.0, 1.0, 1.0], dtype=np.float32)
        poses = self.camera_to_world.copy()
        poses[..., :3, 3] *= sign
        # World and camera are mirrored both, so the pose stays a rotation
        poses[..., :3, :3] *= sign[:, None] * sign
        count, frames, cells = self.longest.shape
        across = columns // MERGE
        # Patches of a cell stand together: (rows of cells, cells across, 2, 2), each (3, side, side)
        side = math.isqrt(self.patches.shape[-1] // 3)
        pixels = self.patches.reshape(count, frames, -1, across, MERGE, MERGE, 3, side, side)

        def flipped(values: np.ndarray) -> np.ndarray:
            grid = values.reshape(count, frames, cells // across, across, *values.shape[3:])
            return np.flip(grid, 3).reshape(values.shape)

        return replace(
            self,
            # Cells across a frame, patches across a cell, pixels across a patch
            patches=np.flip(pixels, (3, 5, 8)).reshape(self.patches.shape),
            present=flipped(self.present),
            center=flipped(self.center) * sign,
            longest=flipped(self.longest),
            camera_to_world=poses,
            object_center=self.object_center * sign,
            object_axes=self.object_axes * sign[:, None],
        )

    @classmethod
    def join(cls, parts: Sequence[ClipArrays]) -> ClipArrays:
        """Return the clips of all parts, one after the other."""
        return cls(**{item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)})

    def save(self, file: Path) -> None:
        """Write everything to one .npz file, at once or not at all."""
        with replacing(file) as temporary, temporary.open("wb") as opened:
            np.savez(opened, **{item.name: getattr(self, item.name) for item in fields(self)})

    @classmethod
    def load(cls, file: Path) -> ClipArrays:
        """Read what `save` wrote."""
        with np.load(file) as arrays:
            return cls(**{item.name: arrays[item.name] for item in fields(cls)})


PER_FRAME = ("patches", "present", "center", "longest", "camera_to_world")


def read_clips(folder: Path, split: str, processor: ProcessorMixin) -> tuple[ClipArrays, list[str]]:
    """Return the clips of an ocr-vsi folder as arrays, and their ids."""
    arrays: dict[str, list[np.ndarray]] = {item.name: [] for item in fields(ClipArrays)}
    names = []
    for row in clip_rows(folder / split):
        frames, _ = read_frames(folder / split / row["vanilla_file_name"])
        for name, value in _clip_arrays(row, frames, processor).items():
            arrays[name].append(value)
        names.append(row["clip_id"])
    return ClipArrays(**{name: np.stack(values) for name, values in arrays.items()}), names


def clip_rows(split: Path) -> Iterator[Mapping[str, Any]]:
    """Yield one row per clip of a split, without its question."""
    import pyarrow.parquet as pq

    seen = set()
    file = pq.ParquetFile(split / "metadata.parquet")
    for group in range(file.num_row_groups):
        # Geometry stands in every row of a clip; only first rows are turned into Python values
        ids = file.read_row_group(group, columns=["clip_id"])["clip_id"].to_pylist()
        first = [number for number, name in enumerate(ids) if name not in seen and not seen.add(name)]
        if first:
            yield from file.read_row_group(group, columns=CLIP_COLUMNS).take(first).to_pylist()


def _clip_arrays(row: Mapping[str, Any], frames: np.ndarray, processor: ProcessorMixin) -> dict[str, np.ndarray]:
    video = encode_video(processor, frames, fps=row["fps"])
    grid = video.video_grid_thw[0].tolist()
    merge = processor.video_processor.merge_size
    rows, columns = grid[1] // merge, grid[2] // merge
    present = np.zeros((len(frames), rows * columns, len(labels())), dtype=bool)
    best = np.full((len(frames), rows * columns), MIN_COVERAGE, dtype=np.float32)
    center = np.full((*best.shape, 3), np.nan, dtype=np.float32)
    longest = np.full(best.shape, np.nan, dtype=np.float32)
    index = {name: number for number, name in enumerate(labels())}
    footprints = footprints_of(row)
    visible = [item for item in row["objects"] if item["id"] in footprints.codes and item["label"] in index]
    if len(visible) > OBJECTS:
        raise ValueError(
            f"clip '{row['clip_id']}' shows {len(visible)} objects, more than {OBJECTS}; use smaller scenes"
        )
    for item in visible:
        share = _cell_shares(footprints.region([item["id"]]), rows, columns)
        present[..., index[item["label"]]] |= share >= MIN_COVERAGE
        nearer = share > best
        best[nearer] = share[nearer]
        center[nearer] = item["center"]
        longest[nearer] = max(item["size"])
    return {
        "patches": _as_bytes(video.pixel_values_videos.numpy(), processor).reshape(grid[0], grid[1] * grid[2], -1),
        "present": present,
        "center": center,
        "longest": longest,
        "camera_to_world": np.asarray(row["camera_to_world"], dtype=np.float32),
        **_objects([index[item["label"]] for item in visible], visible),
    }


def _objects(categories: Sequence[int], items: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Return the object arrays of one clip, padded to OBJECTS."""
    category = np.full(OBJECTS, -1, dtype=np.int16)
    center = np.zeros((OBJECTS, 3), dtype=np.float32)
    axes = np.zeros((OBJECTS, 3, 3), dtype=np.float32)
    for number, (kind, item) in enumerate(zip(categories, items, strict=True)):
        category[number], center[number] = kind, item["center"]
        axes[number] = np.reshape(item["rotation"], (3, 3)) * np.asarray(item["size"]) / 2.0
    return {"object_category": category, "object_center": center, "object_axes": axes}


def _cell_shares(region: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return the (T, rows * columns) share of each cell that a region (T, H, W) covers."""
    down = np.linspace(0, region.shape[1], rows + 1).astype(int)[:-1]
    right = np.linspace(0, region.shape[2], columns + 1).astype(int)[:-1]
    # reduceat sums between edges, so frames needn't be multiples of the cells
    sums = np.add.reduceat(np.add.reduceat(region.astype(np.float32), down, axis=1), right, axis=2)
    return (sums * (rows * columns / (region.shape[1] * region.shape[2]))).reshape(len(region), -1)


def pixel_scale(processor: ProcessorMixin) -> tuple[np.ndarray, np.ndarray]:
    """Return (mean, deviation), (D,) float32 each: patches as bytes are (value * deviation + mean) * 255."""
    video = processor.video_processor
    repeat = video.temporal_patch_size * video.patch_size**2
    mean, deviation = (np.repeat(np.float32(values), repeat) for values in (video.image_mean, video.image_std))
    return mean, deviation


def _as_bytes(pixels: np.ndarray, processor: ProcessorMixin) -> np.ndarray:
    """Return normalised patches (N, D) as the bytes (N, D) that they were: a quarter of the memory, and exact."""
    mean, deviation = pixel_scale(processor)
    return np.rint((pixels * deviation + mean) * 255.0).clip(0, 255).astype(np.uint8)
