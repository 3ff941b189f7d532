"""ScanNet's `.sens` files, version 4: headers of all frames at once, pictures and depth one frame at a time.

Little endian and packed, as ScanNet's SensReader writes it: header; for each frame its pose, times and sizes, then that
many bytes of colour and of depth; then inertial measurements, which aren't read.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ocr_hf.scenes.recorded.frame_files import picture_size, read_rgb

VERSION = 4
RAW, PNG, JPEG = 0, 1, 2
"""Compressions of colour."""
RAW_DEPTH, ZLIB_DEPTH = 0, 1
"""Compressions of depth that are read; 2 is Occipital's own."""
MOST_PIXELS = 16384
"""A side of more pixels is damage, not a camera."""
_START = struct.Struct("<IQ")
_HEADER = struct.Struct("<64f2i4IfQ")
"""Four matrices (colour: intrinsic, extrinsic; depth: the same), compressions, sizes, depth shift, number of frames."""
_FRAME = struct.Struct("<16f4Q")
"""Pose, times of colour and depth in microseconds, bytes of colour and depth."""
_NEW_COPY = "copy or download it again"


@dataclass(frozen=True, eq=False)
class SensFile:
    """A `.sens` file whose pictures are decoded when they are asked for.

    color_intrinsics, depth_intrinsics : (4, 4) float64, pixels, the first pixel's centre at 0
    color_extrinsics, depth_extrinsics : (4, 4) float64
    color_size, depth_size : (width, height)
    depth_unit_m : metres of one unit of depth
    poses : (N, 4, 4) float64, camera to world, OpenCV axes, metres; not finite where tracking was lost
    times_s : (N,) float64, of colour, as the sensor told them
    """

    path: Path
    color_intrinsics: np.ndarray
    color_extrinsics: np.ndarray
    depth_intrinsics: np.ndarray
    depth_extrinsics: np.ndarray
    color_compression: int
    depth_compression: int
    color_size: tuple[int, int]
    depth_size: tuple[int, int]
    depth_unit_m: float
    poses: np.ndarray
    times_s: np.ndarray
    places: np.ndarray
    """(N, 3) int64: where a frame's colour begins in the file, bytes of colour, bytes of depth."""
    has_depth = True

    @property
    def numbers(self) -> np.ndarray:
        """(N,) int64, by which other files call the frames."""
        return np.arange(len(self.poses))

    def color(self, index: int) -> np.ndarray:
        """Return a frame's picture, (H, W, 3) uint8; raise ValueError, naming file and frame, where it is damaged."""
        begin, size, _ = self.places[index].tolist()
        data, where = self._bytes(begin, size), f"{self.path.name}, colour of frame {index}"
        width, height = self.color_size
        if self.color_compression == RAW:
            return _raw(data, where, (height, width, 3), np.uint8)
        found = picture_size(io.BytesIO(data), where)
        if found != self.color_size:
            raise ValueError(f"{where} is {found[0]}x{found[1]}, its header says {width}x{height}; {_NEW_COPY}")
        return read_rgb(io.BytesIO(data), where)

    def depth(self, index: int) -> np.ndarray:
        """Return a frame's depth, (h, w) float32 metres, 0 = unknown; raise ValueError as `color` does."""
        begin, before, size = self.places[index].tolist()
        data, where = self._bytes(begin + before, size), f"{self.path.name}, depth of frame {index}"
        width, height = self.depth_size
        if self.depth_compression == ZLIB_DEPTH:
            try:
                # One byte more than there should be: a small block must not fill the memory
                data = zlib.decompressobj().decompress(data, 2 * width * height + 1)
            except zlib.error as error:
                raise ValueError(f"{where} is damaged ({error}); {_NEW_COPY}") from error
        return (_raw(data, where, (height, width), np.dtype("<u2")) * self.depth_unit_m).astype(np.float32)

    def _bytes(self, begin: int, size: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(begin)
            return file.read(size)


def read_sens(path: Path) -> SensFile:
    """Read the headers of a `.sens` file; the pictures between them are passed over.

    Args:
        path: of the file; messages have its name alone.

    Returns:
        The file, about 250 bytes of memory a frame.

    Raises:
        ValueError: in one sentence with the file's name: it ends early (in which frame), has another version or an
            unknown compression, or a header that no camera has.
        FileNotFoundError: there is no such file.
    """
    where = path.name
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        version, name_length = _START.unpack(_take(file, _START.size, where, "its header"))
        if version != VERSION:
            raise ValueError(f"{where} has version {version}, and only {VERSION} can be read; {_NEW_COPY}")
        if name_length > size - file.tell():
            raise _ends(where, "its header")
        file.seek(name_length, os.SEEK_CUR)
        *numbers, color_way, depth_way, color_w, color_h, depth_w, depth_h, shift, count = _HEADER.unpack(
            _take(file, _HEADER.size, where, "its header")
        )
        matrices = np.array(numbers, dtype=np.float64).reshape(4, 4, 4)
        _check_header(where, matrices, (color_way, depth_way), (color_w, color_h, depth_w, depth_h), shift)
        poses, times, places = [], [], []
        for index in range(count):
            place = f"frame {index} of {count}"
            *pose, time, _, color_bytes, depth_bytes = _FRAME.unpack(_take(file, _FRAME.size, where, place))
            begin = file.tell()
            if color_bytes + depth_bytes > size - begin:
                raise _ends(where, place)
            file.seek(color_bytes + depth_bytes, os.SEEK_CUR)
            poses.append(np.array(pose, dtype=np.float64).reshape(4, 4))
            times.append(time / 1e6)
            places.append((begin, color_bytes, depth_bytes))
    if not poses:
        raise ValueError(f"{where} has no frames; {_NEW_COPY}")
    return SensFile(
        path,
        *matrices,
        color_way,
        depth_way,
        (color_w, color_h),
        (depth_w, depth_h),
        1.0 / shift,
        np.stack(poses),
        np.array(times),
        np.array(places, dtype=np.int64),
    )


def _check_header(
    where: str, matrices: np.ndarray, compressions: tuple[int, int], sides: tuple[int, ...], shift: float
) -> None:
    if compressions[0] not in (RAW, PNG, JPEG):
        raise ValueError(
            f"{where} has colour of compression {compressions[0]}, and only raw ({RAW}), PNG ({PNG}) and JPEG ({JPEG}) "
            "can be read; export it to color/, depth/, pose/ and intrinsic/ with ScanNet's SensReader"
        )
    if compressions[1] not in (RAW_DEPTH, ZLIB_DEPTH):
        raise ValueError(
            f"{where} has depth of compression {compressions[1]}, and only raw ({RAW_DEPTH}) and zlib ({ZLIB_DEPTH}) "
            "can be read; export it to color/, depth/, pose/ and intrinsic/ with ScanNet's SensReader"
        )
    if not all(1 <= side <= MOST_PIXELS for side in sides):
        raise ValueError(
            f"{where} declares colour of {sides[0]}x{sides[1]} and depth of {sides[2]}x{sides[3]} pixels; {_NEW_COPY}"
        )
    if not (np.isfinite(shift) and 1.0 <= shift <= 1e6):
        raise ValueError(f"{where} has depth shift {shift:g}, ScanNet's is 1000 units a metre; {_NEW_COPY}")
    if not np.isfinite(matrices).all():
        raise ValueError(f"{where} has intrinsics or extrinsics that aren't finite; {_NEW_COPY}")


def _take(file: BinaryIO, size: int, where: str, place: str) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise _ends(where, place)
    return data


def _ends(where: str, place: str) -> ValueError:
    return ValueError(f"{where} ends in {place}; {_NEW_COPY}")


def _raw(data: bytes, where: str, shape: tuple[int, ...], kind: type | np.dtype) -> np.ndarray:
    wanted = int(np.prod(shape)) * np.dtype(kind).itemsize
    if len(data) != wanted:
        told = f"more than {wanted}" if len(data) > wanted else str(len(data))
        raise ValueError(f"{where} has {told} bytes, its header promises {wanted}; {_NEW_COPY}")
    return np.frombuffer(data, dtype=kind).reshape(shape)
