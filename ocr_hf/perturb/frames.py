"""Lossless video files of frames, with PyAV: no torch, so it is safe in forked workers."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
from jaxtyping import UInt8


def encode_lossless(frames: UInt8[np.ndarray, "t h w 3"], fps: float | int) -> bytes:
    """Return an MP4 file (H.264, RGB, lossless) of frames (T, H, W, 3) uint8; decoding gives the same pixels.

    Bit-identity outside a region survives it, which it doesn't in the usual yuv420p. Browsers don't play RGB H.264:
    it is for data, not for viewing.
    """
    import av

    if len(frames) == 0 or not fps > 0.0:
        raise ValueError(f"can't encode {len(frames)} frames at {fps} frames per second; both must be above 0")
    file = io.BytesIO()
    # The exact fraction of a float such as 29.97 overflows FFmpeg's 32-bit rationals.
    rate = Fraction(fps).limit_denominator(10_000)
    # qp 0 in RGB is lossless; one thread and no CPU-dependent code paths make the bytes the same everywhere.
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
