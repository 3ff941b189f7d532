"""From a decoded frame to RGB as it is shown."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation


def rgb(frame: Any) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB, turned upright as the file's display matrix says (by quarter turns).

    The matrix and range of the frame's own colour tags hold (BT.601 where there is none); transfer function and
    primaries are left alone, so that HDR looks flat. Pixels that aren't square stay as they are stored.
    """
    # Bicubic is what swscale takes when it is told nothing, as torchcodec does. It is used for chroma only where that
    # is scaled at all: 8 bit 4:2:0 of an even height is looked up instead, the same with every interpolation.
    if frame.format.name in _RGB:
        # Nothing is to be converted, and swscale's threads are slow on a busy machine
        pixels = frame.to_ndarray()
    else:
        plain = _plain(frame) if _has_scaled_chroma(frame) else frame
        pixels = plain.to_ndarray(format="rgb24", interpolation=Interpolation.BICUBIC)
    # PyAV's angle is counter-clockwise, and so is np.rot90.
    quarters = round(frame.rotation / 90.0) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels


def _has_scaled_chroma(frame: Any) -> bool:
    layout = frame.format
    subsampled = layout.chroma_width(16) < 16 or layout.chroma_height(16) < 16
    return subsampled and (frame.interlaced_frame or layout.name not in _LOOKED_UP or frame.height % 2 == 1)


_RGB = ("rgb24", "gbrp")
_LOOKED_UP = ("yuv420p", "yuvj420p")


def _plain(frame: Any) -> av.VideoFrame:
    """Return a copy without the tags for chroma position and interlacing.

    swscale's frame interface takes them for orders: it moves the chroma by half a pixel and scales each field for
    itself. Players and torchcodec treat such frames like all others.
    """
    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for source, target in zip(frame.planes, copy.planes, strict=True):
        rows_in = np.frombuffer(source, np.uint8).reshape(-1, source.line_size)
        rows_out = np.frombuffer(target, np.uint8).reshape(-1, target.line_size)
        # Rows are padded for alignment, and two frames needn't be padded alike: only what both have is copied.
        height, width = np.minimum(rows_in.shape, rows_out.shape)
        rows_out[:height, :width] = rows_in[:height, :width]
    # Those two tags still hold: without them swscale assumes BT.601 in limited range.
    copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
    return copy
