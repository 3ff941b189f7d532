"""What a virtual camera saw: frames, and which pixels show which object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.clip_cameras import CameraPath
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.geometry.rle import encode_instances
from ocr_hf.scenes.render.renderer import Renderer


@dataclass(frozen=True, eq=False)
class Recording:
    """What the camera saw.

    frames : (T, H, W, 3) uint8; depth : (T, H, W) float32 metres, or None where the noise doesn't need it
    camera_to_world : (T, 4, 4); intrinsics : (3, 3) pixels; fps : frames per second
    """

    frames: np.ndarray
    depth: np.ndarray | None
    footprints: Footprints
    camera_to_world: np.ndarray
    intrinsics: np.ndarray
    fps: float


def record(renderer: Renderer, path: CameraPath, config: BuildConfig) -> Recording:
    """Render a clip frame by frame, keeping of the instance maps only their run lengths."""
    poses, intrinsics = path.camera_to_world, path.intrinsics
    width, height = config.width, config.height
    frames = np.empty((len(poses), height, width, 3), dtype=np.uint8)
    # Depth takes more memory than the frames, 4 bytes a pixel against 3: kept only where the noise reads it.
    depth = np.empty((len(poses), height, width), dtype=np.float32) if config.ocr_map.noise.needs_depth else None
    codes: dict[int, dict[int, bytes]] = {}
    for index, (frame, distance, instances) in enumerate(
        renderer.stream(poses, intrinsics, width, height, path.exposure)
    ):
        frames[index] = frame
        if depth is not None:
            depth[index] = distance
        for object_id, code in encode_instances(instances):
            codes.setdefault(object_id, {})[index] = code
    footprints = Footprints(height, width, len(poses), False, codes)
    return Recording(frames, depth, footprints, poses, intrinsics, path.fps)
