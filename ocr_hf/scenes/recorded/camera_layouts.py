"""Where common layouts keep pictures, cameras and depth, as a recorded scene declares them: one function each.

Poses keep the world and the units of their files, so that boxes made in that world fit; the intake declares them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ocr_hf.registry import unknown_choice
from ocr_hf.scenes.cameras.colmap import read_colmap
from ocr_hf.scenes.cameras.trajectory import natural_key
from ocr_hf.scenes.cameras.transforms_json import read_transforms
from ocr_hf.scenes.readers.mesh_options import UNITS
from ocr_hf.scenes.recorded.conventions import GL_TO_CV, TO_Z_UP
from ocr_hf.scenes.recorded.frame_files import inside, picture_size
from ocr_hf.scenes.recorded.layout_frames import Frames, Given, counted, depth_map, pictures
from ocr_hf.scenes.recorded.read_recorded import NO_POSE
from ocr_hf.scenes.recorded.rgbd_folders import read_open3d_folder, read_tum_folder


@dataclass(frozen=True, eq=False)
class RecordedCameras:
    """The frames of a recording in another layout, in order of time.

    images : of T frames
    depth : of T frames, None where a frame has none; registered to the images
    camera_to_world : (T, 4, 4) float64, OpenCV axes, in the world and the units of the files
    times_s : (T,) float64
    intrinsics : (3, 3) pixels, without distortion, or (T, 3, 3) of a camera that refocuses
    width, height : of all images
    pixel_centres : "half" or "integer", as the layout has its principal points
    up : axis of the world that points up
    units : of poses
    depth_unit_m : metres of one step of the depth maps, or None without any
    dropped : reason -> number of frames that can't be used
    """

    images: tuple[Path, ...]
    depth: tuple[Path | None, ...]
    camera_to_world: np.ndarray
    times_s: np.ndarray
    intrinsics: np.ndarray
    width: int
    height: int
    pixel_centres: str
    up: str
    units: str
    depth_unit_m: float | None
    dropped: Mapping[str, int]
    camera_axes: str = "opencv"
    pose_direction: str = "camera_to_world"


@dataclass(frozen=True)
class Layout:
    """One row of the table: what a folder holds, where its first pixel's centre is, and its reader."""

    about: str
    pixel_centres: str
    read: Callable[[Path, Given], Frames]


def read_cameras(
    folder: Path | str,
    layout: str,
    *,
    up: str,
    units: str = "m",
    fps: float | None = None,
    intrinsics: np.ndarray | None = None,
    depth_unit_m: float | None = None,
) -> RecordedCameras:
    """Read where a recording's pictures, cameras and depth are; pictures are opened for their sizes only.

    Args:
        folder: of the recording.
        layout: a name in `LAYOUTS`.
        up: axis of the world that points up, "+z", "-y", ...; no layout says it.
        units: "m", "cm", "mm", "in" or "ft", of the poses.
        fps: pictures a second, for layouts without times (all but tum).
        intrinsics: (3, 3) pixels of the pictures; for tum and open3d, where no camera_intrinsic.json or intrinsic.json
            lies in the folder.
        depth_unit_m: metres of one step of the depth maps; None for the layout's own: 0.0002 (tum), else 0.001.

    Returns:
        The frames with a pose, in order of time. Where the folder has depth maps, tum and open3d leave out frames
        without one. What is left out is counted.

    Raises:
        ValueError: in one sentence: a file is missing, lies outside the folder or can't be read, pictures differ in
            size, a camera isn't a pinhole, or something that the layout doesn't say wasn't given.
        FileNotFoundError: the folder has no cameras of this layout.
    """
    for setting, value, known in (("layout", layout, LAYOUTS), ("up", up, TO_Z_UP), ("units", units, UNITS)):
        if value not in known:
            raise ValueError(unknown_choice(setting, value, known))
    for setting, number in (("fps", fps), ("depth_unit_m", depth_unit_m)):
        if number is not None and not 0.0 < number < np.inf:
            raise ValueError(f"{setting} is {number}; give a number above 0")
    # Resolved, so that "." has a name
    folder = Path(folder).resolve()
    found = LAYOUTS[layout].read(folder, Given(intrinsics, depth_unit_m, fps))
    width, height = _one_size(folder, found)
    return RecordedCameras(
        images=tuple(found.images),
        depth=tuple(found.depth),
        camera_to_world=found.poses,
        times_s=found.times_s,
        intrinsics=found.intrinsics,
        width=width,
        height=height,
        pixel_centres=LAYOUTS[layout].pixel_centres,
        up=up,
        units=units,
        depth_unit_m=found.depth_unit_m if any(found.depth) else None,
        dropped={reason: count for reason, count in found.dropped.items() if count},
    )


