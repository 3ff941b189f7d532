"""Camera paths that users bring: a table of formats, one function each, and how a file's format is found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ocr_hf.scenes.cameras.colmap import read_colmap
from ocr_hf.scenes.cameras.pose_lines import (
    MATRIX_COLUMNS,
    first_line,
    quaternion_order,
    read_euroc,
    read_kitti,
    read_matrices,
    read_tum,
)
from ocr_hf.scenes.cameras.trajectory import Trajectory
from ocr_hf.scenes.cameras.transforms_json import read_transforms

__all__ = ["AUTO", "AXES", "FORMATS", "Trajectory", "find_format", "read_trajectory"]

AUTO = "auto"
AXES = ("opencv", "opengl")
"""Camera axes: x right, y down, z forward; or x right, y up, z backward."""
_GL_TO_CV = np.diag([1.0, -1.0, -1.0, 1.0])
NANOSECONDS = 1e11
"""Time stamps above this are nanoseconds: as seconds they would lie in the year 5138."""


@dataclass(frozen=True)
class TrajectoryFormat:
    """One row of the table: what a file holds, the camera axes that the format means, and its reader."""

    about: str
    axes: str
    read: Callable[[Path], Trajectory]


FORMATS = {
    "tum": TrajectoryFormat("lines `timestamp tx ty tz qx qy qz qw`, seconds, camera to world", "opencv", read_tum),
    "euroc": TrajectoryFormat(
        "CSV `timestamp,px,py,pz,qw,qx,qy,qz,...`, nanoseconds, body to world", "opencv", read_euroc
    ),
    "kitti": TrajectoryFormat("12 numbers a line, the upper 3 x 4 of camera to world", "opencv", read_kitti),
    "matrices": TrajectoryFormat("16 numbers a line, or 4 lines of 4, camera to world", "opencv", read_matrices),
    "colmap": TrajectoryFormat("a COLMAP model, text or binary, world to camera", "opencv", read_colmap),
    "nerfstudio": TrajectoryFormat(
        "transforms.json of nerfstudio and instant-ngp, camera to world", "opengl", read_transforms
    ),
}


def read_trajectory(path: Path | str, format: str = "tum", axes: str | None = None) -> Trajectory:
    """Read a camera path.

    Args:
        path: A file, or for COLMAP and nerfstudio also the folder that holds it.
        format: A name in `FORMATS`, or "auto" to find it out.
        axes: Camera axes of the file, "opencv" or "opengl"; None for those of the format.

    Returns:
        The path, converted to OpenCV axes. Images are in the natural order of their names (frame_2 before frame_10),
        poses with time stamps in the order of time. Positions stay in the file's world and units.

    Raises:
        FileNotFoundError: Where there is no such file.
        ValueError: Naming file and line, for anything that is not a finite rigid motion, for a camera with lens
            distortion, and for a file that "auto" can't tell.
    """
    path = Path(path)
    if format != AUTO and format not in FORMATS:
        raise ValueError(f"trajectory format is '{format}'; give one of {AUTO}, {', '.join(FORMATS)}")
    if axes is not None and axes not in AXES:
        raise ValueError(f"camera axes are '{axes}'; give one of {', '.join(AXES)}")
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; give the path of a trajectory file")
    row = FORMATS[find_format(path) if format == AUTO else format]
    found = row.read(path)
    if (axes or row.axes) == "opengl":
        found = replace(found, camera_to_world=found.camera_to_world @ _GL_TO_CV)
    return found


def find_format(path: Path) -> str:
    """Return the name of a file's or folder's format; raise ValueError naming the candidates where it isn't clear."""
    if path.is_dir():
        holds = {
            "colmap": any((path / name).is_file() for name in ("images.txt", "images.bin")),
            "nerfstudio": (path / "transforms.json").is_file(),
        }
        return _the_one(path, [name for name, there in holds.items() if there])
    if path.suffix == ".json":
        return "nerfstudio"
    if path.name in ("images.bin", "images.txt"):
        return "colmap"
    header, line = first_line(path)
    words = line.replace(",", " ").split()
    if len(words) in MATRIX_COLUMNS:
        return MATRIX_COLUMNS[len(words)]
    # EuRoC's ground truth: time, position, quaternion, velocity and two biases are 17 columns.
    if len(words) == 17 and "," in line:
        return "euroc"
    if len(words) == 8:
        return _tum_or_euroc(path, header, line, words)
    return _the_one(path, [])


def _tum_or_euroc(path: Path, header: str, line: str, words: list[str]) -> str:
    """Tell two formats of 8 columns apart: the quaternion's order can't be seen, what comes with it can."""
    signs = {"commas" if "," in line else "spaces": "euroc" if "," in line else "tum"}
    try:
        late = float(words[0]) > NANOSECONDS
    except ValueError:
        return _the_one(path, [])
    signs["time stamps in nanoseconds" if late else "time stamps in seconds"] = "euroc" if late else "tum"
    first = quaternion_order(header)
    if first is not None:
        signs[f"q{first} first in the header"] = "euroc" if first == "w" else "tum"
    if len(set(signs.values())) > 1:
        seen = ", ".join(f"{sign} as in {name}" for sign, name in signs.items())
        raise ValueError(
            f"{path} could be tum or euroc ({seen}); say which with --trajectory-format tum (qx qy qz qw) or euroc "
            "(qw qx qy qz)"
        )
    return next(iter(signs.values()))


def _the_one(path: Path, candidates: list[str]) -> str:
    if len(candidates) == 1:
        return candidates[0]
    could = f"could be {' or '.join(candidates)}" if candidates else "is in none of the formats that can be told apart"
    raise ValueError(f"{path} {could}; say which with --trajectory-format {', '.join(candidates or FORMATS)}")
