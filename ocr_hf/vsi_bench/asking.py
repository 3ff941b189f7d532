"""Asking a model: from a question and the frames that it is shown to inputs, and to the text it answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocr_hf.data.video import uniform_indices
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.vsi_bench.audits import NEED_OBJECTS, apply_audit
from ocr_hf.vsi_bench.benchmark import Benchmark, Row
from ocr_hf.vsi_bench.encoding import Encoder, encoder_for
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.prompts import build_prompt
from ocr_hf.vsi_bench.shown_frames import Sampled, ShownFrames

if TYPE_CHECKING:
    from ocr_hf.models.load_model import LoadedModel

ENCODED_CACHE_BYTES = 1024**3
"""Encoded videos that are kept, with at least one; a batch's questions may be about many."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """One question ready for the model: its chat, its encoded video, and what to record beside the answer."""

    row: Row
    messages: list[dict[str, Any]]
    video: Any
    record: dict[str, Any]


class Asker(ShownFrames):
    """Prepares and asks questions of one benchmark with one model."""

    def __init__(self, benchmark: Benchmark, config: EvalConfig, loaded: LoadedModel) -> None:
        super().__init__(benchmark, config)
        self.model = loaded.model
        self.tokenizer = loaded.processor.tokenizer
        self.encoder: Encoder = encoder_for(loaded, config.min_pixels, config.max_pixels)
        self._encoded: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def prepare(self, row: Row, audit: str) -> Prepared:
        """Return a question as an audit asks it; raise VideoError where its video can't be decoded."""
        messages = [{"role": "user", "content": [{"type": "text", "text": build_prompt(row, self.config.prompt)}]}]
        if audit == "text_only":
            return Prepared(row, messages, None, {"num_frames": 0})
        sampled = self.sample(row)
        record = {"num_frames": len(sampled.frames), "sampled_fps": round(sampled.fps, 6)}
        if audit in NEED_OBJECTS:
            changed = self.change(row, audit, sampled)
            record |= {"changed_px": changed.changed_px, "asked_px": changed.asked_px}
            video = self.encoder.encode(changed.frames, sampled.fps)
        else:
            video = self._encode_once(row, audit, sampled)
        return Prepared(row, messages, video, record | self.encoder.facts(video))

    def applies(self, row: Row, audit: str) -> bool:
        """Return whether an audit can be asked of a question: it names an object that a sampled frame shows."""
        if audit not in NEED_OBJECTS:
            return True
        full = self.benchmark.objects(row)
        if not full["queried_objects"]:
            return False
        footprints = footprints_of(full)
        indices = uniform_indices(footprints.num_frames, self.config.frames)
        return any(footprints.areas(item)[indices].any() for item in full["queried_objects"])

    def ask(self, batch: Sequence[Prepared]) -> list[str]:
        """Return the model's answers, greedily decoded; special tokens are left out, white space is kept."""
        import torch

        with torch.inference_mode():
            inputs = self.encoder.batch([(question.messages, question.video) for question in batch])
            output = self.model.generate(**inputs, **generation_arguments(self.config))
        new = output[:, inputs["input_ids"].shape[1] :]
        return self.tokenizer.batch_decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _encode_once(self, row: Row, audit: str, sampled: Sampled) -> Any:
        """Encode frames that all questions about a video share."""
        key = (self.benchmark.video_key(row), audit)
        if key not in self._encoded:
            changed = apply_audit(audit, sampled.frames, key[0], self.config.seed)
            # The cached frames are read-only, and torch shares their memory.
            video = self._encoded[key] = self.encoder.encode(changed.frames.copy(), sampled.fps)
            most = max(1, ENCODED_CACHE_BYTES // self.encoder.nbytes(video))
            while len(self._encoded) > most:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(key)
        return self._encoded[key]


def generation_arguments(config: EvalConfig) -> dict[str, Any]:
    """Return what `generate` is told beside the inputs: greedy, and else the model's own generation config."""
    greedy = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    return {"max_new_tokens": config.max_new_tokens, **greedy}
