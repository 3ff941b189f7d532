"""Trajectories: what is written comes back, and mistakes name file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.camera import rigid_inverse
from ocr_hf.scenes.cameras.trajectories import read_trajectory


def random_poses(count: int, seed: int) -> np.ndarray:
    """Return (count, 4, 4) random rigid motions."""
    rng = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, random_state=seed).as_matrix()
    poses[:, :3, 3] = rng.uniform(-5.0, 5.0, (count, 3))
    return poses


def write(folder: Path, text: str, name: str = "path.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def tum_text(poses: np.ndarray) -> str:
    quaternions = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
    rows = [
        " ".join(f"{value:.12g}" for value in (0.1 * i, *pose[:3, 3], *quaternion))
        for i, (pose, quaternion) in enumerate(zip(poses, quaternions, strict=True))
    ]
    return "# timestamp tx ty tz qx qy qz qw\n" + "\n".join(rows) + "\n"


def colmap_text(poses: np.ndarray) -> str:
    lines = ["# Image list with two lines of data per image:"]
    # Written backwards: the reader must sort by name.
    for i in reversed(range(len(poses))):
        inverse = rigid_inverse(poses[i])
        x, y, z, w = Rotation.from_matrix(inverse[:3, :3]).as_quat()
        values = " ".join(f"{value:.12g}" for value in (w, x, y, z, *inverse[:3, 3]))
        lines += [f"{i + 1} {values} 1 frame {i:04d}.png", "1.0 2.0 -1 3.0 4.0 7" if i % 2 else ""]
    return "\n".join(lines) + "\n"


@given(st.integers(1, 6), st.integers(0, 2**31 - 1))
def test_every_format_returns_the_poses_written(tmp_path_factory, count, seed):
    folder = tmp_path_factory.mktemp("trajectory")
    poses = random_poses(count, seed)
    one_line = "\n".join(" ".join(f"{v:.12g}" for v in pose.ravel()) for pose in poses)
    four_lines = "\n\n".join("\n".join(" ".join(f"{v:.12g}" for v in row) for row in pose) for pose in poses)
    texts = {
        "tum": tum_text(poses),
        "matrices": one_line,
        "colmap": colmap_text(poses),
    }
    for format, text in texts.items():
        found = read_trajectory(write(folder, text, f"{format}.txt"), format)
        np.testing.assert_allclose(found.camera_to_world, poses, atol=1e-9)
    found = read_trajectory(write(folder, four_lines), "matrices")
    np.testing.assert_allclose(found.camera_to_world, poses, atol=1e-9)
    tum = read_trajectory(folder / "tum.txt")
    np.testing.assert_allclose(tum.timestamps_s, 0.1 * np.arange(count))
    colmap = read_trajectory(folder / "colmap.txt", "colmap")
    assert colmap.names == tuple(f"frame {i:04d}.png" for i in range(count))


def test_a_tum_quaternion_turns_the_camera_as_the_format_says(tmp_path):
    # A quarter turn about z takes the camera's x axis to the world's y axis.
    half = np.sqrt(0.5)
    pose = read_trajectory(write(tmp_path, f"0 1 2 3 0 0 {half} {half}\n")).camera_to_world[0]
    np.testing.assert_allclose(pose[:3, 0], [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 3], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("line", "matrix"),
    [
        ("1 SIMPLE_PINHOLE 640 480 500 320 240", (500.0, 500.0, 320.0, 240.0)),
        ("1 PINHOLE 640 480 500 510 320 240", (500.0, 510.0, 320.0, 240.0)),
        ("1 OPENCV 640 480 500 510 320 240 0 0 0 0", (500.0, 510.0, 320.0, 240.0)),
    ],
)
def test_colmap_cameras_give_the_intrinsics(tmp_path, line, matrix):
    write(tmp_path, f"# cameras\n2 PINHOLE 10 10 1 1 1 1\n{line}\n", "cameras.txt")
    write(tmp_path, colmap_text(random_poses(2, 0)), "images.txt")
    found = read_trajectory(tmp_path, "colmap")
    fx, fy, cx, cy = matrix
    np.testing.assert_array_equal(found.intrinsics, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    assert (found.width, found.height) == (640, 480)


@pytest.mark.parametrize(
    ("cameras", "message"),
    [
        ("1 OPENCV 640 480 500 510 320 240 0.1 0 0 0", "line 1.*distortion.*undistort"),
        ("1 FISHEYE 640 480 500", "line 1.*FISHEYE"),
        ("1 OPENCV_FISHEYE 640 480 500 500 320 240 0 0 0 0", "line 1.*OPENCV_FISHEYE.*image_undistorter"),
        ("1 PINHOLE 640 480 500 510 320", "line 1.*5 values"),
        ("1 PINHOLE 640 480 0 510 320 240", "line 1.*singular"),
        ("3 PINHOLE 640 480 500 510 320 240", "no camera 1"),
    ],
)
def test_unusable_colmap_cameras_are_refused(tmp_path, cameras, message):
    write(tmp_path, cameras, "cameras.txt")
    write(tmp_path, colmap_text(random_poses(1, 0)), "images.txt")
    with pytest.raises(ValueError, match=message):
        read_trajectory(tmp_path, "colmap")


@pytest.mark.parametrize(
    ("format", "text", "message"),
    [
        ("tum", "# nothing\n", "path.txt holds no pose"),
        ("tum", "0 0 0 0 0 0 0 1\n1 0 0 0 0 0 0\n", "line 2: 7 values"),
        ("tum", "0 0 0 0 0 0 0 1\n\n1 nan 0 0 0 0 0 1\n", "line 3: 'nan' is not a finite number"),
        ("tum", "0 0 0 0 0 0 0 1\n0 0 0 0 0 0 0 1\n", "line 2: timestamp 0.0 does not follow 0.0"),
        ("tum", "5 0 0 0 0 0 0 1\n4 0 0 0 0 0 0 1\n", "line 2: timestamp 4.0 does not follow 5.0.*each clock's"),
        (
            "tum",
            "".join(f"{t} 0 0 0 0 0 0 1\n" for t in (0.0, 0.1, 0.2, 1403636579.1, 1403636579.2)),
            "line 4: timestamp 1403636579.1 comes .* s after 0.2, where others come after 0.1 s .two clocks",
        ),
        ("tum", "# timestamp tx ty tz qw qx qy qz\n0 0 0 0 1 0 0 0\n", "names qw first, tum has .*euroc"),
        ("tum", "1 0 0 0 0 1 0 0 0 0 1 0\n", "line 1: 12 values; give .*--trajectory-format kitti"),
        ("tum", ",".join(["0"] * 17), "line 1: 17 values; give .*--trajectory-format euroc"),
        ("euroc", "#t, x, y, z, qx, qy, qz, qw\n0,0,0,0,0,0,0,1\n", "names qx first, euroc has .*tum"),
        ("euroc", "1,0,0,0,1,0,0\n", "line 1: 7 values"),
        ("euroc", "2,0,0,0,1,0,0,0\n1,0,0,0,1,0,0,0\n", "line 2: timestamp .* does not follow"),
        ("kitti", "1 0 0 0 0 1 0 0 0 0 1\n", "line 1: 11 values"),
        ("kitti", "1 0 0 0 0 1 0 0 0 0 3 0\n", "line 1: .*not a rigid motion"),
        ("tum", "0 0 0 0 1 0 0 1\n", "line 1: the quaternion's length is 1.414"),
        ("matrices", "1 0 0 0\n0 1 0 0\n0 0 1 0\n", "line 1: a matrix begins but only 3"),
        ("matrices", "1 0 0 0\n0 1 0 0\n0 0 2 0\n0 0 0 1\n", "line 1: .*not a rigid motion"),
        ("matrices", "1 0 0 0 0\n", "line 1: 5 values"),
        ("matrices", "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 inf\n", "line 1: 'inf'"),
        ("colmap", "1 1 0 0 0 0 0 0\n\n", "line 1: 8 words"),
        ("colmap", "1 1 0 0 0 0 0 0 1 a.png\n\n2 1 0 0 0 0 0 0 1 a.png\n\n", "line 3: image 'a.png' is there twice"),
        ("bvh", "", "format is 'bvh'"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path, format, text, message):
    with pytest.raises(ValueError, match=message):
        read_trajectory(write(tmp_path, text), format)


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not there"):
        read_trajectory(tmp_path / "none.txt")
    path = tmp_path / "binary.txt"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match="no text file"):
        read_trajectory(path)
    with pytest.raises(ValueError, match="is a folder"):
        read_trajectory(tmp_path, "kitti")
    with pytest.raises(FileNotFoundError, match=r"neither images\.txt nor images\.bin"):
        read_trajectory(tmp_path, "colmap")
    with pytest.raises(ValueError, match="camera axes are 'y-up'; give one of opencv, opengl"):
        read_trajectory(path, "tum", "y-up")
