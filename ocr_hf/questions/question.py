"""What the generator returns, and its options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ocr_hf.registry import QUESTION_TYPES

VSI_BENCH_TYPES = (
    "object_counting",
    "object_abs_distance",
    "object_size_estimation",
    "room_size_estimation",
    "object_rel_distance",
    "object_rel_direction_easy",
    "object_rel_direction_medium",
    "object_rel_direction_hard",
    "obj_appearance_order",
    "route_planning",
)
"""VSI-Bench's own names, what is asked by default; the three direction levels are one of its eight tasks."""


def max_per_scene(questions_per_task: int | None = None) -> dict[str, int]:
    """Return the most questions of each type in one scene.

    The limits of VSI-Bench's types are the largest number that a scene of its test set has, except for route planning,
    where people wrote one a scene and ours are planned.

    Args:
        questions_per_task: Limits that give each task about so many; the types that share a task, as the three levels
            of relative direction do, get their part each, rounded up.

    Raises:
        ValueError: It is below 1.
    """
    if questions_per_task is None:
        return {name: entry.limit for name, entry in QUESTION_TYPES.items()}
    if questions_per_task < 1:
        raise ValueError(f"questions_per_task is {questions_per_task}; give at least 1")
    return {name: min(entry.limit, -(-questions_per_task // entry.levels)) for name, entry in QUESTION_TYPES.items()}


@dataclass(frozen=True)
class Question:
    """One question, in VSI-Bench's wording and with its answer.

    question_type : its type's name
    options : texts with their "A. " prefix, or None where the answer is a number
    ground_truth : the letter, or the number as VSI-Bench prints it
    reasoning : "<think>...</think><answer>...</answer>"; every number in it is taken from the geometry
    queried_objects : ids of what the question names
    context_objects : ids of what it doesn't name but the answer rests on (each family's module says which)
    """

    question_type: str
    question: str
    options: tuple[str, ...] | None
    ground_truth: str
    reasoning: str
    queried_objects: tuple[int, ...]
    context_objects: tuple[int, ...]


@dataclass(frozen=True)
class Generated:
    """A scene's questions, and how many candidates were left out for which reason."""

    questions: tuple[Question, ...]
    skipped: Counter[str]


@dataclass(frozen=True)
class VisibilityRule:
    """What a clip must show of an object before a question may rest on it.

    num_frames : frames that the model will see, sampled uniformly from the clip
    min_pixels : share of a frame's pixels that makes the object recognisable (0.001 is 77 pixels of 320 x 240)
    min_frames : sampled frames in which it must reach min_pixels
    glimpse_pixels : share below which, in every frame of the clip, the object counts as not shown at all;
        an object between the two is neither safely there nor safely absent, so its whole category is left out

    Ours, not VSI-Bench's, which asks about whole scans; a third of its answers break at 16 frames (ReVSI,
    arXiv 2604.24300), which this rule prevents.
    """

    num_frames: int = 16
    min_pixels: float = 0.001
    min_frames: int = 2
    glimpse_pixels: float = 0.0001

    def __post_init__(self) -> None:
        if not 1 <= self.min_frames <= self.num_frames:
            raise ValueError(
                f"min_frames is {self.min_frames}; it must be between 1 and the {self.num_frames} sampled frames"
            )
        if not 0.0 <= self.glimpse_pixels <= self.min_pixels < 1.0:
            raise ValueError(
                f"glimpse_pixels is {self.glimpse_pixels} and min_pixels {self.min_pixels}; they are shares of a "
                "frame, glimpse_pixels the smaller"
            )


@dataclass(frozen=True)
class QuestionConfig:
    """Options of the generator.

    question_types : what to ask; VSI-Bench's ten by default
    visibility : ask only about what the sampled frames show; None asks about the whole scene, as VSI-Bench does.
        Without footprints there is nothing to check and it has no effect
    rules : "exact" measures the true distance between boxes and has the same margin on both edges of a direction's
        sector; "official" samples the boxes and leaves one edge of a quadrant without margin, as VSI-Bench did, and
        serves to reproduce its answers
    max_per_scene : most questions of each type in one scene
    """

    question_types: tuple[str, ...] = VSI_BENCH_TYPES
    visibility: VisibilityRule | None = VisibilityRule()
    rules: Literal["exact", "official"] = "exact"
    max_per_scene: Mapping[str, int] = field(default_factory=max_per_scene)

    def __post_init__(self) -> None:
        for name in (*self.question_types, *self.max_per_scene):
            QUESTION_TYPES.find(name)
        if self.rules not in ("exact", "official"):
            raise ValueError(f"rules is '{self.rules}'; choose 'exact' or 'official'")
