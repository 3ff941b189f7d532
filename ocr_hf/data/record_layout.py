"""A recording in another layout, and the boxes of its objects, as the folder of a recorded scene."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_hf.data.atomic import new_folder, write_json
from ocr_hf.data.convert_scan import refuse_tested
from ocr_hf.data.recorded_scene import check_scene_name
from ocr_hf.scenes.recorded.camera_layouts import RecordedCameras, read_cameras
from ocr_hf.scenes.recorded.intake_format import BOX_KEYS, BOXES, CAMERAS, VERSION, read_json
from ocr_hf.scenes.recorded.read_recorded import read_recorded


def write_recording(
    folder: str | os.PathLike,
    layout: str,
    boxes: str | os.PathLike,
    out: str | os.PathLike,
    *,
    name: str | None = None,
    dataset: str = "recorded",
    scan: str | None = None,
    licence: str = "other",
    attribution: Sequence[str] = (),
    **options: Any,
) -> tuple[Path, Mapping[str, int]]:
    """Write a recording in another layout as a folder for `ocr-hf build --source recorded`.

    Pictures and maps are copied as they are. The folder is read back and checked before it gets its name.

    Args:
        folder: of the recording.
        layout: "nerfstudio", "colmap", "tum" or "open3d".
        boxes: boxes.json of the intake, in the world and units of the recording's poses.
        out: folder in which the scene's is made; `ocr-hf build --root` takes it.
        name: the scene's; None for that of `folder`.
        dataset: where the recording comes from, such as "scannet".
        scan: its name there.
        licence: what the card says of it.
        attribution: whom the card names.
        options: of `read_cameras`: `up` always; `fps`, `intrinsics`, `units`, `depth_unit_m` where they are needed.

    Returns:
        The scene's folder, `out / name`, and reason -> number of frames that were left out.

    Raises:
        FileExistsError: there is a folder of this name.
        FileNotFoundError: `folder` has no cameras of this layout.
        ValueError: in one sentence, for whatever `read_cameras` or `read_recorded` refuses, and for scans that
            VSI-Bench tests on, by the path of `folder`, `name` and `scan`.
        OSError: the disk is full.
    """
    name = Path(folder).resolve().name if name is None else name
    check_scene_name(name)
    for told in (Path(folder).resolve(), name, scan or ""):
        refuse_tested(told)
    # Before pictures are read: there may be many
    read_json(Path(boxes), Path(boxes).name, BOX_KEYS)
    cameras = read_cameras(Path(folder), layout, **options)
    scene = Path(out) / name
    with new_folder(scene) as temporary:
        frames = _copied(cameras, temporary)
        told = {
            "version": VERSION,
            "dataset": dataset,
            "scan": scan,
            "licence": licence,
            "attribution": list(attribution),
            "camera_axes": cameras.camera_axes,
            "poses": cameras.pose_direction,
            "up": cameras.up,
            "units": cameras.units,
            "pixel_centres": cameras.pixel_centres,
            "intrinsics": (cameras.intrinsics[0] if cameras.intrinsics.ndim == 3 else cameras.intrinsics).tolist(),
            "width": cameras.width,
            "height": cameras.height,
            "depth_unit_m": cameras.depth_unit_m,
        }
        write_json(temporary / CAMERAS, {**told, "frames": frames})
        shutil.copyfile(boxes, temporary / BOXES)
        found = read_recorded(temporary, name)
        # What is wrong with the kind of picture (stored turned, 8-bit depth) is wrong with each
        next(found.images([0]))
        found.depth(0)
    return scene, cameras.dropped


def _copied(cameras: RecordedCameras, folder: Path) -> list[dict[str, Any]]:
    """Copy pictures and depth maps; return the entries of `frames`."""
    entries = []
    rows = zip(cameras.images, cameras.depth, cameras.camera_to_world, cameras.times_s, strict=True)
    for number, (image, depth, pose, time) in enumerate(rows):
        entry = {"image": _copy(image, folder, "frames", number), "time_s": float(time), "pose": pose.tolist()}
        if cameras.intrinsics.ndim == 3:
            entry["intrinsics"] = cameras.intrinsics[number].tolist()
        if depth is not None:
            entry["depth"] = _copy(depth, folder, "depth", number)
        entries.append(entry)
    return entries


def _copy(path: Path, folder: Path, kind: str, number: int) -> str:
    """Copy a file; return its name below the folder."""
    name = f"{kind}/{number:06d}{path.suffix.lower()}"
    (folder / kind).mkdir(exist_ok=True)
    shutil.copyfile(path, folder / name)
    return name
