"""ScanNet's `.sens` files: what was written comes back, and damage gives one sentence with the file's name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.scenes.recorded.sens_file import SensFile, read_sens
from tests.scannet_files import COLOR, DEPTH, sens_bytes

COUNT = 3
HEADER = 12 + 15 + 256 + 36
"""Bytes before the first frame."""


def small() -> SimpleNamespace:
    """Frames of noise and steps, as `sens_bytes` takes them."""
    import io

    from PIL import Image

    drawn = np.random.default_rng(0)
    jpegs = []
    for _ in range(COUNT):
        buffer = io.BytesIO()
        Image.fromarray(drawn.integers(0, 256, (COLOR[1], COLOR[0], 3), dtype=np.uint8)).save(buffer, "JPEG", quality=5)
        jpegs.append(buffer.getvalue())
    depth = np.repeat(drawn.integers(500, 4000, (COUNT, DEPTH[1], 1), dtype=np.uint16), DEPTH[0], axis=2)
    frames = [np.array(Image.open(io.BytesIO(data))) for data in jpegs]
    return SimpleNamespace(jpegs=jpegs, depth_mm=depth, times_us=10 + np.arange(COUNT) * 100, frames=frames)


ROOM = small()
POSES = np.stack([np.eye(4), np.full((4, 4), -np.inf), np.eye(4)])
WHOLE = sens_bytes(ROOM, POSES)


def written(data: bytes, folder: Path) -> SensFile:
    (folder / "a.sens").write_bytes(data)
    return read_sens(folder / "a.sens")


@pytest.mark.parametrize(("color_way", "depth_way"), [(2, 1), (0, 0)])
def test_frames_come_back(color_way: int, depth_way: int, tmp_path: Path) -> None:
    found = written(sens_bytes(ROOM, POSES, color_way, depth_way), tmp_path)
    assert np.array_equal(found.poses, POSES) and found.times_s == pytest.approx(ROOM.times_us / 1e6)
    for index in (2, 0, 1):
        assert np.array_equal(found.color(index), ROOM.frames[index])
        assert np.array_equal(np.rint(found.depth(index) * 1000), ROOM.depth_mm[index])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.sens ends in its header; copy"),
        (WHOLE[:100], "a.sens ends in its header"),
        (WHOLE[: HEADER + 20], "a.sens ends in frame 0 of 3"),
        (WHOLE[:-140], "a.sens ends in frame 2 of 3"),
        (sens_bytes(ROOM, POSES, version=3), "a.sens has version 3, and only 4 can be read"),
        (sens_bytes(ROOM, POSES, color_way=-1), "a.sens has colour of compression -1, .* SensReader"),
        (sens_bytes(ROOM, POSES, depth_way=2), "a.sens has depth of compression 2, .* SensReader"),
        (WHOLE[: HEADER - 8] + bytes(8), "a.sens has no frames"),
    ],
)
def test_damage_is_told(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        written(data, tmp_path)


def read_all(data: bytes, folder: Path) -> None:
    """Read everything: rightly, or with a sentence that has the file's name."""
    try:
        found = written(data, folder)
        sizes = (found.color_size, found.depth_size)
        for index in range(len(found.poses)):
            try:
                assert found.color(index).shape == (*sizes[0][::-1], 3)
            except ValueError as error:
                assert f"a.sens, colour of frame {index}" in str(error)
            assert found.depth(index).shape == sizes[1][::-1]
    except ValueError as error:
        assert "a.sens" in str(error) and "\n" not in str(error)


@settings(max_examples=60, deadline=None)
@given(length=st.integers(0, len(WHOLE)))
def test_any_truncation_is_told_or_harmless(length: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    if length < len(WHOLE) - 136:
        with pytest.raises(ValueError, match=r"a\.sens ends in (its header|frame \d of 3)"):
            written(WHOLE[:length], folder)
    else:
        read_all(WHOLE[:length], folder)


@settings(max_examples=200, deadline=None)
@given(
    flips=st.lists(
        st.tuples(st.integers(0, len(WHOLE) - 1) | st.integers(0, HEADER + 96), st.integers(1, 255)), min_size=1
    )
)
def test_flipped_bytes_are_told_or_harmless(
    flips: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(WHOLE)
    for place, bits in flips:
        data[place] ^= bits
    read_all(bytes(data), tmp_path_factory.getbasetemp())
