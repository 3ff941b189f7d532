"""The frames that a question is about: sampled from its video, and as an audit changes them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ocr_hf.data.video import VideoInfo, probe, uniform_indices
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.models.media import FrameCache
from ocr_hf.models.sampled_clip import SampledClip
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.vsi_bench.audits import Changed, apply_audit
from ocr_hf.vsi_bench.benchmark import Benchmark, Row
from ocr_hf.vsi_bench.eval_config import EvalConfig

if TYPE_CHECKING:
    import numpy as np

FRAME_CACHE_BYTES = 512 * 1024**2
FOOTPRINTS_KEPT = 64
"""Clips whose footprints are kept, some ten kB each; with larger batches, as many as two batches can be about."""


class BenchmarkFrames:
    """What a model is shown of a benchmark's videos in an evaluation with these settings."""

    def __init__(self, benchmark: Benchmark, config: EvalConfig) -> None:
        self.benchmark = benchmark
        self.config = config
        self._frames = FrameCache(FRAME_CACHE_BYTES)
        self._footprints: OrderedDict[str, Footprints] = OrderedDict()
        self._queried: dict[Any, tuple[int, ...]] = {}

    def sample(self, row: Row) -> SampledClip:
        """Return the frames of a question's video; decoded once for questions that follow each other."""
        name = self.benchmark.video_key(row)

        def decode() -> tuple[np.ndarray, Any]:
            frames, indices, times_s = self.benchmark.sample(row, self.config.count_frames)
            return frames, (indices, times_s)

        frames, (indices, times_s) = self._frames.get(name, decode)
        return SampledClip.of(name, frames, indices, times_s)

    def _indices(self, info: VideoInfo) -> np.ndarray:
        return uniform_indices(info.num_frames, self.config.count_frames(info.num_frames, info.duration_s))

    def change(self, row: Row, audit: str, sampled: SampledClip) -> Changed:
        """Return the sampled frames as an audit that needs objects shows them."""
        seed, strength = self.config.seed, self.config.strength
        queried, footprints = self.queried(row), self.footprints(row)
        return apply_audit(audit, sampled.array, row["id"], seed, strength, footprints, queried, list(sampled.indices))

    def queried(self, row: Row) -> tuple[int, ...]:
        """Return the ids of the objects that a question names.

        Read once: every audit asks for them, and a benchmark keeps only a few rows with all that is known of them.
        """
        if row["id"] not in self._queried:
            self._queried[row["id"]] = tuple(self.benchmark.objects(row)["queried_objects"] or ())
        return self._queried[row["id"]]

    def footprints(self, row: Row) -> Footprints:
        """Return the footprints in the sampled frames; made once for questions about a video that follow each other."""
        name = self.benchmark.video_key(row)
        if name not in self._footprints:
            found = footprints_of(self.benchmark.objects(row))
            # Known from the metadata alone, or from a video's index: planning a run must not decode every video
            if self.config.fps is None:
                indices = uniform_indices(found.num_frames, self.config.frames)
            else:
                indices = self._indices(probe(self.benchmark.video(row)))
            self._footprints[name] = found.select(indices.tolist())
            # A batch may be about as many clips as it has questions, and each audit comes back to all of them
            while len(self._footprints) > max(FOOTPRINTS_KEPT, 2 * self.config.batch_size):
                self._footprints.popitem(last=False)
        self._footprints.move_to_end(name)
        return self._footprints[name]
