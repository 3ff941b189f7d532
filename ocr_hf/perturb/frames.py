"""Frames out of whatever a `Video` column holds and into it, with PyAV: no torch, so it is safe in forked workers."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8


def decode_frames(
    video: Any, indices: Sequence[int] | None = None
) -> tuple[UInt8[np.ndarray, "t h w 3"], Float[np.ndarray, "t"]]:
    """Return (frames (T, H, W, 3) uint8 RGB, timestamps (T,) in seconds) of a video.

    video : a path or fsspec URL, the bytes of a file, the dict of `Video(decode=False)`, a torchcodec `VideoDecoder`,
        or an array (T, H, W, 3) uint8, which has no clock: its timestamps are NaN
    indices : frame numbers wanted, in any order, default all
    Raises ValueError naming the file and the frame where one is asked for that is not there or can't be decoded.
    """
    if hasattr(video, "get_frames_at"):
        return _from_decoder(video, indices)
    if isinstance(video, np.ndarray):
        if video.ndim != 4 or video.shape[3] != 3 or video.dtype != np.uint8:
            raise ValueError(f"video is an array {video.dtype} {video.shape}; give (T, H, W, 3) uint8 RGB")
        frames = video if indices is None else video[_checked(indices, len(video), "the array")]
        return frames, np.full(len(frames), np.nan)
    if isinstance(video, Mapping):
        if video.get("bytes") is not None:
            return _from_file(io.BytesIO(video["bytes"]), str(video.get("path") or "the video's bytes"), indices)
        video = video["path"]
    if isinstance(video, bytes):
        return _from_file(io.BytesIO(video), "the video's bytes", indices)
    if not isinstance(video, str | os.PathLike):
        raise TypeError(f"can't read a video from {type(video).__name__}; give a path, bytes, a VideoDecoder or frames")
    with _opened(os.fspath(video)) as source:
        return _from_file(source, os.fspath(video), indices)


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    if "://" not in path:
        yield path
        return
    import fsspec

    with fsspec.open(path, "rb") as file:
        yield file


def _from_decoder(decoder: Any, indices: Sequence[int] | None) -> tuple[np.ndarray, np.ndarray]:
    wanted = range(len(decoder)) if indices is None else _checked(indices, len(decoder), "the decoder's video")
    batch = decoder.get_frames_at(list(wanted))
    # torchcodec's default layout is (T, 3, H, W), as a torch tensor
    frames = batch.data.permute(0, 2, 3, 1).contiguous().numpy()
    return frames, batch.pts_seconds.numpy().astype(np.float64)


def _from_file(source: Any, name: str, indices: Sequence[int] | None) -> tuple[np.ndarray, np.ndarray]:
    import av

    wanted = None if indices is None else {int(index) for index in indices}
    last = None if wanted is None else max(wanted, default=-1)
    frames: dict[int, np.ndarray] = {}
    times: dict[int, float] = {}
    number = 0
    try:
        with av.open(source) as container:
            if not container.streams.video:
                raise ValueError(f"{name} has no video stream; is it the right file?")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = float(stream.average_rate or stream.guessed_rate or 1.0)
            for frame in container.decode(stream):
                if last is not None and number > last:
                    break
                if wanted is None or number in wanted:
                    frames[number] = frame.to_ndarray(format="rgb24")
                    times[number] = number / rate if frame.time is None else float(frame.time)
                number += 1
            declared = stream.frames
    except (av.error.FFmpegError, EOFError) as error:
        raise ValueError(f"{name} can't be decoded at frame {number} ({error}); is the file truncated?") from error
    if last is None and declared and number < declared:
        raise ValueError(f"{name} ends at frame {number} of {declared}; the file is truncated, fetch or build it again")
    order = range(number) if indices is None else _checked(indices, number, name)
    if not frames:
        raise ValueError(f"{name} holds no frames; fetch or build it again")
    return np.stack([frames[int(i)] for i in order]), np.array([times[int(i)] for i in order], dtype=np.float64)


def _checked(indices: Sequence[int], count: int, name: str) -> list[int]:
    for index in indices:
        if not 0 <= index < count:
            raise ValueError(f"frame {index} was asked for, but {name} has frames 0 to {count - 1}")
    return [int(index) for index in indices]


def encode_lossless(frames: UInt8[np.ndarray, "t h w 3"], fps: float | int) -> bytes:
    """Return an MP4 file (H.264, RGB, lossless) of frames (T, H, W, 3) uint8; decoding gives the same pixels.

    Bit-identity outside a region survives it, which it doesn't in the usual yuv420p. Browsers don't play RGB H.264:
    it is for data, not for viewing.
    """
    import av

    if len(frames) == 0 or not fps > 0.0:
        raise ValueError(f"can't encode {len(frames)} frames at {fps} frames per second; both must be above 0")
    file = io.BytesIO()
    rate = Fraction(fps).limit_denominator(10_000)
    options = {"qp": "0", "preset": "ultrafast", "bf": "0", "threads": "1", "x264-params": "cpu-independent=1"}
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264rgb", rate=rate, options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "rgb24"
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()