def _nerfstudio(folder: Path, given: Given) -> Frames:
    path = folder / "transforms.json"
    where = f"{folder.name}/{path.name}"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; give the folder that holds it, or another layout")
    found = read_transforms(path, refocuses=True)
    if not found.names:
        raise ValueError(f"{where} has frames without file_path; name the picture of each")
    if found.intrinsics is None:
        raise ValueError(f"{where} has no w, h and fl_x; add them, in pixels of the pictures")
    told = {str(frame["file_path"]): frame for frame in json.loads(path.read_text(encoding="utf-8"))["frames"]}
    images, depth = [], []
    for name in found.names:
        images.append(inside(folder, name, where))
        of_frame = told[name].get("depth_file_path")
        depth.append(None if of_frame is None else depth_map(inside(folder, str(of_frame), where), where))
    times = counted(range(len(images)), given, where)
    size = (found.width, found.height)
    unit = given.depth_unit_m or 0.001
    return Frames(images, found.camera_to_world @ GL_TO_CV, times, found.intrinsics, size, depth, unit, {})


def _colmap(folder: Path, given: Given) -> Frames:
    model = _model(folder)
    root = folder / "images"
    if not root.is_dir():
        raise ValueError(f"{folder.name} has no folder images; put the pictures there, named as in the model")
    where = model.relative_to(folder.parent).as_posix()
    found = read_colmap(model, refocuses=True)
    if found.intrinsics is None:
        raise ValueError(f"{where} has no cameras.txt or cameras.bin beside its images; copy it there")
    images = [inside(root, name, where) for name in found.names]
    # The order of all pictures, so that those without a pose leave a gap in the times
    everything = {path.relative_to(root).as_posix() for path in pictures(root)} | {
        PurePosixPath(name).as_posix() for name in found.names
    }
    order = {name: number for number, name in enumerate(sorted(sorted(everything), key=natural_key))}
    times = counted([order[PurePosixPath(name).as_posix()] for name in found.names], given, where)
    dropped = {NO_POSE: len(everything) - len(images)}
    size = (found.width, found.height)
    return Frames(images, found.camera_to_world, times, found.intrinsics, size, [None] * len(images), 0.001, dropped)


LAYOUTS = {
    "nerfstudio": Layout("transforms.json, pictures and depth maps as it names them", "half", _nerfstudio),
    "colmap": Layout("images/, and a model (text or binary) in sparse/0, sparse or the folder itself", "half", _colmap),
    "tum": Layout(
        "rgb/, depth/, groundtruth.txt; rgb.txt and depth.txt, or times as file names", "integer", read_tum_folder
    ),
    "open3d": Layout("rgb/, color/ or image/; depth/; trajectory.log", "integer", read_open3d_folder),
}
"""Layouts by name."""


def _model(folder: Path) -> Path:
    """Return the folder of a COLMAP model."""
    sparse = folder / "sparse"
    places = [folder, sparse, *sorted(sparse.glob("*/"))]
    models = [path for path in places if any((path / f"images{end}").is_file() for end in (".txt", ".bin"))]
    if not models:
        raise FileNotFoundError(
            f"{folder} has no images.txt or images.bin, nor has its sparse/0; give the folder that holds the model and "
            "images/"
        )
    if len(models) > 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in models)
        raise ValueError(
            f"{folder.name} has {len(models)} models ({names}), pieces without a common world; keep one of them"
        )
    return models[0]


def _one_size(folder: Path, found: Frames) -> tuple[int, int]:
    """Return (width, height) of all pictures; raise ValueError where they differ, or the camera is for others."""
    sizes = {path: picture_size(path, path.relative_to(folder.parent).as_posix()) for path in found.images}
    first, size = next(iter(sizes.items()))
    for path, other in sizes.items():
        if other != size:
            raise ValueError(
                f"{path.relative_to(folder.parent).as_posix()} is {other[0]}x{other[1]}, but {first.name} is "
                f"{size[0]}x{size[1]}; give pictures of one size, and a camera for it"
            )
    if found.size not in (None, size):
        raise ValueError(
            f"{folder.name}: the camera is for {found.size[0]}x{found.size[1]} pictures, {first.name} is "
            f"{size[0]}x{size[1]}; give the pictures that the cameras were made from, or intrinsics for these"
        )
    return size
