"""The settings of an evaluation: one dataclass, of which the flags of `ocr-hf eval` are another spelling."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ocr_hf.vsi_bench.audits import AUDITS
from ocr_hf.vsi_bench.extract import EXTRACTIONS
from ocr_hf.vsi_bench.prompts import MAX_NEW_TOKENS, PROMPT_STYLES
from ocr_hf.vsi_bench.summary import AVERAGES

DTYPES = ("auto", "float32", "bfloat16", "float16")
NOT_IDENTITY = ("device", "on_bad_video", "average", "draws")
"""Settings that don't change what a model answers: a run may be continued with others."""


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class EvalConfig:
    """What is asked, of which model, how. Equal configs give equal results, whatever the number of processes.

    Field help texts are the command's help. Raises ValueError, naming option and value, for one that can't be used.
    """

    model: str | None = _option(None, "model to ask: Hub id or folder")
    revision: str | None = _option(None, "branch, tag or commit of the model")
    data: str | None = _option(None, "nyu-visionx/VSI-Bench, a copy of it, or an ocr-vsi folder or Hub id")
    data_revision: str | None = _option(None, "branch, tag or commit of the data set")
    split: str = _option("full", "full, debiased (VSI-Bench), or a split of an ocr-vsi data set")
    limit: int | None = _option(None, "ask only this many questions, spread evenly over all")
    frames: int = _option(32, "frames per video, sampled uniformly, first and last included")
    max_pixels: int | None = _option(None, "most pixels of a frame after resizing; left out: as the model's processor")
    min_pixels: int | None = _option(None, "fewest pixels of a frame after resizing")
    prompt: str = _option("official", f"wording: {', '.join(PROMPT_STYLES)}")
    extraction: str | None = _option(
        None, f"how answers are read: {', '.join(EXTRACTIONS)}; left out: official, with prompt thinking answer_tag"
    )
    max_new_tokens: int | None = _option(None, "longest answer, tokens; left out: 16, with prompt thinking 1024")
    batch_size: int = _option(1, "questions generated at once")
    dtype: str = _option("auto", f"number type of the model: {', '.join(DTYPES)}")
    device: str | None = _option(None, "cuda, cuda:1, cpu ...; left out: a GPU where there is one")
    audit: tuple[str, ...] = _option(
        (), f"audit to run as well, may be repeated: {', '.join(AUDITS)}, or all that the data allow"
    )
    strength: float = _option(1.0, "of the noise of the audits, 0 to 1")
    seed: int = _option(0, "of shuffled frames, noise and bootstrap")
    on_bad_video: str = _option(
        "stop", "what a video that can't be decoded does: stop, or skip (its questions score 0 and are counted)"
    )
    average: str = _option("macro", f"the headline: {', '.join(AVERAGES)}")
    draws: int = _option(1000, "bootstrap draws of the intervals, 0 for none")

    def __post_init__(self) -> None:
        object.__setattr__(self, "audit", tuple(self.audit))
        self._check_choice("prompt", PROMPT_STYLES)
        self._check_choice("dtype", DTYPES)
        self._check_choice("on_bad_video", ("stop", "skip"))
        self._check_choice("average", AVERAGES)
        if self.extraction is None:
            object.__setattr__(self, "extraction", "answer_tag" if self.prompt == "thinking" else "official")
        self._check_choice("extraction", EXTRACTIONS)
        if self.max_new_tokens is None:
            object.__setattr__(self, "max_new_tokens", MAX_NEW_TOKENS[self.prompt])
        for name in ("frames", "max_new_tokens", "batch_size", "limit", "max_pixels", "min_pixels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; give at least 1")
        if not 0.0 <= self.strength <= 1.0:
            raise ValueError(f"strength is {self.strength}; give 0 to 1")
        if self.draws < 0:
            raise ValueError(f"draws is {self.draws}; give 0 or more")

    def _check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        if getattr(self, name) not in choices:
            raise ValueError(f"{name} is '{getattr(self, name)}'; choose one of {', '.join(choices)}")

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide what a model answers, as JSON has them."""
        settings = asdict(self) | {"audit": list(self.audit)}
        return {name: value for name, value in settings.items() if name not in NOT_IDENTITY}
