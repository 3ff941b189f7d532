"""Which frames a video shows, and when: found from the packets, or by decoding where packets don't tell.

A player shows what the decoder gives out, in that order. Almost always the packets' own timestamps say as much
without decoding. `needs_decoding` names the exceptions.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import av
import numpy as np

SLACK_S, SLACK = 0.5, 0.1
"""By how much the length in a header may differ from that of the frames: a last frame's duration, rounding."""


@dataclass(frozen=True, eq=False)
class Packets:
    """The packets of a video stream, in the file's order.

    pts, dts : (P,) int64, units of the stream's time base; `known` says where a packet has both
    key : decoding can begin here; hidden : decoded, but cut away by an edit list; damaged : not whole
    indexed : number of packets that the container's own index lists, 0 where it has none
    error : why reading stopped before the end, or None
    """

    pts: np.ndarray
    dts: np.ndarray
    known: np.ndarray
    key: np.ndarray
    hidden: np.ndarray
    damaged: np.ndarray
    indexed: int
    error: Exception | None

    @property
    def truncated_at(self) -> int | None:
        """Number of whole packets where the file ends before its index does, else None."""
        whole = int(np.argmax(self.damaged)) if self.damaged.any() else len(self.pts)
        return whole if self.error is not None or len(self.pts) == 0 or whole < self.indexed else None

    @property
    def shown(self) -> np.ndarray:
        """Time stamps of the packets that are shown, sorted."""
        return np.sort(self.pts[~self.hidden])


def list_packets(container: Any, stream: Any) -> Packets:
    """Read all packets of a stream, without decoding them.

    Packets come in decoding order, which with B-frames isn't the order of presentation. Guessing a frame's time as
    index / fps instead is off with a variable frame rate, and frame counts in headers can be missing or wrong.
    """
    rows, error = [], None
    try:
        for packet in container.demux(stream):
            if packet.size == 0:  # the marker at the end
                continue
            known = packet.pts is not None and packet.dts is not None
            # Placeholders, never read: one packet without times is enough for `needs_decoding`.
            times = (packet.pts, packet.dts) if known else (0, 0)
            rows.append((*times, known, packet.is_keyframe, packet.is_discard, packet.is_corrupt))
    except (av.FFmpegError, OSError) as stopped:
        error = stopped
    columns = list(zip(*rows, strict=True)) or [()] * 6
    pts, dts = (np.array(column, dtype=np.int64) for column in columns[:2])
    flags = [np.array(column, dtype=bool) for column in columns[2:]]
    return Packets(pts, dts, *flags, indexed=len(getattr(stream, "index_entries", ())), error=error)


def needs_decoding(container: Any, stream: Any, packets: Packets) -> bool:
    """Return whether the packets' timestamps don't say which frames come out of the decoder.

    AVI stores no presentation times, so where frames are reordered its timestamps are guesses. Streams that begin
    between key frames (recordings, cuts without re-encoding) hold frames that lack what they refer to. Damaged
    packets may give a frame or none.
    """
    if container.format.name == "avi" and stream.codec_context.has_b_frames:
        return True
    if not packets.known.all() or packets.damaged.any() or not packets.key.any():
        return True
    first_key = int(np.argmax(packets.key))
    # Pictures that follow the first key frame in the file and come before it on the screen refer to what was cut off.
    before_key = (packets.pts < packets.pts[first_key]) & ~packets.hidden
    shown = packets.shown
    return bool(first_key > 0 or before_key.any() or (np.diff(shown) == 0).any())


def decoded_times(container: Any, stream: Any, packets: Packets) -> np.ndarray:
    """Return the timestamps (N,) int64 of all frames that come out of the decoder, in that order.

    Where the frames' own timestamps don't increase, those at which the packets were to be decoded hold, in order, from
    the stream's start; where there are none, the stream's frame rate does.
    """
    stamps: list[int | None] = []
    # A player shows what came before a damaged end; a stream of which nothing can be decoded is refused later.
    with suppress(av.InvalidDataError):
        stamps.extend(frame.pts for frame in container.decode(stream))
    if None not in stamps and all(one < other for one, other in pairwise(stamps)):
        return np.array(stamps, dtype=np.int64)
    start = stream.start_time or 0
    if packets.known.all() and len(stamps) == len(packets.dts):
        return np.sort(packets.dts) - packets.dts.min() + start
    # 25 is what FFmpeg itself takes for raw streams, which don't say.
    rate = stream.average_rate or stream.guessed_rate or 25
    return start + np.round(np.arange(len(stamps)) / float(rate * stream.time_base)).astype(np.int64)


def warn_of_a_wrong_length(container: Any, stream: Any, times: np.ndarray, name: str) -> None:
    """Warn where the header states another length than the frames have."""
    base = float(stream.time_base)
    if stream.duration is not None:
        stated = stream.duration * base
    # A container is as long as its longest stream: where there is sound, that says nothing about the video.
    elif container.duration is not None and len(container.streams) == 1:
        stated = container.duration / av.time_base
    else:
        return
    found = float(times[-1] - times[0]) * base
    step = found / (len(times) - 1) if len(times) > 1 else stated
    if abs(stated - found - step) > SLACK_S + SLACK * found + step:
        warnings.warn(
            f"{name}: its header says {stated:.1f} s, but its {len(times)} frames cover {found + step:.1f} s; the "
            "frames count, check that the file is whole",
            stacklevel=2,
        )
