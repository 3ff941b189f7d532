"""COLMAP models: images and cameras, as text or binary (https://colmap.github.io/format.html)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ocr_hf.geometry.camera import rigid_inverse
from ocr_hf.scenes.cameras.pose_lines import text_lines
from ocr_hf.scenes.cameras.trajectory import Trajectory, natural_key, numbers, pinhole, pose, stacked

MODELS = {
    "SIMPLE_PINHOLE": (0, 1, 0),
    "PINHOLE": (1, 2, 0),
    "SIMPLE_RADIAL": (2, 1, 1),
    "RADIAL": (3, 1, 2),
    "OPENCV": (4, 2, 4),
    "FULL_OPENCV": (6, 2, 8),
}
"""COLMAP's number, and how many focal lengths and distortion parameters, of the camera models that are pinholes where
their distortion is 0."""
BENT = {
    "OPENCV_FISHEYE": (5, 8),
    "FOV": (7, 5),
    "SIMPLE_RADIAL_FISHEYE": (8, 4),
    "RADIAL_FISHEYE": (9, 5),
    "THIN_PRISM_FISHEYE": (10, 12),
    "RAD_TAN_THIN_PRISM_FISHEYE": (11, 16),
}
"""Number and count of parameters of those that never are."""
_NAMES = {row[0]: name for table in (MODELS, BENT) for name, row in table.items()}
_PARAMETERS = {name: focal + 2 + bent for name, (_, focal, bent) in MODELS.items()} | {
    name: count for name, (_, count) in BENT.items()
}


@dataclass(frozen=True)
class _Image:
    name: str
    quaternion_wxyz: tuple[float, ...]
    translation: tuple[float, ...]
    camera: int
    where: str


@dataclass(frozen=True)
class _Camera:
    model: str
    width: int
    height: int
    parameters: tuple[float, ...]
    where: str


def read_colmap(path: Path, refocuses: bool = False) -> Trajectory:
    """Read a model's images, in the natural order of their names, and the camera beside them.

    path : its folder, or its images.txt or images.bin; where a folder has both, the text is read
    refocuses : images of one size may have cameras of their own, intrinsics (T, 3, 3); else those that differ are
        refused
    """
    path = _listing(path)
    binary = path.suffix == ".bin"
    found, numbers_of = _poses(path)
    cameras = path.with_name(f"cameras{path.suffix}")
    if not cameras.is_file():
        return found
    listed = _cameras_binary(cameras) if binary else _cameras_text(cameras)
    if refocuses:
        of_images = [_checked(path, cameras, listed, number) for number in numbers_of]
        first = of_images[0]
        if any((camera.width, camera.height) != (first.width, first.height) for camera in of_images):
            raise ValueError(f"{path} has images of several sizes; give a model of pictures of one size")
        intrinsics = np.stack([_pinhole(camera) for camera in of_images])
        if np.ptp(intrinsics, axis=0).any():
            return replace(found, intrinsics=intrinsics, width=first.width, height=first.height)
    camera = _shared(path, cameras, listed, numbers_of)
    return replace(found, intrinsics=_pinhole(camera), width=camera.width, height=camera.height)


def _pinhole(camera: _Camera) -> np.ndarray:
    """Return the intrinsics (3, 3) of a camera without distortion."""
    if camera.model not in MODELS:
        raise ValueError(
            f"{camera.where}: camera model {camera.model} is none of {', '.join(MODELS)}; undistort the images and "
            "give the model that comes out (colmap image_undistorter --output_type COLMAP)"
        )
    focal = MODELS[camera.model][1]
    values = camera.parameters
    return pinhole(camera.model, values[:focal], values[focal : focal + 2], values[focal + 2 :], camera.where)


def read_colmap_fisheye(path: Path) -> tuple[Trajectory, np.ndarray]:
    """Read a text model whose images share a camera of model OPENCV_FISHEYE.

    path : its folder

    Returns what `read_colmap` does, and the lens's k1 to k4; the intrinsics are the lens's as well.
    """
    path = path / "images.txt"
    found, numbers_of = _poses(path)
    cameras = path.with_name("cameras.txt")
    camera = _shared(path, cameras, _cameras_text(cameras), numbers_of)
    if camera.model != "OPENCV_FISHEYE":
        raise ValueError(f"{camera.where}: camera model {camera.model} isn't OPENCV_FISHEYE; download the model again")
    fx, fy, cx, cy, *bent = camera.parameters
    intrinsics = pinhole(camera.model, (fx, fy), (cx, cy), (), camera.where)
    return replace(found, intrinsics=intrinsics, width=camera.width, height=camera.height), np.array(bent)


def _listing(path: Path) -> Path:
    """Return a model's images.txt or images.bin."""
    if not path.is_dir():
        return path
    there = [path / name for name in ("images.txt", "images.bin") if (path / name).is_file()]
    if not there:
        raise FileNotFoundError(f"{path} has neither images.txt nor images.bin; give the folder of a COLMAP model")
    return there[0]


