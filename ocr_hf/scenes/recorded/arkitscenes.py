"""ARKitScenes: a video's folder, raw or 3dod, read for the folder of a recorded scene.

    <video>_3dod_annotation.json                     boxes
    lowres_wide/<video>_<seconds>.png                pictures, as the sensor has them: often on their side
    lowres_wide_intrinsics/<video>_<seconds>.pincam  intrinsics of each
    lowres_wide.traj                                 poses, world to camera
    lowres_depth/<video>_<seconds>.png               depth, millimetres
    metadata.csv                                     which videos show one place, and where the sky is

In 3dod all but the annotation lie in <video>_frames. raw has wide/ (with highres_depth/) and vga_wide/ as well.
metadata.csv lies in a folder above, or in raw/ of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import check_intrinsics, rigid_inverse
from ocr_hf.registry import unknown_choice
from ocr_hf.scenes.cameras.pose_lines import text_lines
from ocr_hf.scenes.cameras.trajectory import numbers
from ocr_hf.scenes.categories import STRUCTURE, Categories
from ocr_hf.scenes.label_table import LabelTable
from ocr_hf.scenes.recorded.frame_files import picture_size, read_depth, read_rgb
from ocr_hf.scenes.recorded.scan import Scan
from ocr_hf.scenes.recorded.segmented_mesh import NEW_COPY, needed, read_told
from ocr_hf.scenes.recorded.sky import SKY, quarter_turns, turned_camera, turned_picture, turned_pose
from ocr_hf.scenes.scene import MAX_OBJECT_ID, SceneObject

CAMERAS = ("lowres_wide", "vga_wide", "wide")
DEPTH = {"wide": ("highres_depth", "lowres_depth")}
"""Camera -> folders of depth maps, the best first; for others lowres_depth."""
LABELS = {"tv_monitor": "tv"}
"""The data set's own words for things that VSI-Bench's questions call otherwise."""
POSE_WITHIN_S, CAMERA_WITHIN_MS = 0.005, 1
"""How far a pose, and the name of a .pincam, may lie from the time of a picture."""
_ANNOTATION = "_3dod_annotation.json"


def arkitscenes_name(folder: Path | str) -> str:
    """Return a video's number, by its annotation; raise ValueError where there is none, or several."""
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give a video's, such as 3dod/Training/40753679")
    found = sorted(path.name.removesuffix(_ANNOTATION) for path in folder.glob(f"*{_ANNOTATION}"))
    found = [name for name in found if name.isdecimal()]
    if len(found) != 1:
        told = f"those of {', '.join(found)}" if found else f"no 40753679{_ANNOTATION}"
        raise ValueError(f"{folder.name} has {told}; give one video's folder as it is downloaded, with its annotation")
    if folder.name.isdecimal() and folder.name != found[0]:
        # Which place it is decides whether it may be trained on
        raise ValueError(f"{folder.name} has the annotation of {found[0]}; give each video its own files")
    return found[0]


def find_metadata(folder: Path | str) -> Path | None:
    """Return the metadata.csv above a video's folder, or in raw/ there; None where there is none."""
    for above in Path(folder).resolve().parents:
        for path in (above / "metadata.csv", above / "raw" / "metadata.csv"):
            if path.is_file():
                return path
    return None


