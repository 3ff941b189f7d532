"""Camera paths written in each format from known poses, as the formats' own tools write them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.camera import rigid_inverse

GL_TO_CV = np.diag([1.0, -1.0, -1.0, 1.0])
WIDTH, HEIGHT, FOCAL = 640, 480, 500.0


def names(count: int) -> list[str]:
    """Image names without leading zeros, so that sorting them as text is wrong from ten on."""
    return [f"images/frame_{number + 1}.png" for number in range(count)]


def _quaternions(poses: np.ndarray) -> np.ndarray:
    """(N, 4) qx qy qz qw."""
    return Rotation.from_matrix(poses[:, :3, :3]).as_quat()


def _row(values: np.ndarray, separator: str = " ") -> str:
    return separator.join(f"{value:.12g}" for value in values)


def write_tum(folder: Path, poses: np.ndarray) -> Path:
    rows = [
        _row([0.05 * i, *pose[:3, 3], *q]) for i, (pose, q) in enumerate(zip(poses, _quaternions(poses), strict=True))
    ]
    return _text(folder / "groundtruth.txt", ["# timestamp tx ty tz qx qy qz qw", *rows])


def write_euroc(folder: Path, poses: np.ndarray) -> Path:
    header = (
        "#timestamp, p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], q_RS_y [], q_RS_z [], "
        "v_RS_R_x [m s^-1], v_RS_R_y [m s^-1], v_RS_R_z [m s^-1], b_w_RS_S_x [rad s^-1], b_w_RS_S_y [rad s^-1], "
        "b_w_RS_S_z [rad s^-1], b_a_RS_S_x [m s^-2], b_a_RS_S_y [m s^-2], b_a_RS_S_z [m s^-2]"
    )
    rows = [
        f"{1403636580838555648 + 50_000_000 * i}," + _row([*pose[:3, 3], q[3], *q[:3], *np.zeros(9)], ",")
        for i, (pose, q) in enumerate(zip(poses, _quaternions(poses), strict=True))
    ]
    return _text(folder / "data.csv", [header, *rows])


def write_kitti(folder: Path, poses: np.ndarray) -> Path:
    return _text(folder / "00.txt", [_row(pose[:3].ravel()) for pose in poses])


def write_matrices(folder: Path, poses: np.ndarray) -> Path:
    return _text(folder / "traj.txt", [_row(pose.ravel()) for pose in poses])


def write_colmap_text(folder: Path, poses: np.ndarray) -> Path:
    inverse = rigid_inverse(poses)
    lines = ["# Image list with two lines of data per image:"]
    for number, (name, pose, q) in enumerate(zip(names(len(poses)), inverse, _quaternions(inverse), strict=True)):
        lines += [f"{number + 1} {_row([q[3], *q[:3], *pose[:3, 3]])} 1 {name}", "1.0 2.0 -1" if number % 2 else ""]
    _text(folder / "cameras.txt", [f"1 SIMPLE_PINHOLE {WIDTH} {HEIGHT} {FOCAL} {WIDTH / 2} {HEIGHT / 2}"])
    return _text(folder / "images.txt", lines).parent


def write_colmap_binary(folder: Path, poses: np.ndarray, model: int = 0, parameters: tuple = ()) -> Path:
    inverse = rigid_inverse(poses)
    data = struct.pack("<Q", len(poses))
    # Backwards, since COLMAP keeps no order.
    for number in reversed(range(len(poses))):
        q = _quaternions(inverse)[number]
        data += struct.pack("<I7dI", number + 1, q[3], *q[:3], *inverse[number, :3, 3], 1)
        data += names(len(poses))[number].encode() + b"\0"
        data += struct.pack("<Q", number % 3) + struct.pack("<ddq", 1.0, 2.0, -1) * (number % 3)
    (folder / "images.bin").write_bytes(data)
    parameters = parameters or (FOCAL, WIDTH / 2, HEIGHT / 2)
    camera = struct.pack(f"<QIiQQ{len(parameters)}d", 1, 1, model, WIDTH, HEIGHT, *parameters)
    (folder / "cameras.bin").write_bytes(camera)
    return folder


def write_nerfstudio(folder: Path, poses: np.ndarray, by_frame: bool = False, **more: object) -> Path:
    camera = {"fl_x": FOCAL, "fl_y": FOCAL, "cx": WIDTH / 2, "cy": HEIGHT / 2, "w": WIDTH, "h": HEIGHT}
    frames = [
        {"file_path": name, "transform_matrix": (pose @ GL_TO_CV).tolist(), **(camera if by_frame else {})}
        for name, pose in zip(names(len(poses)), poses, strict=True)
    ]
    told = {"camera_model": "OPENCV", "k1": 0.0, **({} if by_frame else camera), **more, "frames": frames[::-1]}
    (folder / "transforms.json").write_text(json.dumps(told))
    return folder


def write_instant_ngp(folder: Path, poses: np.ndarray) -> Path:
    angle = 2.0 * np.arctan(WIDTH / 2.0 / FOCAL)
    frames = [
        {"file_path": f"./{name}", "sharpness": 40.0, "transform_matrix": (pose @ GL_TO_CV).tolist()}
        for name, pose in zip(names(len(poses)), poses, strict=True)
    ]
    told = {"camera_angle_x": angle, "w": float(WIDTH), "h": float(HEIGHT), "aabb_scale": 16, "frames": frames}
    path = folder / "transforms.json"
    path.write_text(json.dumps(told))
    return path


def _text(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


WRITERS = {
    "tum": ("tum", write_tum),
    "euroc": ("euroc", write_euroc),
    "kitti": ("kitti", write_kitti),
    "matrices": ("matrices", write_matrices),
    "colmap text": ("colmap", write_colmap_text),
    "colmap binary": ("colmap", write_colmap_binary),
    "nerfstudio": ("nerfstudio", write_nerfstudio),
    "nerfstudio by frame": ("nerfstudio", lambda folder, poses: write_nerfstudio(folder, poses, by_frame=True)),
    "instant-ngp": ("nerfstudio", write_instant_ngp),
}
"""What is written -> the name of its format, and the writer."""
