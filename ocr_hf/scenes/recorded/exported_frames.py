"""The folders that ScanNet's SensReader exports: color/, depth/, pose/ and intrinsic/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_hf.scenes.recorded.frame_files import picture_size, read_depth, read_rgb

FRAMES_PER_SECOND = 30.0
"""Of ScanNet's sensor; the export has no times."""
_UNIT_M = 0.001
_EXPORT = "export the scan again with ScanNet's SensReader"


@dataclass(frozen=True, eq=False)
class ExportedFrames:
    """Exported frames; as `SensFile`, with pictures that are read when they are asked for.

    numbers : (N,) int64, the files' names, ascending
    times_s : (N,) by the sensor's rate
    """

    folder: Path
    numbers: np.ndarray
    color_intrinsics: np.ndarray
    color_extrinsics: np.ndarray
    depth_intrinsics: np.ndarray
    depth_extrinsics: np.ndarray
    color_size: tuple[int, int]
    depth_size: tuple[int, int]
    poses: np.ndarray
    times_s: np.ndarray
    has_depth: bool
    suffix: str
    depth_unit_m = _UNIT_M

    def color(self, index: int) -> np.ndarray:
        """Return a frame's picture, (H, W, 3) uint8; raise ValueError, naming it, where it is damaged."""
        name = f"color/{self.numbers[index]}{self.suffix}"
        return read_rgb(self.folder / name, name)

    def depth(self, index: int) -> np.ndarray:
        """Return a frame's depth, (h, w) float32 metres, 0 = unknown; raise ValueError as `color` does."""
        name = f"depth/{self.numbers[index]}.png"
        depth = read_depth(self.folder / name, name, _UNIT_M)
        if depth.shape[::-1] != self.depth_size:
            width, height = self.depth_size
            raise ValueError(f"{name} is {depth.shape[1]}x{depth.shape[0]}, the first is {width}x{height}; {_EXPORT}")
        return depth


def read_exported(folder: Path) -> ExportedFrames:
    """Read an exported folder: poses and cameras at once, pictures later.

    Args:
        folder: with color/N.jpg (or .png), pose/N.txt and intrinsic/; depth/N.png unless depth/ is missing as a whole.

    Returns:
        Its frames, in the order of their numbers.

    Raises:
        ValueError: in one sentence, a file is missing or not as SensReader writes it.
    """
    found = {suffix: sorted(folder.glob(f"color/*{suffix}")) for suffix in (".jpg", ".png")}
    suffix = ".jpg" if found[".jpg"] else ".png"
    strange = [file.name for file in found[suffix] if not file.stem.isdecimal() or str(int(file.stem)) != file.stem]
    if strange:
        raise ValueError(f"color/{strange[0]} isn't named by a frame's number, such as 12{suffix}; {_EXPORT}")
    numbers = sorted(int(file.stem) for file in found[suffix])
    if not numbers:
        raise ValueError(f"{folder.name}/color has no pictures; {_EXPORT}")
    has_depth = (folder / "depth").is_dir()
    names = [f"pose/{number}.txt" for number in numbers] + [f"depth/{n}.png" for n in numbers if has_depth]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder.name}: {missing[0]} is not there, though its picture is; {_EXPORT}")
    first = f"color/{numbers[0]}{suffix}"
    color_size = picture_size(folder / first, first)
    depth_name = f"depth/{numbers[0]}.png"
    depth_size = picture_size(folder / depth_name, depth_name) if has_depth else color_size
    color = _matrix(folder, "intrinsic/intrinsic_color.txt")
    return ExportedFrames(
        folder=folder,
        numbers=np.array(numbers),
        color_intrinsics=color,
        color_extrinsics=_matrix(folder, "intrinsic/extrinsic_color.txt", np.eye(4)),
        depth_intrinsics=_matrix(folder, "intrinsic/intrinsic_depth.txt") if has_depth else color,
        depth_extrinsics=_matrix(folder, "intrinsic/extrinsic_depth.txt", np.eye(4)),
        color_size=color_size,
        depth_size=depth_size,
        poses=np.stack([_matrix(folder, f"pose/{number}.txt") for number in numbers]),
        times_s=np.array(numbers) / FRAMES_PER_SECOND,
        has_depth=has_depth,
        suffix=suffix,
    )


def _matrix(folder: Path, name: str, default: np.ndarray | None = None) -> np.ndarray:
    """Return the (4, 4) float64 matrix of a text file."""
    path = folder / name
    if not path.is_file():
        if default is not None:
            return default
        raise ValueError(f"{folder.name}: {name} is not there; {_EXPORT}")
    words = path.read_text(encoding="utf-8", errors="replace").split()
    try:
        return np.array(list(map(float, words))).reshape(4, 4)
    except ValueError as error:
        raise ValueError(f"{folder.name}: {name} doesn't hold 4 x 4 numbers; {_EXPORT}") from error