def _poses(path: Path) -> tuple[Trajectory, list[int]]:
    """Return the images of a model in the natural order of their names, and the number of each one's camera."""
    binary = path.suffix == ".bin"
    images: dict[str, _Image] = {}
    for image in _images_binary(path) if binary else _images_text(path):
        if image.name in images:
            raise ValueError(f"{image.where}: image '{image.name}' is there twice; keep one of its poses")
        images[image.name] = image
    # COLMAP doesn't list images in order of time; frames extracted from a video have numbered names.
    ordered = [images[name] for name in sorted(images, key=natural_key)]
    # COLMAP stores world-to-camera, all else here is camera-to-world.
    poses = [
        rigid_inverse(pose(np.array(image.quaternion_wxyz), np.array(image.translation), image.where))
        for image in ordered
    ]
    found = Trajectory(stacked(path, poses), names=tuple(image.name for image in ordered))
    return found, [image.camera for image in ordered]


def _checked(path: Path, cameras: Path, listed: dict[int, _Camera], number: int) -> _Camera:
    if number not in listed:
        raise ValueError(f"{cameras} has no camera {number}, which {path.name} names; add it")
    return listed[number]


def _shared(path: Path, cameras: Path, listed: dict[int, _Camera], numbers_of: list[int]) -> _Camera:
    """Return the camera that all images share."""
    used = sorted(set(numbers_of))
    chosen = [_checked(path, cameras, listed, number) for number in used]
    if len({(camera.model, camera.width, camera.height, camera.parameters) for camera in chosen}) > 1:
        raise ValueError(
            f"{path} uses the cameras {used}, which differ; a clip has one: give a model with a single camera"
        )
    return chosen[0]


def _images_text(path: Path) -> Iterator[_Image]:
    lines = [(f"{path}, line {number}", line) for number, line in enumerate(text_lines(path), 1)]
    lines = [(where, line.split()) for where, line in lines if not line.lstrip().startswith("#")]
    # Empty lines at the end of the file are no images; the last image's line of points may go with them.
    while lines and not lines[-1][1]:
        lines.pop()
    # Every image has two lines; the second, its 2D points, may be empty.
    for where, words in lines[::2]:
        if len(words) < 10:
            expected = "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME and a line of points after it"
            raise ValueError(f"{where}: {len(words)} words; give {expected}")
        values = numbers(words[1:8], 7, where, "QW QX QY QZ TX TY TZ")
        (camera,) = numbers(words[8:9], 1, where, "CAMERA_ID")
        yield _Image(" ".join(words[9:]), tuple(values[:4]), tuple(values[4:]), int(camera), where)


def _cameras_text(path: Path) -> dict[int, _Camera]:
    found = {}
    for number, line in enumerate(text_lines(path), 1):
        words, where = line.split(), f"{path}, line {number}"
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 5 or not words[0].isdigit():
            raise ValueError(f"{where}: '{' '.join(words)}'; give CAMERA_ID MODEL WIDTH HEIGHT PARAMS")
        width, height, values = 0.0, 0.0, []
        # Others are refused by name where an image uses them
        if words[1] in MODELS or words[1] == "OPENCV_FISHEYE":
            count = _PARAMETERS[words[1]]
            width, height, *values = numbers(words[2:], 2 + count, where, f"WIDTH HEIGHT and {count} parameters")
        found[int(words[0])] = _Camera(words[1], int(width), int(height), tuple(values), where)
    return found


class _Bytes:
    """A binary file that is read from its start, little endian."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at = path, path.read_bytes(), 0

    def take(self, layout: str) -> tuple:
        size = struct.calcsize("<" + layout)
        if self.at + size > len(self.data):
            raise ValueError(f"{self.path} ends at byte {len(self.data)}, in the middle of a record; copy it again")
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += size
        return values

    def name(self) -> str:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise ValueError(f"{self.path} ends at byte {len(self.data)}, in the middle of a name; copy it again")
        text, self.at = self.data[self.at : end], end + 1
        return text.decode("utf-8", errors="replace")

    def skip(self, size: int) -> None:
        self.at += size


def _images_binary(path: Path) -> Iterator[_Image]:
    data = _Bytes(path)
    (count,) = data.take("Q")
    for number in range(count):
        where = f"{path}, image {number + 1}"
        _, *values, camera = data.take("I7dI")
        name = data.name()
        (points,) = data.take("Q")
        # A 2D point has 24 bytes: x and y as doubles, and the 64-bit id of its 3D point.
        data.skip(24 * points)
        numbers([str(value) for value in values], 7, where, "QW QX QY QZ TX TY TZ")
        yield _Image(name, tuple(values[:4]), tuple(values[4:]), camera, where)


def _cameras_binary(path: Path) -> dict[int, _Camera]:
    data = _Bytes(path)
    (count,) = data.take("Q")
    found = {}
    for number in range(count):
        where = f"{path}, camera {number + 1}"
        camera, model, width, height = data.take("IiQQ")
        if model not in _NAMES:
            raise ValueError(
                f"{where}: camera model number {model} is not known; undistort the images and give the model that "
                "comes out (colmap image_undistorter --output_type COLMAP)"
            )
        values = data.take(f"{_PARAMETERS[_NAMES[model]]}d")
        found[camera] = _Camera(_NAMES[model], width, height, values, where)
    return found
