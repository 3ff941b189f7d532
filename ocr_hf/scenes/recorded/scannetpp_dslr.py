"""What the DSLR of a ScanNet++ scene took: fisheye pictures, or those that the data set's tools undistorted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.geometry.camera import check_intrinsics
from ocr_hf.scenes.cameras.colmap import read_colmap_fisheye
from ocr_hf.scenes.recorded.fisheye import Fisheye
from ocr_hf.scenes.recorded.frame_files import inside, read_rgb
from ocr_hf.scenes.recorded.scan import Filmed
from ocr_hf.scenes.recorded.segmented_mesh import NEW_COPY, needed, read_told

PICTURES_PER_SECOND = 2.0
"""What is taken for pictures that were taken one by one, without times."""
_UNDISTORTED, _BENT = "dslr/nerfstudio/transforms_undistorted.json", "dslr/nerfstudio/transforms.json"


def read_dslr(folder: Path) -> Filmed:
    """Read a scene's folder dslr; raise ValueError, in one sentence, for what is missing or damaged.

    Poses are COLMAP's, as those in the nerfstudio files have other axes. Pictures that those mark is_bad are left out.
    """
    for name in ("cameras.txt", "images.txt"):
        needed(folder.parent, f"dslr/colmap/{name}")
    try:
        found, bent = read_colmap_fisheye(folder / "colmap")
    except ValueError as error:
        raise ValueError(str(error).replace(f"{folder.parent}/", "")) from error
    root = folder / "resized_undistorted_images"
    lens: Fisheye | None = None
    if root.is_dir():
        intrinsics, width, height = _pinhole(read_told(needed(folder.parent, _UNDISTORTED), _UNDISTORTED))
    else:
        root = folder / "resized_images"
        if not root.is_dir():
            raise ValueError("dslr has neither resized_images nor resized_undistorted_images; download the one")
        width, height = found.width, found.height
        try:
            lens = Fisheye.of(found.intrinsics, bent, width, height)
        except ValueError as error:
            raise ValueError(f"dslr/colmap/cameras.txt: {error}") from error
        intrinsics = lens.intrinsics
    bad = _bad(folder)
    kept = [index for index, name in enumerate(found.names) if Path(name).name not in bad]
    if not kept:
        raise ValueError("every picture of dslr is marked is_bad; take the iPhone's")
    notes = [f"the DSLR's pictures have no times: they are taken to be {PICTURES_PER_SECOND:g} a second"]
    if len(kept) < len(found.names):
        notes.append(f"pictures that the data set marks is_bad, left out: {len(found.names) - len(kept)}")
    names = [found.names[index] for index in kept]

    def pictures(indices: Sequence[int]) -> Iterator[np.ndarray]:
        for index in indices:
            where = f"dslr/{root.name}/{names[index]}"
            picture = read_rgb(inside(root, names[index], f"dslr/{root.name}"), where)
            if picture.shape[:2] != (height, width):
                raise ValueError(
                    f"{where} is {picture.shape[1]}x{picture.shape[0]}, its camera is for {width}x{height}"
                )
            yield picture if lens is None else lens.undistorted(picture)

    return Filmed(
        poses=found.camera_to_world[kept],
        times_s=np.array(kept) / PICTURES_PER_SECOND,
        intrinsics=intrinsics,
        width=width,
        height=height,
        pictures=pictures,
        depth=None,
        notes=tuple(notes),
    )


def _pinhole(told: dict[str, Any]) -> tuple[np.ndarray, int, int]:
    """Return intrinsics (3, 3), width and height of the undistorted pictures."""
    try:
        fx, fy, cx, cy = (float(told[name]) for name in ("fl_x", "fl_y", "cx", "cy"))
        width, height = int(told["w"]), int(told["h"])
        return check_intrinsics(np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])), width, height
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{_UNDISTORTED} has no w, h, fl_x, fl_y, cx and cy of a camera ({error}); {NEW_COPY}"
        ) from error


def _bad(folder: Path) -> set[str]:
    """Return the names of pictures that the data set says not to use."""
    where = next((name for name in (_BENT, _UNDISTORTED) if (folder.parent / name).is_file()), None)
    if where is None:
        return set()
    told = read_told(folder.parent / where, where)
    listed = [told[key] for key in ("frames", "test_frames") if isinstance(told.get(key), list)]
    marked = [frame for frames in listed for frame in frames if isinstance(frame, dict) and frame.get("is_bad") is True]
    return {Path(str(frame.get("file_path"))).name for frame in marked}
