"""Videos as a player shows them: frame by frame what torchcodec gives, and what players show where it gives up.

torchcodec is the decoder behind `datasets.Video`. Its frames and ours are equal to the last bit: both convert colours
with swscale, whose default (bicubic chroma where it is scaled at all) `ocr_hf.video.pixels` asks for. RGB of more than
8 bits is rounded differently by swscale's versions, by one level.
"""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from ocr_hf.video.read import probe, read_frames
from ocr_hf.video.reader import VideoError
from tests.video.corpus import BASE, EDIT_LISTS, EQUAL, FFMPEG, FPS, FRAMES, LEVEL_OFF, UNINDEXED, UNINDEXED_BASE, make

pytestmark = pytest.mark.skipif(FFMPEG is None, reason="ffmpeg, which makes the corpus, isn't on this machine")


@pytest.fixture(scope="module")
def decoder():
    """torchcodec's VideoDecoder."""
    return pytest.importorskip("torchcodec.decoders", exc_type=(ImportError, RuntimeError)).VideoDecoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for name, recipe in (BASE | UNINDEXED_BASE).items():
        make(folder, name, recipe)
    return folder


def as_datasets_gives(path: Path, as_bytes: bool):
    """Return the decoder of a row of a `datasets` column."""
    datasets = pytest.importorskip("datasets")
    value = {"path": None, "bytes": path.read_bytes()} if as_bytes else str(path)
    return datasets.Video().decode_example(datasets.Video().encode_example(value))


def same(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], levels: int = 0) -> None:
    (frames, times), (expected, expected_times) = one, other
    assert frames.shape == expected.shape
    assert np.abs(frames.astype(np.int16) - expected).max() <= levels
    np.testing.assert_allclose(times, expected_times, atol=1e-9)


@pytest.mark.parametrize("name", EQUAL)
def test_frames_and_times_are_those_of_torchcodec(name: str, folder: Path, decoder) -> None:
    path = make(folder, name, EQUAL[name])
    batch = decoder(str(path), dimension_order="NHWC")
    batch = batch.get_frames_in_range(0, len(batch))
    expected = batch.data.numpy(), batch.pts_seconds.numpy()
    found = read_frames(path)
    same(found, expected, levels=1 if name in LEVEL_OFF else 0)
    # Whatever way a file comes in, its frames are the same.
    same(read_frames(path.read_bytes()), found)
    for as_bytes in (False, True):
        row = as_datasets_gives(path, as_bytes)
        same(read_frames(row), found)
        told, ours = probe(row), probe(path)
        assert (told.num_frames, told.height, told.width) == (ours.num_frames, *found[0].shape[1:3])
    # Access in any order is the same as reading from the start.
    wanted = np.random.default_rng(0).integers(0, len(found[0]), 6)
    same(read_frames(path, wanted), (found[0][wanted], found[1][wanted]))


@pytest.mark.parametrize("name", UNINDEXED)
def test_frames_are_what_players_show_where_torchcodec_gives_up(name: str, folder: Path, decoder) -> None:
    recipe, twin = UNINDEXED[name]
    path = make(folder, name, recipe)
    batch = decoder(str(folder / twin), dimension_order="NHWC")
    expected = batch.get_frames_in_range(0, len(batch)).data.numpy()
    frames, times = found = read_frames(path)
    np.testing.assert_array_equal(frames, expected)
    np.testing.assert_allclose(np.diff(times), 1.0 / FPS, atol=2e-3)  # Matroska counts in milliseconds
    same(read_frames(path.read_bytes()), found)
    assert probe(path).num_frames == FRAMES
    for wanted in ([17], [23, 0], [12, 12, 3, 20, 8]):
        same(read_frames(path, wanted), (frames[wanted], times[wanted]))


