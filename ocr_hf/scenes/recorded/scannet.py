"""ScanNet v2: a scan's folder, as it is downloaded, read for the folder of a recorded scene.

    <scan>.txt                                  axisAlignment, by which the room's walls lie along the axes
    <scan>_vh_clean_2.ply                       the mesh, whose vertices ...
    <scan>_vh_clean_2.0.010000.segs.json        ... lie in segments, of which ...
    <scan>.aggregation.json                     ... objects are made
    <scan>.sens, or color/ depth/ pose/ intrinsic/   the frames
    <scan>_2d-instance-filt.zip                 instance maps, value = objectId + 1; may be missing: cast from the mesh

A box is that of an object's vertices along the axes of the aligned scan, as VoteNet's.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ocr_hf.archives import ZipArchive
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import check_poses
from ocr_hf.scenes.categories import Categories
from ocr_hf.scenes.label_table import LabelTable
from ocr_hf.scenes.recorded.exported_frames import FRAMES_PER_SECOND, ExportedFrames, read_exported
from ocr_hf.scenes.recorded.frame_files import read_ids
from ocr_hf.scenes.recorded.mesh_maps import MappedFrames
from ocr_hf.scenes.recorded.segmented_mesh import NEW_COPY, needed, read_segmented
from ocr_hf.scenes.recorded.sens_file import SensFile, read_sens
from ocr_hf.scenes.scene import SceneObject

_SCAN = re.compile(r"scene\d{4}_\d{2}")
_LARGEST_MAP = 1 << 28
"""Bytes of a picture in a zip."""


@dataclass(frozen=True, eq=False)
class ScanNetScan:
    """A scan of ScanNet, in metres, aligned, +Z up, OpenCV cameras; pictures and maps are read when asked for.

    name : the scan's, "scene0001_00"
    objects : boxes by the scan's annotation, id = objectId + 1
    structure_ids : of walls and the like, and of what can't be asked about
    poses : (N, 4, 4) float64, camera to world; not finite where tracking was lost
    times_s : (N,) float64, ascending
    intrinsics : (3, 3), pixels of the pictures, the first one's centre at 0
    notes : what the user should know of it
    instance_maps, mesh_maps : the zip of them, or what casts them where it is missing; neither, where the mesh has no
        faces either
    """

    name: str
    objects: tuple[SceneObject, ...]
    structure_ids: tuple[int, ...]
    poses: np.ndarray
    times_s: np.ndarray
    intrinsics: np.ndarray
    notes: tuple[str, ...]
    frames: SensFile | ExportedFrames
    instance_maps: Path | None
    mesh_maps: MappedFrames | None

    def depth(self, index: int) -> np.ndarray:
        """Return depth (h, w) float32 metres, 0 = unknown, as the colour camera's pixels see it.

        The two cameras stand in one place and differ in their matrices by up to some pixels: each pixel looks up the
        nearest of the depth camera, none is averaged.
        """
        depth = self.frames.depth(index)
        to_rows, to_columns = (
            _lookup(self.frames.color_intrinsics, self.frames.depth_intrinsics, axis, color, of)
            for axis, color, of in zip((1, 0), self.frames.color_size[::-1], depth.shape, strict=True)
        )
        found = depth[np.maximum(to_rows, 0)][:, np.maximum(to_columns, 0)]
        return np.where((to_rows >= 0)[:, None] & (to_columns >= 0), found, np.float32(0.0))

    def maps(self, indices: np.ndarray) -> Iterator[np.ndarray | None]:
        """Yield the instance maps (H, W) uint16 of frames, None for one without.

        Raises ArchiveError, naming it, for a damaged zip, and for one with a member that leads outside.
        """
        if self.instance_maps is None:
            yield from (None for _ in indices) if self.mesh_maps is None else self.mesh_maps.instances(indices)
            return
        where = self.instance_maps.name
        with ZipArchive(self.instance_maps, _LARGEST_MAP, where) as archive:
            names = {PurePosixPath(name).stem: name for name in archive.names if name.endswith(".png")}
            for index in indices:
                name = names.get(str(self.frames.numbers[index]))
                yield None if name is None else read_ids(io.BytesIO(archive.read(name)), f"{where}, {name}")


def read_scannet(folder: Path | str, labels: LabelTable | None = None) -> ScanNetScan:
    """Read the folder of a scan.

    Args:
        folder: with the files that the module's docstring lists; it may have any name, the files tell the scan's.
        labels: table (JSON, YAML, CSV, TSV) that maps the scan's labels to categories; null for structure.

    Returns:
        The scan. Labels are mapped to the categories of questions ("couch" is "sofa").

    Raises:
        ValueError: in one sentence with the file's name: one is missing or damaged, is of another scan, has nothing
            annotated, or doesn't go with the others.
    """
    folder = Path(folder).resolve()
    name = scan_name(folder)
    alignment, notes = _alignment(needed(folder, f"{name}.txt"))
    annotated = read_segmented(
        folder,
        f"{name}_vh_clean_2.ply",
        f"{name}_vh_clean_2.0.010000.segs.json",
        f"{name}.aggregation.json",
        lambda told, file: _check_scan(told, file, name),
        alignment,
        Categories.load(labels),
        _box,
    )
    more = list(annotated.notes)
    sens = folder / f"{name}.sens"
    if sens.is_file():
        frames = read_sens(sens)
    elif (folder / "color").is_dir():
        frames = read_exported(folder)
    else:
        raise ValueError(
            f"{name} has neither {sens.name} nor color/; download the one, or export frames by ScanNet's SensReader"
        )
    with np.errstate(invalid="ignore"):
        poses = alignment @ frames.poses
    times = frames.times_s
    if isinstance(frames, ExportedFrames) or not (np.diff(times) > 0.0).all():
        told = "the export has no times" if isinstance(frames, ExportedFrames) else "its times don't ascend"
        more.append(f"{told}: frames are taken to be {FRAMES_PER_SECOND:g} a second")
        times = frames.numbers / FRAMES_PER_SECOND
    apart = np.linalg.inv(frames.depth_extrinsics) @ frames.color_extrinsics - np.eye(4) if _regular(frames) else None
    if apart is None or np.abs(apart).max() > 1e-3:
        more.append("colour and depth camera are said to stand apart, which is left out of account")
    zipped = folder / f"{name}_2d-instance-filt.zip"
    cast = None
    if not zipped.is_file() and len(annotated.faces):
        more.append(f"{zipped.name} is not there: instance maps are cast from the mesh")
        camera = frames.color_intrinsics[:3, :3].copy()
        # ScanNet has the first pixel's centre at 0
        camera[:2, 2] += 0.5
        cast = MappedFrames(annotated, poses, camera, *frames.color_size)
    elif not zipped.is_file():
        more.append(f"{zipped.name} is not there, nor faces of a mesh: footprints come from depth")
    return ScanNetScan(
        name,
        annotated.objects,
        annotated.structure_ids,
        poses,
        times,
        frames.color_intrinsics[:3, :3],
        (*notes, *more),
        frames,
        zipped if zipped.is_file() else None,
        cast,
    )


def scan_name(folder: Path | str) -> str:
    """Return a scan's name, by its files rather than its folder; raise ValueError where it has none, or several."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give a scan's, such as scans/scene0001_00")
    ending = ".aggregation.json"
    names = {file.name.removesuffix(ending) for file in folder.glob(f"*{ending}")}
    names = sorted(name for name in names if _SCAN.fullmatch(name))
    if len(names) != 1:
        told = f"those of {', '.join(names)}" if names else f"no scene0000_00{ending}"
        raise ValueError(
            f"{folder.name} has {told}; give one scan's folder as it is downloaded (scans of ScanNet's test set have "
            "no annotation)"
        )
    return names[0]