def read_arkitscenes(
    folder: Path | str,
    labels: LabelTable | None = None,
    camera: str | None = None,
    sky: str | None = None,
) -> Scan:
    """Read the folder of a video.

    Args:
        folder: with the files that the module's docstring lists.
        labels: table (JSON, YAML, CSV, TSV) that maps the data set's labels to categories; null for structure.
        camera: "lowres_wide", "vga_wide" or "wide"; None for the first that is there.
        sky: where metadata.csv says that the sky is, "Up", "Left", "Down" or "Right"; frames are turned by their
            poses, and it decides only where the camera looks straight up or down throughout.

    Returns:
        The video, upright: pictures, depth, intrinsics and poses are turned together. Pictures without a pose or
        intrinsics are left out and counted.

    Raises:
        ValueError: in one sentence with the file's name: one is missing or damaged, or nothing is annotated.
    """
    folder = Path(folder).resolve()
    name = arkitscenes_name(folder)
    objects, structure_ids = _objects(folder / f"{name}{_ANNOTATION}", Categories.load(labels))
    root = folder / f"{name}_frames"
    root = root if root.is_dir() else folder
    if camera is None:
        camera = next((each for each in CAMERAS if (root / each).is_dir()), CAMERAS[0])
    if camera not in CAMERAS:
        raise ValueError(unknown_choice("camera", camera, CAMERAS))
    files = _stamped(root / camera, ".png")
    if not files:
        raise ValueError(f"{name} has no pictures {camera}/{name}_<seconds>.png; download them, or take another camera")
    stamps, poses = _trajectory(needed(root, "lowres_wide.traj"))
    cameras = _stamped(root / f"{camera}_intrinsics", ".pincam")
    kept, missing = [], Counter()
    for stamp in sorted(files):
        nearest = int(np.abs(stamps - stamp / 1000.0).argmin())
        own = next((cameras[stamp + late] for late in (0, -1, 1) if stamp + late in cameras), None)
        # Times in file names are rounded to a millisecond, and doubles aren't exact
        if abs(stamps[nearest] - stamp / 1000.0) > POSE_WITHIN_S + 1e-6:
            missing["without a pose within 5 ms"] += 1
        elif own is None:
            missing["without a .pincam"] += 1
        else:
            kept.append((stamp, poses[nearest], own))
    if not kept:
        told = ", ".join(f"{count} {reason}" for reason, count in missing.items())
        raise ValueError(f"{name}: no picture in {camera}/ can be used ({told}); {NEW_COPY}")
    found = np.stack([pose for _, pose, _ in kept])
    turns = quarter_turns(found, sky)
    pictures = [files[stamp] for stamp, _, _ in kept]
    width, height = picture_size(pictures[0], f"{camera}/{pictures[0].name}")
    intrinsics = np.stack([_pincam(path, width, height) for _, _, path in kept])
    depth = next((each for each in DEPTH.get(camera, ("lowres_depth",)) if (root / each).is_dir()), None)
    maps = {} if depth is None else _stamped(root / depth, ".png")

    def pictures_of(indices: Sequence[int]) -> Iterator[np.ndarray]:
        for index in indices:
            yield turned_picture(read_rgb(pictures[index], f"{camera}/{pictures[index].name}"), turns)

    def depth_of(indices: Sequence[int]) -> Iterator[np.ndarray | None]:
        for index in indices:
            stamp = kept[index][0]
            path = next((maps[stamp + late] for late in (0, -1, 1) if stamp + late in maps), None)
            yield None if path is None else turned_picture(read_depth(path, f"{depth}/{path.name}", 0.001), turns)

    return Scan(
        name=name,
        objects=objects,
        structure_ids=structure_ids,
        poses=turned_pose(found, turns),
        times_s=np.array([stamp for stamp, _, _ in kept]) / 1000.0,
        intrinsics=turned_camera(intrinsics, width, height, turns),
        pixel_centres="half",
        pictures=pictures_of,
        depth=depth_of if maps else None,
        instances=None,
        notes=tuple(_notes(missing, turns, sky, bool(maps))),
        camera=camera,
    )


def _notes(missing: Counter[str], turns: int, sky: str | None, has_depth: bool) -> Iterator[str]:
    for reason, count in missing.items():
        yield f"pictures {reason}, left out: {count}"
    if turns:
        yield f"the sky is {SKY[turns].lower()} in the pictures: they are turned upright"
    if sky is not None and sky.capitalize() != SKY[turns]:
        yield f"metadata.csv says that the sky is {sky.lower()}; poses go before it"
    if not has_depth:
        yield "there is no depth, and nothing else tells what hides what"


