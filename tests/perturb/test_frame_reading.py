"""Frames out of video columns and into them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ocr_hf.perturb.frames import encode_lossless
from ocr_hf.video.read import read_frames


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 18, 33, 3), dtype=np.uint8)  # an odd width on purpose


def test_lossless_video_gives_every_pixel_and_time_back(frames, tmp_path):
    data = encode_lossless(frames, 8.0)
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    for source in (data, path, str(path), {"path": str(path), "bytes": None}, {"path": None, "bytes": data}):
        decoded, times = read_frames(source)
        np.testing.assert_array_equal(decoded, frames)
        np.testing.assert_allclose(times, np.arange(5) / 8.0)
    assert encode_lossless(frames, 8.0) == data


def test_any_frames_in_any_order(frames):
    decoded, times = read_frames(encode_lossless(frames, 4.0), [3, 0, 3])
    np.testing.assert_array_equal(decoded, frames[[3, 0, 3]])
    np.testing.assert_allclose(times, [0.75, 0.0, 0.75])
    decoded, times = read_frames(frames, [4, 1])
    np.testing.assert_array_equal(decoded, frames[[4, 1]])
    assert np.isnan(times).all()


def test_torchcodec_decoders_give_the_same_frames(frames):
    decoders = pytest.importorskip("torchcodec.decoders", exc_type=(ImportError, RuntimeError))
    data = encode_lossless(frames, 8.0)
    for indices in (None, [2, 0]):
        decoded, times = read_frames(decoders.VideoDecoder(data), indices)
        expected, expected_times = read_frames(data, indices)
        np.testing.assert_array_equal(decoded, expected)
        np.testing.assert_allclose(times, expected_times)


def test_a_file_that_is_cut_off_is_named_with_the_frame(frames, tmp_path):
    path: Path = tmp_path / "cut.mp4"
    whole = encode_lossless(np.repeat(frames, 20, axis=0), 8.0)
    moved = _index_first(whole, tmp_path)
    path.write_bytes(moved[: len(moved) * 2 // 3])
    with pytest.raises(ValueError, match=r"cut\.mp4 .*frame \d+"):
        read_frames(path)
    path.write_bytes(whole[:100])
    with pytest.raises(ValueError, match=r"cut\.mp4.*frame 0"):
        read_frames(path)


def _index_first(data: bytes, folder: Path) -> bytes:
    """Return the file with its index before the pictures, so that a cut leaves it readable."""
    import av

    source, target = folder / "whole.mp4", folder / "fast.mp4"
    source.write_bytes(data)
    with av.open(str(source)) as reader, av.open(str(target), "w", options={"movflags": "+faststart"}) as writer:
        stream = writer.add_stream_from_template(reader.streams.video[0])
        for packet in reader.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                writer.mux(packet)
    return target.read_bytes()


def test_what_is_no_video_is_refused(frames):
    with pytest.raises(IndexError, match="has no frame 9"):
        read_frames(encode_lossless(frames, 8.0), [0, 9])
    with pytest.raises(IndexError, match="has no frame 5"):
        read_frames(frames, [5])
    with pytest.raises(TypeError, match="can't read a video from int"):
        read_frames(7)
    with pytest.raises(TypeError, match="give \\(T, H, W, 3\\) uint8"):
        read_frames(frames.astype(np.float32))
    with pytest.raises(ValueError, match="both must be above 0"):
        encode_lossless(frames, 0.0)