@pytest.mark.parametrize("name", ["copy.ts", "program.ts", "program.mpg", "reordered.avi"])
def test_a_row_is_read_as_its_file_is(name: str, folder: Path) -> None:
    """The row's own decoder gives another frame of these than it is asked for, or none."""
    path = make(folder, name, UNINDEXED[name][0])
    for as_bytes in (False, True):
        row = as_datasets_gives(path, as_bytes)
        same(read_frames(row, [5, 2]), read_frames(path, [5, 2]))
        assert probe(row) == probe(path)


@pytest.mark.parametrize("name", EDIT_LISTS)
def test_edit_lists_show_what_was_not_cut_away(name: str, folder: Path, decoder) -> None:
    recipe, start = EDIT_LISTS[name]
    path = make(folder, name, recipe)
    whole, at = read_frames(folder / "b_frames.mp4")
    frames, times = found = read_frames(path)
    first = int(np.flatnonzero(at > start - 1e-3)[0])
    # ffmpeg cuts at the frame nearest to the time or the next.
    assert FRAMES - len(frames) in (max(first - 1, 0), first)
    np.testing.assert_array_equal(frames, whole[FRAMES - len(frames) :])
    np.testing.assert_allclose(times, times[0] + np.arange(len(frames)) / FPS, atol=1e-6)
    assert times[0] == pytest.approx(max(0.0, -start), abs=0.5 / FPS)
    for as_bytes in (False, True):
        same(
            read_frames(as_datasets_gives(path, as_bytes), [len(frames) - 1, 0]),
            read_frames(path, [-1 % len(frames), 0]),
        )
    for index in range(len(frames)):
        np.testing.assert_array_equal(read_frames(path, [index])[0][0], frames[index])
    batch = decoder(str(path), dimension_order="NHWC")
    try:
        batch = batch.get_frames_in_range(0, len(batch))
    except RuntimeError:
        return  # FFmpeg 5 drops reordered frames at some edit lists; what was cut away is known all the same
    same(found, (batch.data.numpy(), batch.pts_seconds.numpy()))


def test_the_trimmed_example_is_shown_as_players_show_it(shared: Path, decoder) -> None:
    path = shared / "cases" / "scenes" / "trim.mp4"
    if not path.is_file():
        pytest.skip("the folder ../shared/cases is not on this machine")
    batch = decoder(str(path), dimension_order="NHWC")
    batch = batch.get_frames_in_range(0, len(batch))
    assert len(batch.data) == 99
    same(read_frames(path), (batch.data.numpy(), batch.pts_seconds.numpy()))


@pytest.mark.parametrize("start", [0.15, 0.3, 0.4, 0.55, 0.7])
def test_cuts_of_open_groups_show_what_can_be_decoded(start: float, folder: Path) -> None:
    """Pictures that refer to what was cut off are left out, and what is left has the pixels of the whole video."""
    whole = read_frames(folder / "open_gop.mp4")[0]
    path = make(folder, f"broken_link_{start}.mp4", f"-ss {start} -i {{open_gop.mp4}} -c copy")
    frames, times = read_frames(path)
    wanted = np.flatnonzero(np.arange(FRAMES) >= np.ceil(start * FPS - 1e-9))
    assert 0 < len(frames) <= len(wanted)
    last = frames[-1]
    np.testing.assert_array_equal(last, whole[-1])
    assert times[-1] == pytest.approx((len(whole) - 1) / FPS - start, abs=1.0 / FPS)
    for index in range(len(frames)):
        np.testing.assert_array_equal(read_frames(path, [index])[0][0], frames[index])


@pytest.mark.parametrize("pixels", ["yuv444p", "yuv444p10le"])
def test_full_range_holds_for_every_pixel_format(pixels: str, folder: Path) -> None:
    """torchcodec 0.13 takes it from the name of the format, which most codecs don't use; players read the tag."""
    source = f"-f lavfi -i testsrc2=size=64x48:rate=4:duration=1 -c:v ffv1 -pix_fmt {pixels}"
    limited = read_frames(make(folder, f"limited_{pixels}.mkv", source))[0]
    full = read_frames(make(folder, f"full_{pixels}.mkv", f"{source} -vf scale=out_range=full -color_range pc"))[0]
    # Read as limited, its mean error is above 2.
    assert np.abs(full.astype(int) - limited).mean() < 1.0


