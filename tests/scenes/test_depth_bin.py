"""ScanNet++'s depth.bin: each packing comes back, and damage gives one sentence with the file's name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.scenes.recorded.depth_bin import HEIGHT, WIDTH, DepthBin, read_depth_bin
from tests.scan_exports import depth_bin

COUNT = 4
MAPS = np.random.default_rng(0).integers(0, 5000, (COUNT, HEIGHT, 1), dtype=np.uint16).repeat(WIDTH, axis=2)
WAYS = ("lz4", "deflate", "whole")
PACKED = {way: depth_bin(MAPS, way) for way in WAYS}


def written(data: bytes, folder: Path) -> DepthBin:
    (folder / "depth.bin").write_bytes(data)
    return read_depth_bin(folder / "depth.bin")


@pytest.mark.parametrize("way", WAYS)
def test_maps_come_back(way: str, tmp_path: Path) -> None:
    found = written(PACKED[way], tmp_path)
    assert (found.places is None) == (way == "whole")
    for numbers in (range(COUNT), [1, 3], [2], [0, 7, 9]):
        for number, depth in zip(numbers, found.maps(numbers), strict=True):
            assert (depth is None) == (number >= COUNT)
            assert depth is None or (depth.dtype == np.float32 and np.abs(depth - MAPS[number] / 1000.0).max() < 1e-6)


def test_what_is_no_depth_is_unknown(tmp_path: Path) -> None:
    metres = np.full((HEIGHT, WIDTH), 1.5, dtype="<f4")
    metres[0, :5] = [np.nan, np.inf, -1.0, 70.0, 0.0]
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    (depth,) = written(packer.compress(metres.tobytes()) + packer.flush(), tmp_path).maps([0])
    assert (depth[0, :5] == 0.0).all() and (depth[1:] == 1.5).all()


def block(data: bytes) -> bytes:
    packed = pyarrow.compress(data, codec="lz4_raw", asbytes=True)
    return struct.pack("<I", len(packed)) + packed


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "depth.bin is empty"),
        (PACKED["lz4"][:-1], "depth.bin ends within frame 3"),
        (PACKED["deflate"][:-1], "depth.bin ends within frame 3"),
        (PACKED["whole"][:-1], "depth.bin ends within frame 4"),
        (PACKED["whole"] + b"more", "has bytes after frame 3"),
        (block(MAPS[0].tobytes()) + block(MAPS[1].tobytes()[:-2]), "depth.bin, frame 1 is neither"),
        (block(MAPS[0].tobytes()) + block(bytes(1 << 24)), "depth.bin, frame 1 "),
        (block(MAPS[0].tobytes()) + struct.pack("<I", 3) + b"abc", "depth.bin, frame 1 "),
        (b"ply\nformat binary", "depth.bin begins with none of LZ4 blocks"),
    ],
)
def test_damage_is_told(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        list(written(data, tmp_path).maps(range(COUNT + 1)))


@settings(max_examples=60, deadline=None)
@given(way=st.sampled_from(WAYS), choice=st.data())
def test_any_damage_is_told_or_harmless(
    way: str, choice: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(PACKED[way])
    for place in choice.draw(st.lists(st.integers(0, len(data) - 1), max_size=5)):
        data[place] ^= choice.draw(st.integers(1, 255))
    del data[choice.draw(st.integers(0, len(data))) :]
    try:
        for depth in written(bytes(data), tmp_path_factory.getbasetemp()).maps(range(COUNT + 1)):
            assert depth is None or depth.shape == (HEIGHT, WIDTH)
    except ValueError as error:
        assert "depth.bin" in str(error) and "\n" not in str(error)
