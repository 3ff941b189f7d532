"""ScanNet++'s `depth.bin`: depth maps of an iPhone's sensor, in whichever of three ways a scene has them packed.

u32 length + LZ4 block         16-bit millimetres, a block a frame
u32 length + raw DEFLATE       32-bit float metres, a block a frame
raw DEFLATE                    32-bit float metres, all frames in one
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow

WIDTH, HEIGHT = 256, 192
NEW_COPY = "copy or download it again"
_LENGTH = struct.Struct("<I")
_PIXELS = WIDTH * HEIGHT
_MOST_M = 65.535
"""What 16 bits of millimetres hold."""


@dataclass(frozen=True, eq=False)
class DepthBin:
    """Depth maps that are unpacked when they are asked for.

    places : (N, 2) int64, where each frame's block begins and its bytes; None where all frames are in one
    """

    path: Path
    places: np.ndarray | None

    def maps(self, numbers: Sequence[int]) -> Iterator[np.ndarray | None]:
        """Yield depth (192, 256) float32 metres, 0 = unknown, of frames by ascending number; None past the last.

        Raises ValueError, naming file and frame, for a damaged one.
        """
        if self.places is None:
            yield from self._streamed(numbers)
            return
        with self.path.open("rb") as file:
            for number in numbers:
                if number >= len(self.places):
                    yield None
                    continue
                begin, size = self.places[number].tolist()
                file.seek(begin)
                yield _unpacked(file.read(size), f"{self.path.name}, frame {number}")

    def _streamed(self, numbers: Sequence[int]) -> Iterator[np.ndarray | None]:
        frames = enumerate(_inflated(self.path))
        at, depth = -1, None
        for wanted in numbers:
            while at < wanted:
                at, depth = next(frames, (wanted, None))
            yield depth


def read_depth_bin(path: Path) -> DepthBin:
    """Find out how a `depth.bin` is packed, and where its frames are.

    Args:
        path: of the file; messages have its name alone.

    Returns:
        The file, 16 bytes of memory a frame.

    Raises:
        ValueError: it is in none of the three ways, or ends within a frame.
    """
    size = path.stat().st_size
    if not size:
        raise ValueError(f"{path.name} is empty; {NEW_COPY}")
    places, whole = _blocks(path, size)
    first = f"{path.name}, frame 0"
    if places:
        try:
            with path.open("rb") as file:
                file.seek(places[0][0])
                _unpacked(file.read(places[0][1]), first)
        except ValueError:
            places = []
    if not places:
        # A stream of all frames has no lengths: what looks like them is chance
        try:
            next(_inflated(path))
        except ValueError as error:
            raise ValueError(
                f"{path.name} begins with none of LZ4 blocks, DEFLATE blocks and one DEFLATE stream of {WIDTH}x"
                f"{HEIGHT} depth maps; {NEW_COPY}"
            ) from error
        return DepthBin(path, None)
    if not whole:
        raise ValueError(f"{path.name} ends within frame {len(places)}; {NEW_COPY}")
    return DepthBin(path, np.array(places, dtype=np.int64))


def _blocks(path: Path, size: int) -> tuple[list[tuple[int, int]], bool]:
    """Return (begin, bytes) of the blocks that the lengths in a file tell, and whether they end where it does."""
    places, at = [], 0
    with path.open("rb") as file:
        while at + _LENGTH.size <= size:
            file.seek(at)
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            at += _LENGTH.size
            if length == 0 or at + length > size:
                return places, False
            places.append((at, length))
            at += length
    return places, at == size


def _unpacked(block: bytes, where: str) -> np.ndarray:
    """Return the depth of one block."""
    raw = _lz4(block, 2 * _PIXELS)
    # Arrow doesn't tell how much came out, and leaves the rest as it was: what also fits in less is too short
    if raw is not None and _lz4(block, 2 * _PIXELS - 1) is None:
        return (np.frombuffer(raw, dtype="<u2") / np.float32(1000.0)).reshape(HEIGHT, WIDTH)
    try:
        # One byte more than there should be: a small block must not fill the memory
        raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(block, 4 * _PIXELS + 1)
    except zlib.error as error:
        raise ValueError(f"{where} is neither an LZ4 nor a DEFLATE block ({error}); {NEW_COPY}") from error
    if len(raw) != 4 * _PIXELS:
        raise ValueError(f"{where} unpacks to {len(raw)} bytes, {WIDTH}x{HEIGHT} floats have {4 * _PIXELS}; {NEW_COPY}")
    return _metres(raw)


def _lz4(block: bytes, size: int) -> bytes | None:
    """Return an LZ4 block unpacked, None where it is none or unpacks to more than `size`."""
    try:
        return pyarrow.decompress(block, decompressed_size=size, codec="lz4_raw", asbytes=True)
    except (OSError, ValueError):
        return None


def _inflated(path: Path) -> Iterator[np.ndarray]:
    """Yield the depth of all frames of a file that is one DEFLATE stream."""
    size, where, number = 4 * _PIXELS, path.name, 0
    inflate, raw = zlib.decompressobj(-zlib.MAX_WBITS), b""
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        try:
            while not inflate.eof:
                packed = inflate.unconsumed_tail or file.read(1 << 16)
                left -= 0 if inflate.unconsumed_tail else len(packed)
                more = inflate.decompress(packed, size)
                if not packed and not more:
                    raise ValueError(f"{where} ends within frame {number}; {NEW_COPY}")
                raw += more
                while len(raw) >= size:
                    yield _metres(raw[:size])
                    raw, number = raw[size:], number + 1
        except zlib.error as error:
            raise ValueError(f"{where} is damaged at frame {number} ({error}); {NEW_COPY}") from error
    if raw or left or inflate.unused_data:
        raise ValueError(f"{where} has bytes after frame {number - 1} that are no frame; {NEW_COPY}")


def _metres(raw: bytes) -> np.ndarray:
    depth = np.frombuffer(raw, dtype="<f4").reshape(HEIGHT, WIDTH)
    # What 16 bits can't hold is no depth of a room
    return np.where(np.isfinite(depth) & (depth > 0.0) & (depth <= _MOST_M), depth, np.float32(0.0))