def test_a_truncated_index_is_refused_and_a_truncated_stream_read(folder: Path, tmp_path: Path) -> None:
    index_first = make(folder, "index_first.mp4", "-i {b_frames.mp4} -c copy -movflags faststart")
    for path, kept in ((index_first, 0.6), (make(folder, "fragments.mp4", EQUAL["fragments.mp4"]), 0.7)):
        cut = tmp_path / path.name
        cut.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
        with pytest.raises(VideoError, match=rf"{cut.name} is truncated at frame \d+ of \d+"):
            read_frames(cut)
    whole = read_frames(folder / "b_frames.mp4")[0]
    cut = tmp_path / "cut.mkv"
    matroska = make(folder, "container.mkv", EQUAL["container.mkv"]).read_bytes()
    cut.write_bytes(matroska[: len(matroska) * 2 // 3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frames = read_frames(cut)[0]
    assert 9 <= len(frames) < FRAMES
    np.testing.assert_array_equal(frames[:9], whole[:9])


def test_a_header_that_lies_about_the_length_is_not_believed(folder: Path, tmp_path: Path) -> None:
    matroska = bytearray(make(folder, "container.mkv", EQUAL["container.mkv"]).read_bytes())
    place = matroska.index(b"\x44\x89\x88") + 3  # the element Duration, 8 bytes of float
    expected = read_frames(bytes(matroska))
    matroska[place : place + 8] = struct.pack(">d", 60_000.0)
    path = tmp_path / "lies.mkv"
    path.write_bytes(matroska)
    with pytest.warns(UserWarning, match=r"lies\.mkv: its header says 60\.0 s, but its 24 frames cover 1\.0 s"):
        same(read_frames(path), expected)
    with pytest.warns(UserWarning, match="the frames count"):
        assert probe(path).duration_s == pytest.approx(1.0, abs=0.01)
    # The boxes of an MP4 header that state a length decide nothing.
    whole = (folder / "b_frames.mp4").read_bytes()
    for box, offset in ((b"mdhd", 20), (b"tkhd", 24), (b"mvhd", 20)):
        lie = bytearray(whole)
        place = lie.index(box) + offset
        lie[place : place + 4] = struct.pack(">I", 100 * struct.unpack(">I", lie[place : place + 4])[0])
        same(read_frames(bytes(lie)), read_frames(whole))
        assert probe(bytes(lie)).duration_s == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "recipe", "message"),
    [
        ("song.m4a", "-i {cover.png} " + "-f lavfi -i sine=duration=1 -map 0 -map 1 -c:v copy -c:a aac "
         "-disposition:v:0 attached_pic", "a cover picture but no video"),
        ("sound.mp4", "-f lavfi -i sine=duration=1 -c:a aac", "holds no video"),
        ("broken_link.ts", "-ss 0.4 -i {open_gop.mp4} -c copy", "none of its 1. frames can be decoded .*re-encoding"),
    ],
)  # fmt: skip
def test_what_no_player_shows_is_refused(name: str, recipe: str, message: str, folder: Path) -> None:
    path = make(folder, name, recipe)
    for source in (path, path.read_bytes()):
        with pytest.raises(VideoError, match=message):
            read_frames(source)


def test_frames_of_two_sizes_are_refused(folder: Path, tmp_path: Path) -> None:
    small = make(
        folder, "small.ts", f"-f lavfi -i testsrc=size=32x32:rate={FPS}:duration=1 -c:v libx264 -pix_fmt yuv420p"
    )
    path = tmp_path / "two_sizes.ts"
    path.write_bytes(make(folder, "copy.ts", UNINDEXED["copy.ts"][0]).read_bytes() + small.read_bytes())
    with pytest.raises(VideoError, match=r"two_sizes\.ts: frame \d+ has 32x32 pixels, frame 0 64x48; re-encode"):
        read_frames(path)