def _objects(path: Path, categories: Categories) -> tuple[tuple[SceneObject, ...], tuple[int, ...]]:
    """Return objects with boxes, and the ids of what can't be asked about."""
    where = path.name
    listed = read_told(path, where).get("data")
    if not isinstance(listed, list) or not listed:
        raise ValueError(f"{where} has no objects; nothing can be asked about it, leave the video out")
    if len(listed) > MAX_OBJECT_ID:
        raise ValueError(f"{where} has {len(listed)} objects, more than {MAX_OBJECT_ID}; {NEW_COPY}")
    objects, structure = [], []
    for number, value in enumerate(listed, 1):
        label, box = _box(value, f"{where}, object {number - 1}")
        category = categories.of(label if label in categories.exact else LABELS.get(label, label))
        if category == STRUCTURE:
            structure.append(number)
        else:
            objects.append(SceneObject(number, category, box))
    if not objects:
        raise ValueError(f"{where} names nothing but structure; nothing can be asked about it, leave the video out")
    return tuple(objects), tuple(structure)


def _box(value: Any, where: str) -> tuple[str, OrientedBox]:
    """Return label and box of an annotated object."""
    try:
        label, told = value["label"], value["segments"]["obbAligned"]
        if not (isinstance(label, str) and label.strip()):
            raise ValueError("its label is empty")
        # One row an axis in the file, one column an axis in ours
        rotation = np.array(told["normalizedAxes"], dtype=np.float64).reshape(3, 3).T
        # A box is its own mirror image: a left-handed set of axes means the same
        rotation = rotation if np.linalg.det(rotation) > 0.0 else rotation * [1.0, 1.0, -1.0]
        return label.strip(), OrientedBox(
            np.array(told["centroid"], dtype=np.float64), np.array(told["axesLengths"], dtype=np.float64), rotation
        )
    except (KeyError, TypeError, ValueError, OverflowError, np.linalg.LinAlgError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{where} has no label and obbAligned box ({reason}); {NEW_COPY}") from error


def _stamped(folder: Path, suffix: str) -> dict[int, Path]:
    """Return the files of a folder by the milliseconds in their names."""
    found = {}
    for path in folder.glob(f"*{suffix}") if folder.is_dir() else ():
        seconds = path.stem.rpartition("_")[2]
        try:
            found[round(float(seconds) * 1000.0)] = path
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{folder.name}/{path.name} has no time in its name; {NEW_COPY}") from error
    return found


def _trajectory(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return times (N,) and poses (N, 4, 4), camera to world."""
    times, poses = [], []
    for number, line in enumerate(_lines(path), 1):
        words = line.split()
        if not words:
            continue
        time, *values = numbers(words, 7, f"{path.name}, line {number}", "time, rotation and translation: 7 numbers")
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = Rotation.from_rotvec(values[:3]).as_matrix(), values[3:]
        times.append(time)
        poses.append(rigid_inverse(pose))
    if not poses:
        raise ValueError(f"{path.name} has no poses; {NEW_COPY}")
    return np.array(times), np.stack(poses)


def _pincam(path: Path, width: int, height: int) -> np.ndarray:
    """Return the intrinsics (3, 3) of a file, for pictures of width x height."""
    where = f"{path.parent.name}/{path.name}"
    words = " ".join(_lines(path)).split()
    own_width, own_height, fx, fy, cx, cy = numbers(words, 6, where, "width height fx fy cx cy")
    if (own_width, own_height) != (width, height):
        raise ValueError(
            f"{where} is for {own_width:g}x{own_height:g} pictures, these are {width}x{height}; {NEW_COPY}"
        )
    try:
        return check_intrinsics(np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _lines(path: Path) -> list[str]:
    try:
        return text_lines(path)
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), path.name)) from error
