"""The frames that a question is asked about: sampled from its video, and as an audit changes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocr_hf.data.video import probe, read_frames, uniform_indices
from ocr_hf.models.media import FrameCache, sampled_fps
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.vsi_bench.audits import Changed, apply_audit
from ocr_hf.vsi_bench.benchmark import Benchmark, Row
from ocr_hf.vsi_bench.eval_config import EvalConfig

if TYPE_CHECKING:
    import numpy as np

FRAME_CACHE_BYTES = 512 * 1024**2


@dataclass(frozen=True, eq=False)
class Sampled:
    """Frames of one video as they were sampled: (T, H, W, 3) uint8, (T,) seconds, (T,) frame numbers."""

    frames: np.ndarray
    timestamps_s: np.ndarray
    indices: np.ndarray

    @property
    def fps(self) -> float:
        """Rate of the sampled frames; a single frame has none and stands at time 0 whatever is said, so 1."""
        return sampled_fps(self.timestamps_s) if len(self.timestamps_s) > 1 else 1.0


class ShownFrames:
    """What an evaluation with these settings shows of a benchmark's videos."""

    def __init__(self, benchmark: Benchmark, config: EvalConfig) -> None:
        self.benchmark = benchmark
        self.config = config
        self._frames = FrameCache(FRAME_CACHE_BYTES)

    def sample(self, row: Row) -> Sampled:
        """Return the frames of a question's video; decoded once for questions that follow each other."""

        def decode() -> tuple[np.ndarray, Any]:
            source = self.benchmark.video(row)
            indices = uniform_indices(probe(source).num_frames, self.config.frames)
            frames, times = read_frames(source, indices)
            return frames, (times, indices)

        frames, (times, indices) = self._frames.get(self.benchmark.video_key(row), decode)
        return Sampled(frames, times, indices)

    def change(self, row: Row, audit: str, sampled: Sampled) -> Changed:
        """Return the sampled frames as an audit that needs objects shows them."""
        full = self.benchmark.objects(row)
        numbers = sampled.indices.tolist()
        footprints = footprints_of(full).select(numbers)
        seed, strength = self.config.seed, self.config.strength
        return apply_audit(
            audit, sampled.frames, row["id"], seed, strength, footprints, full["queried_objects"], numbers
        )
