"""What the page draws over the videos: outlines of objects, and a picture of a clip."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ocr_hf.geometry.footprints import Footprints

LEAST_PIXELS = 20
"""Patches smaller than this get no outline."""
THUMBNAIL_HEIGHT = 84


def outlines_json(footprints: Footprints) -> str:
    """Return JSON: a list over frames of {object id: SVG path in pixels of the frame}."""
    import cv2

    frames = []
    for frame in range(footprints.num_frames):
        shown = {}
        for object_id in footprints.object_ids:
            mask = footprints.mask(object_id, frame)
            if mask is None:
                continue
            contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
            path = "".join(_path(contour) for contour in contours if cv2.contourArea(contour) >= LEAST_PIXELS)
            if path:
                shown[str(object_id)] = path
        frames.append(shown)
    return json.dumps(frames, separators=(",", ":"))


def _path(contour: np.ndarray) -> str:
    import cv2

    points = cv2.approxPolyDP(contour, 0.8, closed=True).reshape(-1, 2)
    return "M" + "L".join(f"{x} {y}" for x, y in points) + "Z" if len(points) > 2 else ""


def write_thumbnail(path: Path, frames: np.ndarray, footprints: Footprints) -> None:
    """Write a small JPEG of the frame that shows most objects."""
    from PIL import Image

    seen = np.zeros(len(frames), dtype=np.int64)
    for object_id in footprints.object_ids:
        seen += footprints.areas(object_id) > LEAST_PIXELS * 10
    image = Image.fromarray(np.asarray(frames[int(seen.argmax())]))
    image.thumbnail((10_000, THUMBNAIL_HEIGHT))
    image.save(path, quality=88)
