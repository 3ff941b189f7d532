"""Choosing and reading the frames of a video: a path, bytes, a decoder, a `datasets` column or an array."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ocr_hf.video.reader import VideoError, VideoInfo, VideoReader

VideoSource = Any
"""A path or fsspec URL, bytes, a torchcodec VideoDecoder, the {"path", "bytes"} dict of an undecoded `datasets.Video`,
or an array (T, H, W, 3) uint8, which has no timestamps: NaN is returned for them."""


def uniform_indices(num_frames: int, count: int) -> np.ndarray:
    """Return `count` frame indices spread evenly from the first to the last frame, (count,) int64.

    Agrees with VSI-Bench's and lmms-eval's np.linspace(0, num_frames - 1, count, dtype=int). A shorter video gives
    each of its frames once.
    """
    if num_frames < 1 or count < 1:
        raise ValueError(f"can't take {count} of {num_frames} frames; both must be at least 1")
    # dtype in linspace truncates; rounding would choose other frames than the published scores were measured on.
    return np.linspace(0, num_frames - 1, min(count, num_frames), dtype=np.int64)


def probe(source: VideoSource) -> VideoInfo:
    """Return size (as shown), rate and exact number of frames of a video; at most one frame is decoded."""
    if isinstance(source, np.ndarray):
        raise TypeError("an array of frames has no frame rate; give a video file")
    if _is_decoder(source):
        # The file where there is one: a row then has the frames that its file has (see `_reader_of`).
        with _reader_of(source) as reader:
            if reader is not None:
                return reader.info()
        meta = source.metadata
        return VideoInfo(len(source), meta.width, meta.height, float(meta.average_fps), float(meta.duration_seconds))
    with VideoReader(source) as reader:
        return reader.info()


def read_frames(
    source: VideoSource, indices: Sequence[int] | np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Decode frames of a video as a player shows it: frame i is frame i exactly, also after seeking.

    indices : frame numbers from 0, in any order, repeats allowed; None for all frames
    Returns (frames (N, H, W, 3) uint8 RGB, timestamps_s (N,) float64, when each frame is shown by the file's clock,
    which begins at another time than 0 in some files). docs/video.md says what is read, and how.
    Raises VideoError naming file and frame where the file is truncated or damaged, IndexError for a frame that doesn't
    exist, TypeError for a source that isn't a video.
    """
    if isinstance(source, np.ndarray):
        if source.ndim != 4 or source.shape[3] != 3 or source.dtype != np.uint8:
            raise TypeError(f"video is an array {source.dtype} {source.shape}; give (T, H, W, 3) uint8 RGB")
        frames = source if indices is None else source[_checked(indices, len(source), "the array")]
        return frames, np.full(len(frames), np.nan)
    if _is_decoder(source):
        return _read_decoder(source, indices)
    with VideoReader(source) as reader:
        return reader.read(_checked(indices, reader.num_frames, reader.name))


def _checked(indices: Sequence[int] | np.ndarray | None, num_frames: int, name: str) -> np.ndarray:
    wanted = np.arange(num_frames) if indices is None else np.asarray(indices, dtype=np.int64).reshape(-1)
    if len(wanted) and (wanted.min() < 0 or wanted.max() >= num_frames):
        bad = wanted[(wanted < 0) | (wanted >= num_frames)][0]
        raise IndexError(f"{name} has no frame {bad}; its frames are 0 to {num_frames - 1}")
    return wanted


def _is_decoder(source: VideoSource) -> bool:
    # By what it can do, not by its class: torchcodec needs FFmpeg and torch, and this module must import without them.
    return hasattr(source, "get_frames_at") and hasattr(source, "metadata")


@contextmanager
def _reader_of(decoder: Any) -> Iterator[VideoReader | None]:
    """Yield a reader of the file that a row's decoder was made from, or None where there is no such file.

    `datasets` keeps that file's path or bytes on the decoder. Reading it gives a row the same frames as the file:
    torchcodec 0.13 returns wrong frames, or none, where a container can't seek to a key frame (MPEG-TS) and with some
    edit lists.
    """
    encoded = getattr(decoder, "_hf_encoded", None) or {}
    if encoded.get("bytes") is None and not os.path.isfile(encoded.get("path") or ""):
        yield None
        return
    with VideoReader(encoded) as reader:
        # The column may select another video stream than the default.
        yield reader if reader.stream_index == getattr(decoder, "stream_index", reader.stream_index) else None


def _read_decoder(decoder: Any, indices: Sequence[int] | np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    with _reader_of(decoder) as reader:
        if reader is not None:
            return reader.read(_checked(indices, reader.num_frames, reader.name))
    name = str(getattr(decoder.metadata, "path", None) or "the video")
    wanted = _checked(indices, len(decoder), name)
    try:
        batch = decoder.get_frames_at(wanted.tolist())
    except RuntimeError as error:
        raise VideoError(f"{name}: a frame of {wanted.tolist()} can't be decoded ({error}); fetch it again") from error
    pixels = batch.data.numpy()
    if pixels.shape[-1] != 3:  # (N, C, H, W), the decoder's default
        pixels = pixels.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pixels), batch.pts_seconds.numpy().astype(np.float64)
