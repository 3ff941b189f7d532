"""What the iPhone of a ScanNet++ scene recorded: rgb.mkv or rgb/, depth.bin or depth/, pose_intrinsic_imu.json."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.geometry.camera import check_intrinsics
from ocr_hf.scenes.recorded.depth_bin import read_depth_bin
from ocr_hf.scenes.recorded.frame_files import inside, picture_size, read_depth, read_rgb
from ocr_hf.scenes.recorded.scan import Filmed, Frames
from ocr_hf.scenes.recorded.segmented_mesh import NEW_COPY, needed, read_told
from ocr_hf.video.reader import VideoError, VideoReader

SIZE, FRAMES_PER_SECOND = (1920, 1440), 60.0
"""(width, height) that the intrinsics are for, and the video's rate."""
_FRAME = re.compile(r"frame_(\d{6})")
_POSES = "iphone/pose_intrinsic_imu.json"


def read_phone(folder: Path) -> Filmed:
    """Read a scene's folder iphone; raise ValueError, in one sentence, for what is missing or damaged."""
    told = read_told(needed(folder.parent, _POSES), _POSES)
    numbered = sorted((int(found.group(1)), key) for key in told if (found := _FRAME.fullmatch(key)))
    if not numbered:
        raise ValueError(f"{_POSES} has no frame_000000; {NEW_COPY}")
    numbers = np.array([number for number, _ in numbered])
    frames = [told[key] if isinstance(told[key], dict) else {} for _, key in numbered]
    pictures = _Pictures(folder, int(numbers[-1]))
    width, height = pictures.size
    intrinsics = np.stack(
        [_camera(frame, f"{_POSES}, {key}") for frame, (_, key) in zip(frames, numbered, strict=True)]
    )
    intrinsics[:, 0] *= width / SIZE[0]
    intrinsics[:, 1] *= height / SIZE[1]
    times, notes = _times(frames, numbers)
    depth = _depth(folder)
    if depth is None:
        notes.append("iphone has neither depth.bin nor depth/: depth is cast from the mesh")
    return Filmed(
        poses=np.stack([_array(frame.get("aligned_pose"), (4, 4)) for frame in frames]),
        times_s=times,
        intrinsics=intrinsics,
        width=width,
        height=height,
        pictures=lambda indices: pictures.read(numbers[indices].tolist()),
        depth=None if depth is None else lambda indices: depth(numbers[indices].tolist()),
        notes=tuple(notes),
    )


def _array(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return what JSON has as an array, NaN throughout where it has none of this shape."""
    try:
        found = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    return found if found.shape == shape else np.full(shape, np.nan)


def _camera(frame: dict[str, Any], where: str) -> np.ndarray:
    try:
        return check_intrinsics(_array(frame.get("intrinsic"), (3, 3)))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _times(frames: Sequence[dict[str, Any]], numbers: np.ndarray) -> tuple[np.ndarray, list[str]]:
    times = np.array([_array(frame.get("timestamp"), ()) for frame in frames])
    if np.isfinite(times).all() and (np.diff(times) > 0.0).all():
        return times, []
    told = f"{_POSES} has no times that ascend: frames are taken to be {FRAMES_PER_SECOND:g} a second"
    return numbers / FRAMES_PER_SECOND, [told]


class _Pictures:
    """Pictures of rgb/ or, where that isn't extracted, of the video.

    size : (width, height)
    """

    def __init__(self, folder: Path, last: int) -> None:
        self._folder, self._extracted = folder, (folder / "rgb").is_dir()
        if self._extracted:
            first = min((folder / "rgb").glob("frame_*.*"), default=None)
            if first is None:
                raise ValueError("iphone/rgb has no frame_000000.jpg; extract the frames again")
            self._suffix = first.suffix
            self.size = picture_size(first, f"iphone/rgb/{first.name}")
        elif (folder / "rgb.mkv").is_file():
            with self._video() as reader:
                if last >= reader.num_frames:
                    raise ValueError(
                        f"iphone/rgb.mkv has {reader.num_frames} frames, {_POSES} tells of frame {last}; {NEW_COPY}"
                    )
            picture = next(self.read([0]))
            self.size = (picture.shape[1], picture.shape[0])
        else:
            raise ValueError("iphone has neither rgb.mkv nor rgb/; download the one")
        width, height = self.size
        if abs(width * SIZE[1] / (height * SIZE[0]) - 1.0) > 0.01:
            raise ValueError(
                f"the iPhone's pictures are {width}x{height}, its intrinsics are for {SIZE[0]}x{SIZE[1]}; give "
                "pictures of that shape"
            )

    def read(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield pictures (H, W, 3) uint8 by ascending number."""
        if self._extracted:
            for number in numbers:
                name = f"rgb/frame_{number:06d}{self._suffix}"
                yield read_rgb(inside(self._folder, name, "iphone"), f"iphone/{name}")
            return
        try:
            with self._video() as reader:
                yield from reader.stream(np.array(numbers, dtype=np.int64))
        except VideoError as error:
            raise self._named(error) from error

    def _video(self) -> VideoReader:
        try:
            return VideoReader(self._folder / "rgb.mkv")
        except VideoError as error:
            raise self._named(error) from error

    def _named(self, error: VideoError) -> ValueError:
        return ValueError(str(error).replace(str(self._folder), "iphone"))


def _depth(folder: Path) -> Frames | None:
    """Return what yields depth maps by frame number, None where there are none."""
    if not (folder / "depth").is_dir():
        return read_depth_bin(folder / "depth.bin").maps if (folder / "depth.bin").is_file() else None

    def extracted(numbers: Sequence[int]) -> Iterator[np.ndarray | None]:
        for number in numbers:
            path = folder / f"depth/frame_{number:06d}.png"
            yield read_depth(path, f"iphone/depth/{path.name}", 0.001) if path.is_file() else None

    return extracted
