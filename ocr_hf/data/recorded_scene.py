"""`RecordedScene`: the folder of a recorded scene, written from arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ocr_hf.data.atomic import new_folder, write_json
from ocr_hf.scenes.readers.mesh_options import UNITS
from ocr_hf.scenes.recorded.intake_format import BOXES, CAMERAS, CONVERTED, VERSION
from ocr_hf.scenes.recorded.read_recorded import read_recorded
from ocr_hf.scenes.scene import SceneObject

_MOST = 65535
"""Greatest value of a 16-bit PNG."""
_NO_FRAME = object()


@dataclass(frozen=True, eq=False)
class RecordedScene:
    """A recording with cameras and boxes, to be written as a folder for `ocr-hf build --source recorded`.

    Arrays are given in the recording's own axes and units, which are declared, stored as they are, and turned into ours
    when the folder is read. Frames, depth and instance maps may be generators: one frame is held at a time.

    Args:
        name: the folder's name, and the column `scene_name`.
        frames: (T, H, W, 3) uint8 RGB, or an iterable of (H, W, 3).
        poses: (T, 4, 4); of frames that lost tracking not finite.
        intrinsics: (3, 3), pixels of the frames, without distortion; or (T, 3, 3) of a camera that refocuses.
        times_s: (T,) seconds, ascending.
        objects: id, label and box in the recording's world and units; their meshes are not stored.
        depth: (T, h, w) in `units` along the camera's optical axis, 0 or not finite = unknown; or an iterable with None
            for frames without; or None.
        instances: (T, h, w) integers, 0 = background, else object id; or an iterable with None; or None.
        labels: id -> label of further objects in `instances`; their boxes are fitted to masks and depth when read.
        structure_ids: ids in `instances` of walls, floors and the like.
        rooms: name, floor corners (N, 3) in the recording's world, and height of each; () where unknown.
        camera_axes: "opencv" or "opengl".
        pose_direction: "camera_to_world" or "world_to_camera".
        up: axis of the world that points up: "+z", "-y", ...
        units: "m", "cm", "mm", "in" or "ft", of poses, boxes and depth.
        pixel_centres: "half" where the first pixel's centre is at 0.5, "integer" where it is at 0.
        depth_unit: what one step of the stored 16-bit depth is, in `units`.
        floor_area_m2: of the whole floor, where it is known.
        dataset: where the recording comes from, such as "scannet".
        scan: its name there.
        licence: what the card says of it.
        attribution: whom the card names.
        converted: how it was made of a scan, which `convert_scan` fills in; recipes of its clips say it.

    Raises:
        ValueError: the name is no folder name.

    Example:
        >>> import numpy as np
        >>> from ocr_hf import RecordedScene
        >>> from ocr_hf.geometry.boxes import OrientedBox
        >>> from ocr_hf.scenes.scene import SceneObject
        >>> chair = SceneObject(1, "chair", OrientedBox(np.array([0, 0, 2]), np.array([0.5, 0.9, 0.5]), np.eye(3)))
        >>> camera = np.array([[40.0, 0.0, 32.0], [0.0, 40.0, 24.0], [0.0, 0.0, 1.0]])
        >>> frames, poses = np.zeros((2, 48, 64, 3), dtype=np.uint8), np.stack([np.eye(4)] * 2)
        >>> recording = RecordedScene("study", frames, poses, camera, np.array([0.0, 0.5]), [chair], up="-y")
        >>> recording.write("recordings").name
        'study'
    """

    name: str
    frames: Iterable[np.ndarray]
    poses: np.ndarray
    intrinsics: np.ndarray
    times_s: np.ndarray
    objects: Sequence[SceneObject]
    depth: Iterable[np.ndarray | None] | None = None
    instances: Iterable[np.ndarray | None] | None = None
    labels: Mapping[int, str] = field(default_factory=dict)
    structure_ids: Sequence[int] = ()
    rooms: Sequence[tuple[str, np.ndarray, float]] = ()
    camera_axes: str = "opencv"
    pose_direction: str = "camera_to_world"
    up: str = "+z"
    units: str = "m"
    pixel_centres: str = "half"
    depth_unit: float = 0.001
    floor_area_m2: float | None = None
    dataset: str = "recorded"
    scan: str | None = None
    licence: str = "other"
    attribution: Sequence[str] = ()
    converted: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_scene_name(self.name)

    def write(self, root: str | os.PathLike) -> Path:
        """Write the folder; it is read back and checked before it gets its name.

        Args:
            root: folder in which the scene's is made; `ocr-hf build --root` takes it.

        Returns:
            The scene's folder, `root / name`.

        Raises:
            FileExistsError: there is a folder of this name.
            ValueError: arrays don't belong together, or the scene is one that `read_recorded` refuses.
            OSError: the disk is full.
        """
        folder = Path(root) / self.name
        with new_folder(folder) as temporary:
            frames, size = self._write_pictures(temporary)
            write_json(temporary / CAMERAS, {**self._cameras(*size), "frames": frames})
            write_json(temporary / BOXES, self._boxes())
            if self.converted is not None:
                write_json(temporary / CONVERTED, dict(self.converted))
            read_recorded(temporary, self.name)
        return folder

    def _write_pictures(self, folder: Path) -> tuple[list[dict[str, Any]], tuple[int, int]]:
        """Write frames and maps; return the entries of `frames`, and (width, height)."""
        poses, times = np.asarray(self.poses, dtype=np.float64), np.asarray(self.times_s, dtype=np.float64)
        maps = {name: getattr(self, name) for name in ("depth", "instances") if getattr(self, name) is not None}
        of_frames = np.asarray(self.intrinsics, dtype=np.float64)
        if of_frames.ndim == 3 and len(of_frames) != len(poses):
            raise ValueError(
                f"recording '{self.name}' has {len(of_frames)} intrinsics and {len(poses)} poses; give one of both for "
                "each frame"
            )
        entries: list[dict[str, Any]] = []
        width = height = 0
        rows = zip_longest(self.frames, poses, times, *maps.values(), fillvalue=_NO_FRAME)
        for number, (frame, pose, time, *of_frame) in enumerate(rows):
            given = {"frames": frame, "poses": pose, "times_s": time, **dict(zip(maps, of_frame, strict=True))}
            missing = [name for name, value in given.items() if value is _NO_FRAME]
            if missing:
                raise ValueError(
                    f"recording '{self.name}' has no {missing[0]} for frame {number}; give one for each frame"
                )
            if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
                raise ValueError(
                    f"recording '{self.name}', frame {number} is {frame.dtype} {frame.shape}; give (H, W, 3) uint8 RGB"
                )
            height, width = (height, width) if number else frame.shape[:2]
            own = of_frames[number] if of_frames.ndim == 3 else None
            lost = not np.isfinite(pose).all()
            entry = {"image": _saved(folder, "frames", number, frame), "time_s": float(time)}
            entry["pose"] = None if lost else pose.tolist()
            if own is not None:
                entry["intrinsics"] = own.tolist()
            for name, value in zip(maps, of_frame, strict=True):
                if value is not None:
                    entry[name] = _saved(folder, name, number, getattr(self, f"_{name}_steps")(value, number))
            entries.append(entry)
        return entries, (width, height)

    def _depth_steps(self, depth: np.ndarray, number: int) -> np.ndarray:
        """Return depth as it is stored, (h, w) uint16."""
        steps = np.where(np.isfinite(depth), np.rint(np.asarray(depth, dtype=np.float64) / self.depth_unit), 0.0)
        if steps.min(initial=0.0) < 0.0 or steps.max(initial=0.0) > _MOST:
            raise ValueError(
                f"recording '{self.name}', frame {number}: depth runs from {np.nanmin(depth):g} to "
                f"{np.nanmax(depth):g} {self.units}, 16 bits hold 0 to {_MOST * self.depth_unit:g}; give a larger "
                "depth_unit, or 0 for unknown depth"
            )
        return steps.astype(np.uint16)

    def _instances_steps(self, ids: np.ndarray, number: int) -> np.ndarray:
        """Return an instance map as it is stored, (h, w) uint16."""
        if not np.issubdtype(ids.dtype, np.integer) or ids.min(initial=0) < 0 or ids.max(initial=0) > _MOST:
            raise ValueError(
                f"recording '{self.name}', frame {number}: instance ids are {ids.dtype}, {ids.min()} to {ids.max()}; "
                f"give integers, 0 to {_MOST}"
            )
        return ids.astype(np.uint16)

    def _cameras(self, width: int, height: int) -> dict[str, Any]:
        intrinsics = np.asarray(self.intrinsics, dtype=np.float64)
        return {
            "version": VERSION,
            "dataset": self.dataset,
            "scan": self.scan,
            "licence": self.licence,
            "attribution": list(self.attribution),
            "camera_axes": self.camera_axes,
            "poses": self.pose_direction,
            "up": self.up,
            "units": self.units,
            "pixel_centres": self.pixel_centres,
            "intrinsics": (intrinsics[0] if intrinsics.ndim == 3 else intrinsics).tolist(),
            "width": width,
            "height": height,
            "depth_unit_m": None if self.depth is None else self.depth_unit * UNITS.get(self.units, 1.0),
        }

    def _boxes(self) -> dict[str, Any]:
        objects: list[dict[str, Any]] = [
            {
                "id": item.id,
                "label": item.label,
                "center": item.box.center.tolist(),
                "size": item.box.size.tolist(),
                "rotation": item.box.rotation.tolist(),
            }
            for item in self.objects
        ]
        objects += [{"id": int(object_id), "label": label} for object_id, label in self.labels.items()]
        objects += [{"id": int(object_id), "label": None} for object_id in self.structure_ids]
        rooms = [
            {"name": name, "floor": np.asarray(corners, dtype=np.float64).tolist(), "height": float(height)}
            for name, corners, height in self.rooms
        ]
        return {"version": VERSION, "objects": objects, "rooms": rooms, "floor_area_m2": self.floor_area_m2}


def check_scene_name(name: str) -> None:
    """Raise ValueError for a scene's name that can't be a folder's."""
    if not name or name.startswith(".") or set(name) & set('/\\:*?"<>|\0'):
        raise ValueError(f"name is {name!r}; give a folder's name without / \\ : * ? \" < > | and no leading dot")


def _saved(folder: Path, kind: str, number: int, pixels: np.ndarray) -> str:
    """Write a picture as PNG; return its name below the folder."""
    name = f"{kind}/{number:06d}.png"
    (folder / kind).mkdir(exist_ok=True)
    Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name, compress_level=3)
    return name
