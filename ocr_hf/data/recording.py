"""What a virtual camera saw: frames, and which pixels show which object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.clip_cameras import CameraPath
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.geometry.rle import encode_instances
from ocr_hf.scenes.render.renderer import Before, Renderer


@dataclass(frozen=True, eq=False)
class Recording:
    """What the camera saw.

    frames : (T, H, W, 3) uint8; depth : (T, H, W) float32 metres, or None where the noise doesn't need it
    camera_to_world : (T, 4, 4); intrinsics : (3, 3) pixels; fps : frames per second
    seen : (T, B) uint8, which triangles of the renderer each frame shows, a bit each; empty for edited scenes
    smoothed : (T, B) uint8, which pixels have smoothed edges, a bit each; empty for edited scenes
    """

    frames: np.ndarray
    depth: np.ndarray | None
    footprints: Footprints
    camera_to_world: np.ndarray
    intrinsics: np.ndarray
    fps: float
    seen: np.ndarray
    smoothed: np.ndarray


@dataclass(frozen=True, eq=False)
class EditedRecording(Recording):
    """What the camera saw of an edited scene on the same path.

    rendered : (T,) bool, the frames that were rendered again; the others are those of the scene before, to the byte
    """

    rendered: np.ndarray


def record(renderer: Renderer, path: CameraPath, config: BuildConfig) -> Recording:
    """Render a clip frame by frame, keeping of the instance maps only their run lengths."""
    poses, intrinsics = path.camera_to_world, path.intrinsics
    width, height = config.width, config.height
    frames = np.empty((len(poses), height, width, 3), dtype=np.uint8)
    # Depth takes more memory than the frames, 4 bytes a pixel against 3: kept only where the noise reads it.
    depth = np.empty((len(poses), height, width), dtype=np.float32) if config.ocr_map.noise.needs_depth else None
    codes: dict[int, dict[int, bytes]] = {}
    shown, smoothed = _render(renderer, path, config, np.arange(len(poses)), frames, depth, codes)
    footprints = Footprints(height, width, len(poses), False, codes)
    return Recording(frames, depth, footprints, poses, intrinsics, path.fps, np.stack(shown), np.stack(smoothed))


def record_edited(recording: Recording, edited: Renderer, path: CameraPath, config: BuildConfig) -> EditedRecording:
    """Film an edited scene on the path of a recording, rendering only the frames that differ.

    recording : by `edited.base`, on this path and with this config
    edited : what `Renderer.edited` returned

    Raises ValueError if the recording is of another renderer or path.
    """
    if isinstance(recording, EditedRecording):
        raise ValueError("the recording is of an edited scene; give that of the scene before all edits")
    if not np.array_equal(recording.camera_to_world, path.camera_to_world):
        raise ValueError("the recording is of another camera path; record the scene before the edit on this one")
    poses, (height, width) = path.camera_to_world, recording.frames.shape[1:3]
    rendered = edited.changed_frames(recording.seen, poses, path.intrinsics, width, height)
    again = np.flatnonzero(rendered)
    frames, depth = recording.frames, recording.depth
    if len(again):
        frames, depth = frames.copy(), None if depth is None else depth.copy()
    codes = {
        object_id: {frame: code for frame, code in of_frame.items() if not rendered[frame]}
        for object_id, of_frame in recording.footprints.codes.items()
    }
    _render(edited, path, config, again, frames, depth, codes, recording)
    codes = {object_id: of_frame for object_id, of_frame in codes.items() if of_frame}
    footprints = Footprints(height, width, len(poses), False, codes)
    # Edits of edits are compared with the scene before all edits, so what this one shows is never asked.
    unknown = np.zeros((0, 0), dtype=np.uint8)
    return EditedRecording(frames, depth, footprints, poses, path.intrinsics, path.fps, unknown, unknown, rendered)


def _render(
    renderer: Renderer,
    path: CameraPath,
    config: BuildConfig,
    wanted: np.ndarray,
    frames: np.ndarray,
    depth: np.ndarray | None,
    codes: dict[int, dict[int, bytes]],
    before: Recording | None = None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Render the frames numbered `wanted` into `frames`, `depth` and `codes`; return what each shows and smoothes.

    before : the recording before an edit
    """
    shown, edges = [], []
    poses = path.camera_to_world[wanted]
    known = None if before is None else [_before(before, index) for index in wanted]
    stream = renderer.stream_seen(poses, path.intrinsics, config.width, config.height, path.exposure, known)
    for index, (frame, distance, instances, seen, smoothed) in zip(wanted.tolist(), stream, strict=True):
        frames[index] = frame
        if depth is not None:
            depth[index] = distance
        for object_id, code in encode_instances(instances):
            codes.setdefault(object_id, {})[index] = code
        shown.append(seen)
        edges.append(np.packbits(smoothed))
    return shown, edges


def _before(recording: Recording, index: int) -> Before:
    frame = recording.frames[index]
    bits = np.unpackbits(recording.smoothed[index], count=frame[..., 0].size)
    return Before(frame, bits.astype(bool).reshape(frame.shape[:2]))
