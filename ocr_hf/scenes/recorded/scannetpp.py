"""ScanNet++ v2: a scene's folder, as it is downloaded, read for the folder of a recorded scene.

    scans/mesh_aligned_0.05.ply, segments.json, segments_anno.json     what is annotated, +Z up
    iphone/pose_intrinsic_imu.json                                     poses and intrinsics of each frame
    iphone/rgb.mkv, or rgb/frame_000000.jpg                            its pictures
    iphone/depth.bin, or depth/frame_000000.png                        its depth; may be missing
    dslr/colmap/cameras.txt, images.txt                                poses, and the fisheye lens
    dslr/resized_images, or resized_undistorted_images and nerfstudio/transforms_undistorted.json

Instance maps, and the DSLR's depth, are cast from the mesh. A box is the upright one of least floor area around an
object's vertices.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.geometry.fit_box import fit_upright_box
from ocr_hf.registry import unknown_choice
from ocr_hf.scenes.categories import Categories
from ocr_hf.scenes.label_table import LabelTable
from ocr_hf.scenes.recorded.mesh_maps import MappedFrames
from ocr_hf.scenes.recorded.scan import Scan
from ocr_hf.scenes.recorded.scannetpp_dslr import read_dslr
from ocr_hf.scenes.recorded.scannetpp_phone import read_phone
from ocr_hf.scenes.recorded.segmented_mesh import NEW_COPY, needed, read_segmented, read_told

CAMERAS = ("iphone", "dslr")
_SCENE = re.compile(r"[0-9a-f]{10}")
_MESH, _SEGMENTS, _GROUPS = "mesh_aligned_0.05.ply", "segments.json", "segments_anno.json"


def scannetpp_name(folder: Path | str) -> str:
    """Return a scene's id, ten hexadecimal digits, by its folder and its annotation.

    Raises ValueError where neither tells it, or they differ: which room it is decides whether it may be trained on.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give a scene's, such as data/0a1b2c3d4e")
    told = read_told(needed(folder, f"scans/{_GROUPS}"), _GROUPS).get("sceneId")
    annotated = told if isinstance(told, str) and _SCENE.fullmatch(told) else None
    own = folder.name if _SCENE.fullmatch(folder.name) else None
    if annotated and own and annotated != own:
        raise ValueError(f"{_GROUPS} is of {annotated}, the folder is named {own}; give each scene its own files")
    if not (annotated or own):
        raise ValueError(
            f"{folder.name} is no id of a scene, and {_GROUPS} names none; keep the folder's name, ten hexadecimal "
            "digits: it tells whether VSI-Bench tests on the room"
        )
    return own or annotated


def read_scannetpp(folder: Path | str, labels: LabelTable | None = None, camera: str | None = None) -> Scan:
    """Read the folder of a scene.

    Args:
        folder: with the files that the module's docstring lists.
        labels: table (JSON, YAML, CSV, TSV) that maps the scene's labels to categories; null for structure.
        camera: "iphone" or "dslr"; None for the iPhone where it is there.

    Returns:
        The scene; the iPhone's frames have intrinsics each, the DSLR's pictures are undistorted.

    Raises:
        ValueError: in one sentence with the file's name: one is missing or damaged, is of another scene, has nothing
            annotated, or doesn't go with the others.
    """
    folder = Path(folder).resolve()
    name = scannetpp_name(folder)
    if camera is None:
        camera = next((each for each in CAMERAS if (folder / each).is_dir()), "iphone")
    if camera not in CAMERAS:
        raise ValueError(unknown_choice("camera", camera, CAMERAS))
    if not (folder / camera).is_dir():
        raise ValueError(f"{name} has no folder {camera}; download it, or choose the other camera")
    annotated = read_segmented(
        folder / "scans", _MESH, _SEGMENTS, _GROUPS, _any_scan, np.eye(4), Categories.load(labels), fit_upright_box
    )
    if not len(annotated.faces):
        raise ValueError(f"{_MESH} has no faces; {NEW_COPY}")
    found = (read_phone if camera == "iphone" else read_dslr)(folder / camera)
    maps = MappedFrames(annotated, found.poses, found.intrinsics, found.width, found.height)
    return Scan(
        name=name,
        objects=annotated.objects,
        structure_ids=annotated.structure_ids,
        poses=found.poses,
        times_s=found.times_s,
        intrinsics=found.intrinsics,
        pixel_centres="half",
        pictures=found.pictures,
        depth=found.depth or maps.depth,
        instances=maps.instances,
        notes=(*annotated.notes, *found.notes),
        camera=camera,
    )


def _any_scan(told: dict[str, Any], name: str) -> None:
    """Names are compared by `scannetpp_name`: the mesh's segments have none."""
