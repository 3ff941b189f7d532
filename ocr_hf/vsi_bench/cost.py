"""What a run is going to ask for, told before it asks: questions, frames, and about how many tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocr_hf.archives import ArchiveError
from ocr_hf.data.video import VideoError
from ocr_hf.vsi_bench.benchmark import Row
from ocr_hf.vsi_bench.harness import Harness

PATCH = 28
"""Pixels of the side of what becomes one token of an image in Qwen's models; other models take other numbers."""
CHARACTERS = 4
"""Of English text in one token, roughly."""


@dataclass(frozen=True)
class Cost:
    """A run before it begins. Tokens are estimates: those of frames as Qwen's models count them, by the first video.

    questions : those of all audits; frames : sent with them; frame_tokens, text_tokens : of the prompts
    answer_tokens : most there can be
    """

    questions: int
    frames: int
    frame_tokens: int
    text_tokens: int
    answer_tokens: int

    def __str__(self) -> str:
        return (
            f"{self.questions:,} questions with {self.frames:,} frames: about {self.frame_tokens:,} tokens of frames "
            f"and {self.text_tokens:,} of text, at most {self.answer_tokens:,} of answers"
        )


def expected_cost(harness: Harness, batches: Sequence[tuple[str, Sequence[Row]]]) -> Cost:
    """Return what these batches ask for; only the first video that can be opened is looked at."""
    config = harness.config
    asked = [(audit, row) for audit, rows in batches for row in rows]
    shown = [row for audit, row in asked if audit != "text_only"]
    frames, area = _first_video(harness, shown)
    pixels = area if config.max_pixels is None else min(area, config.max_pixels)
    text = sum(len(harness.benchmark.prompt(row, config.prompt)) for _, row in asked) // CHARACTERS
    return Cost(
        questions=len(asked),
        frames=frames * len(shown),
        frame_tokens=round(pixels / PATCH**2) * frames * len(shown),
        text_tokens=text,
        answer_tokens=int(config.max_new_tokens or 0) * len(asked),
    )


def _first_video(harness: Harness, rows: Sequence[Row]) -> tuple[int, int]:
    """Return (frames that are shown of it, pixels of one); zeros where no video can be read."""
    for row in rows:
        try:
            count, height, width, _ = harness.sample(row).array.shape
        except (VideoError, ArchiveError, OSError):
            continue
        return count, height * width
    return 0, 0
