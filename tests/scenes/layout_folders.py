"""One small room as recorded, written in each layout of cameras that the intake takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.camera import look_at, rigid_inverse
from ocr_hf.scenes.recorded.conventions import GL_TO_CV
from ocr_hf.scenes.render.renderer import Renderer
from tests.scenes.boxes import room
from tests.scenes.trajectory_files import write_colmap_binary

WIDTH, HEIGHT, FOCAL, FPS = 64, 48, 50.0, 4.0
CAMERA = np.array([[FOCAL, 0.0, 31.0], [0.0, FOCAL, 25.0], [0.0, 0.0, 1.0]])
COUNT = 11
"""More than ten, so that names without leading zeros don't sort as text."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """What was recorded: poses (T, 4, 4), frames (T, H, W, 3) uint8, depth (T, H, W) metres."""

    poses: np.ndarray
    frames: np.ndarray
    depth: np.ndarray


def recorded() -> Recorded:
    angles = np.linspace(-2.6, -1.4, COUNT)
    poses = np.stack(
        [look_at(np.array([0.9 + 2.4 * np.cos(a), 2.4 * np.sin(a), 1.5]), np.array([1.0, -0.2, 0.4])) for a in angles]
    )
    seen = Renderer(room(), light_rays=8).render(poses, CAMERA, WIDTH, HEIGHT)
    return Recorded(poses, seen.frames, seen.depth)


def write_boxes(path: Path) -> Path:
    """The user's own boxes.json."""
    objects = [
        {
            "id": item.id,
            "label": label,
            "center": item.box.center.tolist(),
            "size": item.box.size.tolist(),
            "rotation": item.box.rotation.tolist(),
        }
        for label, item in zip(("crate", "cabinet", "stool"), room().objects, strict=True)
    ]
    path.write_text(json.dumps({"version": 1, "objects": objects}))
    return path


def nerfstudio(folder: Path, given: Recorded, by_frame: bool = False) -> None:
    camera = {"fl_x": FOCAL, "fl_y": FOCAL, "cx": CAMERA[0, 2], "cy": CAMERA[1, 2], "w": WIDTH, "h": HEIGHT}
    frames = [
        {
            "file_path": f"./images/frame_{number}.png",
            "depth_file_path": f"depths/frame_{number}.png",
            "transform_matrix": (pose @ GL_TO_CV).tolist(),
            **(camera if by_frame else {}),
        }
        for number, pose in enumerate(given.poses)
    ]
    _pictures(folder / "images", given.frames, "frame_{}.png")
    _pictures(folder / "depths", steps(given.depth, 0.001), "frame_{}.png")
    told = {"camera_model": "OPENCV", "k1": 0.0, **({} if by_frame else camera), "frames": frames[::-1]}
    (folder / "transforms.json").write_text(json.dumps(told))


def colmap_text(folder: Path, given: Recorded) -> None:
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    lines = []
    for number, pose in reversed(list(enumerate(rigid_inverse(given.poses)))):
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
        row = " ".join(f"{value:.12g}" for value in (w, x, y, z, *pose[:3, 3]))
        lines += [f"{number + 1} {row} 1 frame_{number + 1}.png", ""]
    (model / "images.txt").write_text("\n".join(lines) + "\n")
    (model / "cameras.txt").write_text(f"1 PINHOLE {WIDTH} {HEIGHT} {FOCAL} {FOCAL} {CAMERA[0, 2]} {CAMERA[1, 2]}\n")
    _pictures(folder / "images", given.frames, "frame_{}.png", first=1)


def colmap_binary(folder: Path, given: Recorded) -> None:
    import struct

    model = folder / "sparse"
    model.mkdir(parents=True)
    write_colmap_binary(model, given.poses)
    parameters = (FOCAL, FOCAL, CAMERA[0, 2], CAMERA[1, 2])
    (model / "cameras.bin").write_bytes(struct.pack("<QIiQQ4d", 1, 1, 1, WIDTH, HEIGHT, *parameters))
    # The names in that model begin with images/
    _pictures(folder / "images" / "images", given.frames, "frame_{}.png", first=1)


def tum(folder: Path, given: Recorded, late_s: float = 0.007, listed: bool = True) -> None:
    """Depth and poses lie `late_s` after the pictures, whose clock is a Unix time."""
    times = 1305031102.1753 + np.arange(len(given.poses)) / FPS
    rows = {"rgb": [], "depth": []}
    for kind, pictures, shift in (("rgb", given.frames, 0.0), ("depth", steps(given.depth, 0.0002), late_s)):
        (folder / kind).mkdir(parents=True)
        for time, picture in zip(times + shift, pictures, strict=True):
            Image.fromarray(picture).save(folder / kind / f"{time:.6f}.png")
            rows[kind].append(f"{time:.6f} {kind}/{time:.6f}.png")
        if listed:
            (folder / f"{kind}.txt").write_text("\n".join(["# timestamp filename", *rows[kind]]))
    lines = ["# timestamp tx ty tz qx qy qz qw"]
    for time, pose in zip(times + late_s, given.poses, strict=True):
        quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat()
        lines.append(f"{time:.6f} " + " ".join(f"{value:.9f}" for value in (*pose[:3, 3], *quaternion)))
    (folder / "groundtruth.txt").write_text("\n".join(lines))


def open3d(folder: Path, given: Recorded) -> None:
    _pictures(folder / "color", given.frames, "{}.png")
    _pictures(folder / "depth", steps(given.depth, 0.001), "{}.png")
    lines = []
    for number, pose in enumerate(given.poses):
        lines += [f"{number} {number} {number + 1}", *(" ".join(f"{value:.12f}" for value in row) for row in pose)]
    (folder / "trajectory.log").write_text("\n".join(lines))
    # 0.5 less: Open3D counts from the centre of the first pixel
    matrix = CAMERA - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]
    told = {"width": WIDTH, "height": HEIGHT, "intrinsic_matrix": matrix.T.ravel().tolist()}
    (folder / "camera_intrinsic.json").write_text(json.dumps(told))


WRITERS = {
    "nerfstudio": ("nerfstudio", nerfstudio),
    "nerfstudio by frame": ("nerfstudio", lambda folder, given: nerfstudio(folder, given, by_frame=True)),
    "colmap text": ("colmap", colmap_text),
    "colmap binary": ("colmap", colmap_binary),
    "tum": ("tum", tum),
    "tum, times as names": ("tum", lambda folder, given: tum(folder, given, listed=False)),
    "open3d": ("open3d", open3d),
}
"""What is written -> the name of its layout, and the writer."""


def options(layout: str) -> dict:
    """Return what the user has to say of a folder."""
    if layout == "tum":
        return {"up": "+z", "intrinsics": CAMERA - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]}
    return {"up": "+z", "fps": FPS}


def steps(depth: np.ndarray, unit_m: float) -> np.ndarray:
    """Return depth as 16-bit PNGs store it."""
    return np.rint(depth / unit_m).astype(np.uint16)


def _pictures(folder: Path, pictures: np.ndarray, name: str, first: int = 0) -> None:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures, first):
        Image.fromarray(picture).save(folder / name.format(number))
