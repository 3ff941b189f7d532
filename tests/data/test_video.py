"""MP4 in and out: the right frame, the same bytes, errors that name file and frame."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.data.video import VideoError, probe, read_frames, uniform_indices, write_mp4


def numbered_frames(count: int = 40, height: int = 48, width: int = 64) -> np.ndarray:
    """(T, H, W, 3) grey frames whose level tells their number."""
    levels = 20 + 5 * np.arange(count, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def numbers(frames: np.ndarray) -> list[int]:
    return np.rint((frames.mean(axis=(1, 2, 3)) - 20) / 5).astype(int).tolist()


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "numbered.mp4"
    write_mp4(path, numbered_frames(), fps=2.5)
    return path


def test_every_frame_comes_back_with_its_time(video: Path) -> None:
    frames, times = read_frames(video)
    assert numbers(frames) == list(range(40))
    np.testing.assert_allclose(times, np.arange(40) / 2.5, atol=1e-4)
    info = probe(video)
    assert (info.num_frames, info.width, info.height, info.fps) == (40, 64, 48, 2.5)
    assert info.duration_s == pytest.approx(16.0)


def test_indices_in_any_order_with_repeats(video: Path) -> None:
    wanted = [39, 0, 17, 17, 15, 16]
    frames, times = read_frames(video, wanted)
    everything, _ = read_frames(video)
    np.testing.assert_array_equal(frames, everything[wanted])
    np.testing.assert_allclose(times, np.array(wanted) / 2.5, atol=1e-4)


def test_path_bytes_dict_and_decoder_agree_bit_for_bit(video: Path) -> None:
    decoders = pytest.importorskip("torchcodec.decoders")
    wanted = [3, 30, 8]
    expected, times = read_frames(video, wanted)
    data = video.read_bytes()
    sources = [str(video), data, {"path": str(video), "bytes": None}, {"path": None, "bytes": data}]
    sources += [decoders.VideoDecoder(data), decoders.VideoDecoder(str(video), dimension_order="NHWC")]
    for source in sources:
        frames, seconds = read_frames(source, wanted)
        np.testing.assert_array_equal(frames, expected)
        np.testing.assert_allclose(seconds, times, atol=1e-4)
        assert probe(source) == probe(video)


def test_other_peoples_files_with_b_frames_and_long_groups(tmp_path: Path) -> None:
    path = tmp_path / "foreign.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30), options={"bf": "3", "g": "250", "crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for pixels in numbered_frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    frames, times = read_frames(path, [35, 1, 20])
    assert numbers(frames) == [35, 1, 20]
    np.testing.assert_allclose(times, np.array([35, 1, 20]) / 30, atol=1e-4)


def test_bytes_are_a_function_of_the_frames(tmp_path: Path, video: Path) -> None:
    write_mp4(tmp_path / "again.mp4", numbered_frames(), fps=2.5)
    assert (tmp_path / "again.mp4").read_bytes() == video.read_bytes()
    assert [item.name for item in tmp_path.iterdir()] == ["again.mp4"]


def test_smooth_content_survives_the_codec(tmp_path: Path) -> None:
    row, column = np.mgrid[0:96, 0:128]
    still = np.stack([column * 1.5 + 20, row * 2.0 + 20, 128 + 60 * np.sin(column / 20)], axis=-1)
    frames = np.stack([np.roll(still, 2 * t, axis=0) for t in range(6)]).astype(np.uint8)
    write_mp4(tmp_path / "smooth.mp4", frames, fps=2.0)
    assert psnr(read_frames(tmp_path / "smooth.mp4")[0], frames) > 40.0


def test_plays_in_a_browser(video: Path) -> None:
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.start_time) == ("h264", "yuv420p", 0)
    data = video.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index must come first, or a stream can't start early"


@pytest.mark.parametrize("kept", [0, 100, 0.3, 0.999])
def test_a_cut_file_names_itself_and_the_frame(video: Path, tmp_path: Path, kept: float) -> None:
    data = video.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: int(kept if kept >= 1 else kept * len(data))])
    with pytest.raises(VideoError, match=r"cut\.mp4.*frame \d+"):
        read_frames(cut)


def test_unusable_input_is_refused(tmp_path: Path, video: Path) -> None:
    path = tmp_path / "x.mp4"
    with pytest.raises(ValueError, match="even sides"):
        write_mp4(path, numbered_frames(height=47), 2.0)
    with pytest.raises(ValueError, match="uint8"):
        write_mp4(path, numbered_frames().astype(np.float32), 2.0)
    with pytest.raises(ValueError, match="fps is nan"):
        write_mp4(path, numbered_frames(), float("nan"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(IndexError, match="no frame 40"):
        read_frames(video, [40])
    with pytest.raises(FileNotFoundError, match=r"x\.mp4"):
        read_frames(path)
    with pytest.raises(TypeError, match="int"):
        read_frames(7)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    script = f"""
        import numpy as np, resource, signal, sys
        from ocr_hf.data.video import write_mp4
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        frames = np.random.default_rng(0).integers(0, 256, (8, 96, 128, 3), dtype=np.uint8)
        try:
            write_mp4({str(tmp_path / "big.mp4")!r}, frames, 2.0)
        except OSError as error:
            sys.exit(0 if "big.mp4" in str(error) else f"unclear: {{error}}")
        sys.exit("written")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


@given(st.integers(1, 5000), st.integers(1, 200))
def test_uniform_indices(num_frames: int, count: int) -> None:
    indices = uniform_indices(num_frames, count)
    assert len(indices) == min(num_frames, count)
    assert indices[0] == 0 and (np.diff(indices) > 0).all()
    assert indices[-1] == (num_frames - 1 if len(indices) > 1 else 0)
    if count <= num_frames:
        np.testing.assert_array_equal(indices, np.linspace(0, num_frames - 1, count, dtype=int))


def test_a_draft_is_smaller_close_and_reproducible(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.integers(0, 256, (12, 96, 128, 1), dtype=np.uint8), 3, axis=3)
    for name, draft in (("full", False), ("draft", True), ("again", True)):
        write_mp4(tmp_path / f"{name}.mp4", frames, fps=4.0, draft=draft)
    full, draft, again = ((tmp_path / f"{name}.mp4").read_bytes() for name in ("full", "draft", "again"))
    assert len(draft) < len(full)
    assert draft == again
    stored, _ = read_frames(draft)
    assert stored.shape == frames.shape
    assert psnr(stored, frames) > 20.0
