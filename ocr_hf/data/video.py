"""MP4 in and out: frames to a file, a file (or bytes, or a decoder) to frames, and which frames to take.

PyAV does all of it, so neither torchcodec nor FFmpeg's shared libraries are needed; a torchcodec decoder that
`datasets` hands out is read through its own interface.

Files are H.264 in yuv420p because every browser and player shows that. It halves the resolution of colour and is
lossy: pixels outside a perturbed region are bit-identical as arrays, while in the decoded noisy file they differ by
the codec's loss. docs/data.md has the measured PSNR.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ocr_hf.data.atomic import replacing
from ocr_hf.video.read import VideoSource, probe, read_frames, uniform_indices
from ocr_hf.video.reader import VideoError, VideoInfo

__all__ = [
    "CRF",
    "VideoError",
    "VideoInfo",
    "VideoSource",
    "probe",
    "read_frames",
    "stored_psnr",
    "uniform_indices",
    "write_mp4",
]

CRF = 14
"""x264's quality (0 lossless ... 51). At 14 the loss is mostly the halved resolution of colour; see docs/data.md."""
KEYFRAME_EVERY = 16
_X264 = {
    "crf": str(CRF),
    "preset": "medium",
    "bf": "0",  # no B-frames: time stamps start at 0 and frame i is packet i
    "g": str(KEYFRAME_EVERY),
    "threads": "1",  # more threads change the bytes
    "x264-params": "cpu-independent=1",
}
_DRAFT = {"crf": "17", "preset": "superfast", "threads": "2"}
"""Changes of a draft: four times faster; the loss is visible when frames are compared, not when they play."""
# faststart puts the header first, so that browsers play while they load; bitexact leaves out FFmpeg's version.
_MUXER = {"movflags": "+faststart", "fflags": "+bitexact"}
_BT601, _BT709, _LIMITED_RANGE = 6, 1, 1
"""FFmpeg's codes. The matrix is BT.601 and says so: readers that ignore the tag assume just that one."""


def write_mp4(
    path: str | os.PathLike, frames: np.ndarray | Iterable[np.ndarray], fps: float, *, draft: bool = False
) -> None:
    """Write frames as an MP4 file, atomically and with the same bytes each time.

    frames : (T, H, W, 3) uint8 RGB, or an iterable of (H, W, 3) uint8; T >= 1, H and W even
    fps : frames per second; frame i is shown at i / fps seconds
    draft : encode faster with more loss, for videos that are only looked at
    Raises ValueError for frames that H.264 can't hold, OSError (nothing is left behind) when the disk is full.
    """
    if not (np.isfinite(fps) and fps > 0.0):
        raise ValueError(f"{path}: fps is {fps}; give frames per second above 0")
    with replacing(path) as temporary:
        try:
            rate = Fraction(fps).limit_denominator(10_000)
            count = _encode(temporary, _checked_frames(frames, path), rate, _X264 | _DRAFT if draft else _X264)
        except av.FFmpegError as error:
            raise OSError(error.strerror) from error
        if count == 0:
            raise ValueError(f"{path}: there are no frames; a video has at least one")


def _checked_frames(frames: Iterable[np.ndarray], path: str | os.PathLike) -> Iterator[np.ndarray]:
    first = None
    for pixels in frames:
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise ValueError(f"{path}: a frame is {pixels.dtype} {pixels.shape}; give (H, W, 3) uint8 RGB")
        first = pixels.shape if first is None else first
        if pixels.shape != first:
            raise ValueError(f"{path}: a frame is {pixels.shape}, the first {first}; all must have one size")
        if first[0] % 2 or first[1] % 2:
            raise ValueError(
                f"{path}: frames are {first[1]}x{first[0]}; H.264 in yuv420p needs even sides, crop or resize them"
            )
        yield pixels


def _encode(path: Path, frames: Iterator[np.ndarray], rate: Fraction, options: dict[str, str]) -> int:
    """Write the frames and return how many there were."""
    count = 0
    with av.open(str(path), "w", format="mp4", options=_MUXER) as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.thread_count = int(options["threads"])
        context.colorspace, context.color_primaries, context.color_trc = _BT601, _BT709, _BT709
        context.color_range = _LIMITED_RANGE
        for pixels in frames:
            if count == 0:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            # AREA: a chroma sample is the mean of the four pixels that share it.
            frame = frame.reformat(
                format="yuv420p", dst_colorspace=_BT601, dst_color_range=_LIMITED_RANGE, interpolation="AREA"
            )
            frame.pts, frame.time_base = count, 1 / rate
            container.mux(stream.encode(frame))
            count += 1
        # The encoder holds the last frames back until it is flushed.
        if count:
            container.mux(stream.encode())
    return count


def stored_psnr(
    path: str | os.PathLike, frames: np.ndarray, region: Callable[[Sequence[int]], np.ndarray] | None = None
) -> float:
    """Return how close a video file is to the frames it was made of: peak signal to noise ratio, dB, at most 100.

    frames : (T, H, W, 3) uint8
    region : given frame numbers, the (N, H, W) bool pixels to leave out; None counts all
    """
    error, count, chunk = 0, 0, 16
    for start in range(0, len(frames), chunk):
        numbers = range(start, min(start + chunk, len(frames)))
        # Chunk by chunk, decoded as every reader decodes: the figure is what users get, and a clip is never twice in
        # memory.
        stored, _ = read_frames(path, numbers)
        difference = stored.astype(np.int32) - frames[start : start + chunk]
        if region is not None:
            difference = difference[~region(numbers)]
        # In integers: float sums would depend on the size of the chunks.
        error, count = error + int(np.square(difference).sum(dtype=np.int64)), count + difference.size
    return min(10.0 * float(np.log10(255.0**2 * count / error)), 100.0) if error else 100.0