def _alignment(path: Path) -> tuple[np.ndarray, list[str]]:
    """Return the rigid motion (4, 4) from the scan's world to the aligned one, and what is to be told."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    told = dict(map(str.strip, line.split("=", 1)) for line in lines if "=" in line)
    if "axisAlignment" not in told:
        return np.eye(4), [f"{path.name} has no axisAlignment: boxes lie along the axes of the scan as it is"]
    try:
        matrix = np.array(list(map(float, told["axisAlignment"].split()))).reshape(4, 4)
        return check_poses(matrix[None])[0], []
    except ValueError as error:
        raise ValueError(
            f"{path.name}: axisAlignment is '{told['axisAlignment']}', no 16 numbers of a rigid motion; {NEW_COPY}"
        ) from error


def _box(points: np.ndarray) -> OrientedBox:
    return OrientedBox.axis_aligned(points.min(axis=0), points.max(axis=0))


def _check_scan(told: dict[str, Any], file: str, name: str) -> None:
    """Raise ValueError where a JSON file is of another scan."""
    of = str(told.get("sceneId", name)).rpartition(".")[2]
    if of != name:
        raise ValueError(f"{file} is of {of}; give each scan its own files by their own names")


def _regular(frames: SensFile | ExportedFrames) -> bool:
    matrices = np.stack([frames.depth_extrinsics, frames.color_extrinsics])
    return bool(np.isfinite(matrices).all() and (np.abs(np.linalg.det(matrices)) > 1e-9).all())


def _lookup(color: np.ndarray, depth: np.ndarray, axis: int, color_pixels: int, pixels: int) -> np.ndarray:
    """Return for each row or column of the colour camera's depth map that of the depth camera's, -1 outside.

    color, depth : the cameras' matrices; axis : 0 columns, 1 rows; color_pixels, pixels : of a picture, of both maps
    """
    scale = pixels / color_pixels
    (focal, middle), (own_focal, own_middle) = (
        (matrix[axis, axis], matrix[axis, 2] + 0.5) for matrix in (color, depth)
    )
    if not (focal > 0.0 and own_focal > 0.0):
        raise ValueError(f"the cameras' focal lengths are {focal:g} and {own_focal:g} pixels; {NEW_COPY}")
    slopes = (np.arange(pixels) + 0.5 - scale * middle) / (scale * focal)
    # The small share keeps what falls on a border, where the cameras are equal, in its own pixel
    found = np.floor(own_focal * slopes + own_middle + 1e-6)
    return np.where((found >= 0) & (found < pixels), found, -1).astype(np.int64)
