"""Exact access to the frames of a video file through PyAV."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np


class VideoError(ValueError):
    """A video that can't be read; the message names the file and the frame."""


@dataclass(frozen=True)
class VideoInfo:
    """What `probe` returns."""

    num_frames: int
    width: int
    height: int
    fps: float
    duration_s: float


class VideoReader:
    """An open video. Its packets are listed once, so that every frame number has an exact timestamp."""

    def __init__(self, source: Any) -> None:
        handle, self.name = _open(source)
        self._handle = None if isinstance(handle, str) else handle
        try:
            self._container = av.open(handle)
        except (av.FFmpegError, OSError) as error:
            self._close_handle()
            raise VideoError(f"{self.name}: not even frame 0 can be read ({error}); fetch the file again") from error
        try:
            if not self._container.streams.video:
                raise VideoError(f"{self.name} holds no video, or is truncated before frame 0; give a complete MP4")
            self._stream = self._container.streams.video[0]
            self._times, self._keys = self._list_packets()
        except VideoError:
            self.__exit__()
            raise
        self.num_frames = len(self._times)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()
        self._close_handle()

    def _close_handle(self) -> None:
        if self._handle is not None:
            self._handle.close()

    def _list_packets(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (time stamps of all frames, those of key frames), sorted, in units of the stream's time base."""
        times, keys, declared = [], [], self._stream.frames
        try:
            # Demuxing reads no pixels. Guessing a frame's time as index / fps instead is off by one or more frames with
            # a variable frame rate, and container frame counts can be missing or wrong.
            for packet in self._container.demux(self._stream):
                if packet.pts is None:  # the marker at the end
                    continue
                if packet.is_corrupt:
                    break
                times.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
        except (av.FFmpegError, OSError) as error:
            raise self._truncated(len(times), declared) from error
        if not times or len(times) < declared:
            raise self._truncated(len(times), declared)
        # Packets come in decoding order; with B-frames that isn't the order of presentation, which frame numbers mean.
        return np.sort(np.array(times)), np.sort(np.array(keys))

    def _truncated(self, found: int, declared: int) -> VideoError:
        return VideoError(
            f"{self.name} is truncated at frame {found} of {declared or 'an unknown number'}; fetch or build it again"
        )

    def info(self) -> VideoInfo:
        base = float(self._stream.time_base)
        steps = np.diff(self._times)
        # A file doesn't say how long its last frame is shown: as long as a typical one.
        last = float(np.median(steps)) * base if len(steps) else 0.0
        rate = self._stream.average_rate or self._stream.guessed_rate
        fps = float(rate) if rate else (1.0 / last if last else 1.0)
        duration = float(self._times[-1] - self._times[0]) * base + (last or 1.0 / fps)
        context = self._stream.codec_context
        return VideoInfo(self.num_frames, context.width, context.height, fps, duration)

    def read(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        context = self._stream.codec_context
        frames = np.empty((len(wanted), context.height, context.width, 3), dtype=np.uint8)
        order = np.unique(wanted)
        # Frames that share a key frame are decoded in one go, after one seek.
        group = np.searchsorted(self._keys, self._times[order], side="right")
        for key in np.unique(group):
            for index, pixels in self._decode(order[group == key], max(int(key) - 1, 0)):
                frames[wanted == index] = pixels
        return frames, (self._times[wanted] - self._times[0]) * float(self._stream.time_base)

    def _decode(self, indices: np.ndarray, key: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (index, (H, W, 3) uint8) for ascending `indices`, all after key frame number `key`."""
        waiting = {int(self._times[index]): int(index) for index in indices}
        start = int(self._keys[key]) if len(self._keys) else int(self._times[0])
        try:
            self._container.seek(start, stream=self._stream, backward=True)
            for frame in self._container.decode(self._stream):
                # Seeking lands on a key frame at or before the target, so frames nobody wants come first; they are told
                # apart by their timestamps.
                index = waiting.pop(frame.pts, None)
                if index is not None:
                    yield index, frame.to_ndarray(format="rgb24")
                if not waiting:
                    return
        except (av.FFmpegError, OSError) as error:
            raise self._undecodable(min(waiting.values()), error) from error
        raise self._undecodable(min(waiting.values()), "no such frame came out of the decoder")

    def _undecodable(self, index: int, why: object) -> VideoError:
        return VideoError(f"{self.name}: frame {index} can't be decoded ({why}); fetch or build the file again")


def _open(source: Any) -> tuple[Any, str]:
    """Return (what PyAV opens: a local path or an open file, a name for errors)."""
    if isinstance(source, dict):
        name = source.get("path") or "the video"
        if source.get("bytes") is not None:
            return io.BytesIO(source["bytes"]), str(name)
        if not source.get("path"):
            raise VideoError(f"a video needs 'path' or 'bytes', this has neither: {sorted(source)}")
        source = source["path"]
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(bytes(source)), f"the video ({len(source)} bytes)"
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if "://" in path:  # a row of a streamed data set
            import fsspec

            return fsspec.open(path, "rb").open(), path
        if not os.path.isfile(path):
            raise FileNotFoundError(f"{path}: no such video; check the path or build the data set again")
        return path, path
    raise TypeError(f"can't read a video from {type(source).__name__}; give a path, bytes, a decoder or a Video dict")
