"""Exact access to the frames of a video file through PyAV."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from ocr_hf.video.pixels import rgb
from ocr_hf.video.timeline import decoded_times, list_packets, needs_decoding, warn_of_a_wrong_length


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
    """An open video. Its frames are listed once, so that every frame number has an exact timestamp.

    Of several video streams, the one that players choose is read; a cover picture doesn't count as video. Edit lists,
    rotation and colour tags are applied.
    """

    def __init__(self, source: Any) -> None:
        self._container: Any = None
        self._source, self.name = _open(source)
        try:
            self._reopen(rewind=False)
            self._list_frames()
        # BaseException: Ctrl-C while a long file is listed must close it, too.
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._container is not None:
            self._container.close()
        if not isinstance(self._source, str):
            self._source.close()

    def _reopen(self, rewind: bool = True) -> None:
        """Open the file again, at its start: not every container can seek there."""
        if rewind:
            self._container.close()
            if not isinstance(self._source, str):
                # A path is opened anew below; an open file stands where the last reading left it.
                self._source.seek(0)
        try:
            self._container = av.open(self._source)
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{self.name}: not even frame 0 can be read ({error}); fetch the file again") from error
        stream = self._container.streams.best("video")
        if stream is None:
            raise VideoError(f"{self.name} holds no video, or is truncated before frame 0; give a complete MP4")
        if stream.disposition & Disposition.attached_pic:
            raise VideoError(f"{self.name} holds a cover picture but no video; give a file with a video stream")
        self._stream = stream
        self.stream_index = stream.index

    def _list_frames(self) -> None:
        packets = list_packets(self._container, self._stream)
        if packets.truncated_at is not None:
            raise self._truncated(packets.truncated_at, packets.indexed) from packets.error
        self._in_order = needs_decoding(self._container, self._stream, packets)
        if self._in_order:
            self._reopen()
            self._times = decoded_times(self._container, self._stream, packets)
        else:
            self._times = packets.shown
        self.num_frames = len(self._times)
        if self.num_frames == 0:
            raise VideoError(
                f"{self.name}: none of its {len(packets.pts)} frames can be decoded (cut from a longer video without "
                "the frames they refer to?); cut it again with re-encoding"
            )
        # In order of presentation, which `_decode` searches; packets are listed in decoding order.
        order = np.argsort(packets.pts[packets.key], kind="stable")
        self._key_pts, self._key_dts = packets.pts[packets.key][order], packets.dts[packets.key][order]
        warn_of_a_wrong_length(self._container, self._stream, self._times, self.name)

    def _truncated(self, found: int, declared: int) -> VideoError:
        return VideoError(
            f"{self.name} is truncated at frame {found} of {declared or 'an unknown number'}; fetch or build it again"
        )

    @property
    def times_s(self) -> np.ndarray:
        """When each frame is shown, (N,) float64 seconds on the file's own clock."""
        return self._times * float(self._stream.time_base)

    def info(self) -> VideoInfo:
        """Return what `probe` returns. Decodes one frame, because only frames know their size and rotation for sure."""
        base = float(self._stream.time_base)
        steps = np.diff(self._times)
        # A file doesn't say how long its last frame is shown: as long as a typical one.
        last = float(np.median(steps)) * base if len(steps) else 0.0
        rate = self._stream.average_rate or self._stream.guessed_rate
        fps = float(rate) if rate else (1.0 / last if last else 1.0)
        duration = float(self._times[-1] - self._times[0]) * base + (last or 1.0 / fps)
        height, width = self.read(np.zeros(1, dtype=np.int64))[0].shape[1:3]
        return VideoInfo(self.num_frames, width, height, fps, duration)

    def read(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (frames (N, H, W, 3) uint8, timestamps (N,) in seconds on the file's own clock)."""
        frames: np.ndarray | None = None
        for index, pixels in self._decode(np.unique(wanted) if len(wanted) else np.zeros(1, dtype=np.int64)):
            if frames is None:
                frames, first = np.empty((len(wanted), *pixels.shape), dtype=np.uint8), index
            if pixels.shape != frames.shape[1:]:
                raise VideoError(
                    f"{self.name}: frame {index} has {_size(pixels)} pixels, frame {first} {_size(frames[0])}; "
                    "re-encode the video at one size"
                )
            # A frame may be wanted several times, but is decoded once.
            frames[wanted == index] = pixels
        return frames, self._times[wanted] * float(self._stream.time_base)

    def stream(self, wanted: np.ndarray) -> Iterator[np.ndarray]:
        """Yield frames (H, W, 3) uint8, few in memory at a time; quick where `wanted` ascends."""
        shape = None
        # A step back ends a run: decoding goes forward only
        for run in np.split(wanted, np.flatnonzero(np.diff(wanted) <= 0) + 1):
            decoded: dict[int, np.ndarray] = {}
            next_up = iter(run.tolist())
            expected = next(next_up, None)
            for index, pixels in self._decode(run) if len(run) else ():
                shape = shape or pixels.shape
                if pixels.shape != shape:
                    raise VideoError(
                        f"{self.name}: frame {index} has {_size(pixels)} pixels, others {shape[1]}x{shape[0]}; "
                        "re-encode the video at one size"
                    )
                # A frame that needed a second try comes after later ones
                decoded[index] = pixels
                while expected in decoded:
                    yield decoded.pop(expected)
                    expected = next(next_up, None)

    def _decode(self, indices: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (index, (H, W, 3) uint8) for ascending `indices`."""
        if self._in_order:
            yield from self._decode_in_order(indices)
            return
        # Frames that share a key frame are decoded in one go, after one seek.
        group = np.searchsorted(self._key_pts, self._times[indices], side="right") - 1
        for key in np.unique(group):
            yield from self._decode_group(indices[group == key], max(int(key), 0))

    def _decode_in_order(self, indices: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        waiting, number = set(indices.tolist()), -1
        self._reopen()
        try:
            for number, frame in enumerate(self._container.decode(self._stream)):
                if number in waiting:
                    waiting.remove(number)
                    yield number, rgb(frame)
                if not waiting:
                    return
        except (av.FFmpegError, OSError) as error:
            raise self._undecodable(number + 1, error) from error
        raise self._undecodable(min(waiting), "no such frame came out of the decoder")

    def _decode_group(self, indices: np.ndarray, key: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield frames that lie after key frame number `key` and before the next."""
        # By time stamp: after a seek there is no counting from the start of the file.
        waiting = {int(self._times[index]): int(index) for index in indices}
        try:
            # Containers without an index (MPEG-TS) seek to the last packet before a time, which usually is no key
            # frame; aiming just before the key frame finds it. Frames that refer to earlier groups of pictures may
            # still be missing: those are decoded from the start of the file.
            for begin in (int(self._key_pts[key]), int(self._key_dts[key]) - 1, None):
                for frame in self._frames_from(begin, int(self._key_dts[key])):
                    if frame.is_corrupt and begin is not None:
                        continue
                    # Seeking ends at or before the target, so unwanted frames come first; timestamps tell them apart.
                    index = waiting.pop(frame.pts, None)
                    if index is not None:
                        yield index, rgb(frame)
                    if not waiting:
                        return
        except (av.FFmpegError, OSError) as error:
            raise self._undecodable(min(waiting.values()), error) from error
        raise self._undecodable(min(waiting.values()), "no such frame came out of the decoder")

    def _frames_from(self, begin: int | None, latest_dts: int) -> Iterator[av.VideoFrame]:
        """Decode from a timestamp (None: the start of the file); yield nothing if the seek ends after `latest_dts`."""
        if begin is None:
            self._reopen()
        else:
            try:
                self._container.seek(begin, stream=self._stream, backward=True)
            except av.FFmpegError:
                return
        arrived = False
        for packet in self._container.demux(self._stream):
            if begin is not None and not arrived and packet.dts is not None and packet.dts > latest_dts:
                return
            arrived = True
            yield from packet.decode()

    def _undecodable(self, index: int, why: object) -> VideoError:
        return VideoError(f"{self.name}: frame {index} can't be decoded ({why}); fetch or build the file again")


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[-2]}x{pixels.shape[-3]}"


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
            raise FileNotFoundError(
                f"{path}: no such video; where `load_dataset` gave the path, its folder was moved or deleted since: "
                "call it with download_mode='force_redownload', else check the path"
            )
        return path, path
    raise TypeError(f"can't read a video from {type(source).__name__}; give a path, bytes, a decoder or a Video dict")
