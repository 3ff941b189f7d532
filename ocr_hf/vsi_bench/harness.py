"""The harness: a benchmark's questions, under each audit, to prompts with videos and to the model's texts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocr_hf.models.answer import AnsweringModel, Prompt
from ocr_hf.models.endpoint import EndpointModel
from ocr_hf.models.sampled_clip import SampledClip
from ocr_hf.vsi_bench.audits import RECOVERY, VANILLA, Arm, apply_audit, needs_objects
from ocr_hf.vsi_bench.benchmark import Benchmark, Row
from ocr_hf.vsi_bench.benchmark_frames import BenchmarkFrames
from ocr_hf.vsi_bench.context_match import match_context
from ocr_hf.vsi_bench.eval_config import EvalConfig

if TYPE_CHECKING:
    from ocr_hf.models.load_model import LoadedModel

ENCODED_CACHE_BYTES = 1024**3
"""Encoded videos that are kept, with at least one; a batch's questions may be about many."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """One question ready for the model: its prompt with the encoded video, and what to record beside the answer."""

    row: Row
    prompt: Prompt
    record: dict[str, Any]


class Harness(BenchmarkFrames):
    """Prepares the questions of one benchmark for one model and has them answered."""

    def __init__(self, benchmark: Benchmark, config: EvalConfig, asked: LoadedModel | EndpointModel) -> None:
        super().__init__(benchmark, config)
        self.model: AnsweringModel | EndpointModel = (
            asked
            if isinstance(asked, EndpointModel)
            else AnsweringModel.of(asked, config.min_pixels, config.max_pixels, config.frames_as)
        )
        self._encoded: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._shows: dict[Any, tuple[bool, bool]] = {}  # id -> whether a named object is seen, and all have a match

    def prepare(self, row: Row, audit: str) -> Prepared:
        """Return a question as an audit asks it; raise VideoError where its video can't be decoded."""
        text = self.benchmark.prompt(row, self.config.prompt)
        if audit == "text_only":
            return Prepared(row, Prompt.of(text), {"num_frames": 0})
        sampled = self.sample(row)
        record = {"num_frames": len(sampled.indices), "sampled_fps": round(sampled.fps, 6)}
        if needs_objects(audit):
            changed = self.change(row, audit, sampled)
            record |= {"changed_px": changed.changed_px, "asked_px": changed.asked_px}
            video = self.model.encode(changed.frames, sampled.fps)
        else:
            video = self._encode_once(row, audit, sampled)
        return Prepared(row, Prompt.of(text, video), record | self.model.encoder.facts(video))

    def applies(self, row: Row, audit: str) -> bool:
        """Return whether an audit can be asked of a question: it names an object that a sampled frame shows.

        For recovery there must be like objects as well.
        """
        if not needs_objects(audit):
            return True
        if row["id"] not in self._shows:
            queried = self.queried(row)
            footprints = self.footprints(row) if queried else None
            shown = footprints is not None and any(footprints.areas(item).any() for item in queried)
            self._shows[row["id"]] = (
                shown,
                RECOVERY in self.config.audit and shown and bool(match_context(footprints, queried)),
            )
        is_shown, is_matched = self._shows[row["id"]]
        return is_shown if Arm.of(audit) is None else is_matched

    def answer(self, batch: Sequence[Prepared]) -> list[str]:
        """Return the model's answers, greedily decoded; special tokens are left out, white space is kept."""
        answers = self.model.answer([question.prompt for question in batch], self.config.max_new_tokens)
        return [answer.text for answer in answers]

    def _encode_once(self, row: Row, audit: str, sampled: SampledClip) -> Any:
        """Encode frames that all questions about a video share."""
        # A repeat sees what the plain run sees; only its batches are others
        audit = VANILLA if audit == "repeat" else audit
        key = (self.benchmark.video_key(row), audit)
        if key not in self._encoded:
            changed = apply_audit(audit, sampled.array, key[0], self.config.seed)
            video = self._encoded[key] = self.model.encode(changed.frames, sampled.fps)
            most = max(1, ENCODED_CACHE_BYTES // self.model.encoder.nbytes(video))
            while len(self._encoded) > most:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(key)
        return self._encoded[key]
