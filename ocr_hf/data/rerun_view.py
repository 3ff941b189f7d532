"""A rerun recording of clips: boxes, camera and both videos on one time line (extra: ocr-hf[view])."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from ocr_hf.data.load import StoredClip
from ocr_hf.settings.extras import need


def write_recording(shown: Iterable[StoredClip], out: str | os.PathLike) -> None:
    """Write clips as an .rrd file for `rerun FILE`; raise ImportError that says how to get rerun where it is absent."""
    need("view", "a rerun recording")
    import rerun

    recording = rerun.RecordingStream("ocr_hf")
    recording.save(os.fspath(out))
    for clip in shown:
        _log_clip(rerun, recording, clip)
    recording.flush()


def _log_clip(rerun: Any, recording: Any, clip: StoredClip) -> None:
    recording.log(clip.id, rerun.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    noisy = clip.noisy is not None
    for object_id, box in clip.boxes.items():
        chosen = object_id in clip.noisy_objects
        recording.log(
            f"{clip.id}/objects/{object_id}",
            rerun.Boxes3D(half_sizes=[box.size / 2.0], labels=[clip.labels[object_id]], show_labels=chosen),
            rerun.Transform3D(translation=box.center, mat3x3=box.rotation),
            static=True,
        )
    videos = {"vanilla": clip.frames(), **({"noisy": clip.frames(noisy=True)} if noisy else {})}
    height, width = videos["vanilla"].shape[1:3]
    camera = f"{clip.id}/camera"
    recording.log(
        camera,
        rerun.Pinhole(
            image_from_camera=clip.intrinsics, width=width, height=height, camera_xyz=rerun.ViewCoordinates.RDF
        ),
        static=True,
    )
    recording.log(f"{clip.id}/path", rerun.LineStrips3D([clip.camera_to_world[:, :3, 3]]), static=True)
    for number, pose in enumerate(clip.camera_to_world):
        recording.set_time("clip", duration=number / clip.fps)
        recording.log(camera, rerun.Transform3D(translation=pose[:3, 3], mat3x3=np.ascontiguousarray(pose[:3, :3])))
        for name, frames in videos.items():
            place = camera if name == "vanilla" else f"{clip.id}/{name}"
            recording.log(f"{place}/{name}", rerun.Image(frames[number]).compress(jpeg_quality=90))
