"""Frames sampled from a video, with their times: what training, evaluation and the demo show a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class SampledClip:
    """The sampled frames of one video.

    Args:
        id: The video's name.
        frames: (T, H, W, 3) uint8 RGB, a tensor, so that processes that load data share it instead of copying it.
        indices: (T,) frame numbers in the video.
        times_s: (T,) seconds.
    """

    id: str
    frames: torch.Tensor
    indices: tuple[int, ...]
    times_s: tuple[float, ...]

    @classmethod
    def of(cls, id: str, frames: np.ndarray, indices: Sequence[int], times_s: Sequence[float]) -> SampledClip:
        """Return a clip of frames in an array, which it shares; nobody may write to them afterwards."""
        import torch

        # Of a read-only array torch warns; nobody writes to a clip's frames
        writeable = frames.flags.writeable
        frames.flags.writeable = True
        tensor = torch.from_numpy(frames)
        frames.flags.writeable = writeable
        return cls(id, tensor, tuple(int(i) for i in indices), tuple(float(t) for t in times_s))

    @property
    def array(self) -> np.ndarray:
        """The frames as (T, H, W, 3) uint8 array, not copied."""
        return self.frames.numpy()

    @property
    def fps(self) -> float:
        """Rate of the sampled frames; a single frame has none and stands at time 0 whatever is said, so 1."""
        return sampled_fps(self.times_s) if len(self.times_s) > 1 else 1.0


def sampled_fps(timestamps_s: Sequence[float]) -> float:
    """Return the frame rate of sampled frames from their times in seconds.

    Raises ValueError for times that do not increase, or a single frame, which has no rate.
    """
    times = np.asarray(timestamps_s, dtype=np.float64)
    if times.ndim != 1 or len(times) < 2 or not np.all(np.diff(times) > 0.0):
        shown = np.array2string(times, threshold=6, precision=3)
        raise ValueError(f"the frames' times are {shown} s; give at least two times that increase")
    # The mean spacing: sampling takes whole frame numbers, so single gaps differ
    return float((len(times) - 1) / (times[-1] - times[0]))
