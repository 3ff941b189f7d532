"""The settings of an evaluation: one dataclass, of which the flags of `ocr-hf eval` are another spelling."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ocr_hf.docstrings import with_help
from ocr_hf.registry import Choices
from ocr_hf.settings.names import refuse_old_names
from ocr_hf.vsi_bench.audits import RECOVERY
from ocr_hf.vsi_bench.extraction_rules import EXTRACTIONS, chosen_rules
from ocr_hf.vsi_bench.prompts import MAX_NEW_TOKENS, PROMPT_STYLES
from ocr_hf.vsi_bench.summary import AVERAGES

DTYPES = ("auto", "float32", "bfloat16", "float16")
MISSING = ("zero", "leave-out")
FRAMES_AS = ("video", "images")
IMAGE_FORMATS = ("png", "jpeg")
ONLY_ENDPOINT = ("endpoint", "image_format")
NOT_IDENTITY = (
    "device", "on_bad_video", "average", "draws", "rules", "missing", "concurrency", "retries", "timeout_s",
)  # fmt: skip
"""Settings that don't change what a model answers: a run may be continued with others."""


@with_help
@refuse_old_names
@dataclass(frozen=True)
class EvalConfig:
    """Which model is asked which questions, and how. Equal configs give equal results on any number of processes.

    Args:
        model: model to ask: Hub id or folder; with endpoint its name on the server.
        endpoint: address of an OpenAI-compatible server to ask, up to /v1; the key is read from OCR_HF_API_KEY.
        concurrency: questions that an endpoint is asked at once.
        retries: further attempts when an endpoint times out or is too busy.
        timeout_s: of one request to an endpoint, seconds.
        image_format: of frames sent to an endpoint as images: png (the very pixels) or jpeg (a fifth of the bytes).
        revision: branch, tag or commit of the model.
        data: nyu-visionx/VSI-Bench, a copy of it, or an ocr-vsi folder or Hub id.
        data_revision: branch, tag or commit of the data set.
        split: full, debiased (VSI-Bench), a split of an ocr-vsi data set, or its twins.
        limit: ask only this many questions, spread evenly over all.
        frames: frames per video, sampled uniformly, first and last included; none where fps is set.
        fps: frames a second instead of a number of frames; the rounded number is sampled uniformly.
        max_frames: most frames of a video with fps; left out: no bound.
        frames_as: video or images, so many image blocks before the question; left out: video where the model takes it.
        max_pixels: most pixels of a frame after resizing; left out: as the model's processor.
        min_pixels: fewest pixels of a frame after resizing; left out: as the model's processor.
        prompt: wording: official, official_api or thinking.
        extraction: rule by which answers are read; left out: official, with prompt thinking answer_tag.
        rules: score under these extraction rules as well; may be repeated; all: every one.
        max_new_tokens: longest answer, tokens; left out: 16, with prompt thinking 1024.
        batch_size: questions generated at once.
        dtype: number type of the model: auto, float32, bfloat16 or float16.
        device: cuda, cuda:1, cpu ...; left out: a GPU where there is one.
        audit: audit to run as well, may be repeated: text_only, black, shuffled, repeat, queried_erased,
            queried_noised, context_noised, recovery, or all that the data allow.
        strength: of the noise of the audits but recovery, 0 to 1.
        recovery_strengths: of the noise of recovery, 0 to 1; may be repeated.
        recovery_draws: how often recovery draws the noise of each strength.
        seed: of shuffled frames, noise and bootstrap.
        on_bad_video: what a video that can't be decoded does: stop, or skip (its questions score 0 and are counted).
        missing: what a question without a prediction does, where predictions are scored: zero (it scores 0), or
            leave-out. Either way it is counted.
        average: the headline: macro (mean of the eight tasks) or micro (mean of the questions).
        draws: bootstrap draws of the intervals, 0 for none.

    Raises:
        ValueError: a setting can't be used; it is named with its value.

    Example:
        >>> from ocr_hf import EvalConfig
        >>> config = EvalConfig(model="tiny", data="rooms", split="train", frames=4, prompt="thinking")
        >>> config.extraction, config.max_new_tokens
        ('answer_tag', 1024)
    """

    model: str | None = None
    endpoint: str | None = None
    concurrency: int = 8
    retries: int = 5
    timeout_s: float = 120.0
    image_format: str = "png"
    revision: str | None = None
    data: str | None = None
    data_revision: str | None = None
    split: str = "full"
    limit: int | None = None
    frames: int | None = 32
    fps: float | None = None
    max_frames: int | None = None
    frames_as: str | None = None
    max_pixels: int | None = None
    min_pixels: int | None = None
    prompt: str = "official"
    extraction: str | None = field(
        default=None,
        metadata={
            "help": Choices(
                "rule by which answers are read: {}; left out: official, with prompt thinking answer_tag", EXTRACTIONS
            )
        },
    )
    rules: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": Choices(
                "score under these extraction rules as well: all, or names of {}; may be repeated", EXTRACTIONS
            )
        },
    )
    max_new_tokens: int | None = None
    batch_size: int = 1
    dtype: str = "auto"
    device: str | None = None
    audit: tuple[str, ...] = ()
    strength: float = 1.0
    recovery_strengths: tuple[float, ...] = (0.25, 0.5, 1.0)
    recovery_draws: int = 2
    seed: int = 0
    on_bad_video: str = "stop"
    missing: str = "zero"
    average: str = "macro"
    draws: int = 1000

    def __post_init__(self) -> None:
        object.__setattr__(self, "audit", tuple(self.audit))
        object.__setattr__(self, "recovery_strengths", tuple(sorted(map(float, self.recovery_strengths))))
        self._check_choice("prompt", PROMPT_STYLES)
        self._check_choice("dtype", DTYPES)
        self._check_choice("on_bad_video", ("stop", "skip"))
        self._check_choice("average", AVERAGES)
        self._check_choice("missing", MISSING)
        self._check_choice("image_format", IMAGE_FORMATS)
        if self.frames_as is not None:
            self._check_choice("frames_as", FRAMES_AS)
        self._check_sampling()
        # Defaults that depend on the prompt are filled in here, so that results.json states what was in force
        if self.extraction is None:
            object.__setattr__(self, "extraction", "answer_tag" if self.prompt == "thinking" else "official")
        EXTRACTIONS.find(self.extraction, "extraction")
        object.__setattr__(self, "rules", tuple(rule.name for rule in chosen_rules(self.rules)))
        if self.max_new_tokens is None:
            object.__setattr__(self, "max_new_tokens", MAX_NEW_TOKENS[self.prompt])
        for name in (
            "frames",
            "max_new_tokens",
            "batch_size",
            "limit",
            "max_pixels",
            "min_pixels",
            "max_frames",
            "concurrency",
            "recovery_draws",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; give at least 1")
        if not 0.0 <= self.strength <= 1.0:
            raise ValueError(f"strength is {self.strength}; give 0 to 1")
        strengths = self.recovery_strengths
        if not strengths or len(set(strengths)) < len(strengths) or not 0.0 < strengths[0] <= strengths[-1] <= 1.0:
            given = ", ".join(map(str, strengths)) or "empty"
            raise ValueError(f"recovery_strengths is {given}; give different strengths above 0, up to 1")
        for name in ("draws", "retries"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give 0 or more")
        if not self.timeout_s > 0.0:
            raise ValueError(f"timeout_s is {self.timeout_s}; give seconds above 0")
        if self.endpoint is not None and self.min_pixels is not None:
            raise ValueError("min_pixels can't be given to an endpoint, whose server sizes frames; leave it out")

    def _check_sampling(self) -> None:
        if self.fps is None and self.frames is None:
            raise ValueError("neither frames nor fps is set; give one of them")
        if self.fps is None and self.max_frames is not None:
            raise ValueError(f"max_frames is {self.max_frames} without fps; give --fps, or say --frames")
        if self.fps is not None:
            if not 0.0 < self.fps < float("inf"):
                raise ValueError(f"fps is {self.fps}; give frames a second above 0")
            # One of the two says what was shown
            object.__setattr__(self, "frames", None)

    def count_frames(self, num_frames: int, duration_s: float) -> int:
        """Say how many frames of a video are shown.

        Args:
            num_frames: of the video.
            duration_s: of the video, seconds.

        Returns:
            `frames`, or as many as `fps` asks for, at least one and at most `max_frames`.
        """
        if self.fps is None:
            assert self.frames is not None
            return self.frames
        asked = max(1, round(duration_s * self.fps))
        return min(asked, num_frames if self.max_frames is None else self.max_frames)

    def _check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        if getattr(self, name) not in choices:
            raise ValueError(f"{name} is '{getattr(self, name)}'; choose one of {', '.join(choices)}")

    def identity(self) -> dict[str, Any]:
        """Leave out what doesn't change a model's answers, such as the device.

        Returns:
            The settings that decide what a model answers, as JSON has them: what `results.json` stores.
        """
        settings = asdict(self) | {"audit": list(self.audit), "recovery_strengths": list(self.recovery_strengths)}
        left_out = NOT_IDENTITY if self.endpoint else (*NOT_IDENTITY, *ONLY_ENDPOINT)
        # What no audit uses decides nothing: a run without recovery is the one it was before there was any
        unused = () if RECOVERY in self.audit or "all" in self.audit else ("recovery_strengths", "recovery_draws")
        return {name: value for name, value in settings.items() if name not in (*left_out, *unused)}
