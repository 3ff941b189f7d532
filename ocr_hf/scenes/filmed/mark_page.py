"""The page on which the user clicks corners: one HTML file beside the frames, opened from the disk, no server."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path

import numpy as np

from ocr_hf.scenes.categories import category_names
from ocr_hf.scenes.filmed.structure_from_motion import SolvedCameras


def write_mark_page(solved: SolvedCameras, path: Path) -> None:
    """Write the page; the frames lie in `frames` beside it.

    solved : cameras of the frames, without distortion, placed upright; the scale doesn't matter
    """
    (fx, _, cx), (_, fy, cy), _ = solved.intrinsics.tolist()
    eyes = solved.camera_to_world[:, :3, 3]
    told = {
        "width": solved.width,
        "height": solved.height,
        "intrinsics": [fx, fy, cx, cy],
        "reach": float(np.linalg.norm(np.ptp(np.concatenate([eyes, solved.points]), axis=0))),
        "categories": sorted(category_names()),
        # Browsers keep clicks under it; a video that is solved anew has other cameras
        "key": f"ocr-hf marks {path.parent.name} {solved.camera_to_world.sum():.6f}",
        "pictures": [
            {"name": name, "time_s": float(time), "pose": pose[:3].ravel().round(9).tolist()}
            for name, time, pose in zip(solved.names, solved.times_s, solved.camera_to_world, strict=True)
        ],
    }
    page = files("ocr_hf.scenes.filmed").joinpath("mark_page.html").read_text(encoding="utf-8")
    # "</" would end the script, whatever string it stands in
    text = page.replace("/*DATA*/null", json.dumps(told).replace("</", "<\\/"))
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
