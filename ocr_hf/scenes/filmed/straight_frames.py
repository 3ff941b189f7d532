"""Pictures as a camera without distortion would have taken them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ocr_hf.scenes.filmed.structure_from_motion import SolvedCameras
from ocr_hf.scenes.filmed.video_pictures import is_whole, read_picture, write_picture

DONE = "frames.json"
"""Written last: a folder that has it has all frames of the camera that it tells."""


def straighten(
    solved: SolvedCameras,
    pictures: Path,
    folder: Path,
    on_frame: Callable[[int, int], None] = lambda done, of: None,
) -> SolvedCameras:
    """Write the registered pictures without their lens's distortion; return the cameras of what was written.

    What is missing at the border is cut off, so that no pixel is made up. Frames that are there are kept.

    pictures : folder that holds them; folder : where the frames go, under the same names

    Raises ValueError for a picture that can't be read, OSError for a full disk.
    """
    lens = solved.intrinsics.copy()
    # OpenCV has the first pixel's centre at 0
    lens[:2, 2] -= 0.5
    bent = np.array([solved.distortion, 0.0, 0.0, 0.0])
    size = (solved.width, solved.height)
    straight, _ = cv2.getOptimalNewCameraMatrix(lens, bent, size, 0.0)
    # Square pixels, with the middle in the middle: the narrower of what both sides allow
    focal = max(straight[0, 0], straight[1, 1])
    straight = np.array([[focal, 0.0, (size[0] - 1) / 2], [0.0, focal, (size[1] - 1) / 2], [0.0, 0.0, 1.0]])
    intrinsics = straight.copy()
    intrinsics[:2, 2] += 0.5
    told = {"names": list(solved.names), "lens": lens.tolist(), "distortion": solved.distortion}
    listing = folder / DONE
    known = listing.is_file() and json.loads(listing.read_text(encoding="utf-8")) == told
    if not (known and all(is_whole(folder / name) for name in solved.names)):
        folder.mkdir(parents=True, exist_ok=True)
        maps = cv2.initUndistortRectifyMap(lens, bent, np.eye(3), straight, size, cv2.CV_32FC1)
        for number, name in enumerate(solved.names, start=1):
            picture = read_picture(pictures / name)
            frame = cv2.remap(picture, *maps, interpolation=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            write_picture(folder / name, frame)
            on_frame(number, len(solved.names))
        temporary = folder / f"{DONE}.tmp"
        temporary.write_text(json.dumps(told), encoding="utf-8")
        os.replace(temporary, listing)
    return replace(solved, intrinsics=intrinsics, distortion=0.0)


def read_frames_of(solved: SolvedCameras, folder: Path):
    """Yield the frames (H, W, 3) uint8 of solved cameras, one at a time; ValueError for one that can't be read."""
    for name in solved.names:
        yield read_picture(folder / name)[..., ::-1]
