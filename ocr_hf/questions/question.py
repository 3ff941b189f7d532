"""What the generator returns, and its options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

QUESTION_TYPES = (
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
"""VSI-Bench's own names; the three direction levels are one of its eight tasks."""

MAX_PER_SCENE: Mapping[str, int] = {
    "object_counting": 11,
    "object_abs_distance": 7,
    "object_size_estimation": 14,
    "room_size_estimation": 1,
    "object_rel_distance": 19,
    "object_rel_direction_easy": 3,
    "object_rel_direction_medium": 6,
    "object_rel_direction_hard": 6,
    "obj_appearance_order": 30,
    "route_planning": 3,
}
"""Most questions of a type in one scene: the largest number that a scene of VSI-Bench's test set has, except for
route planning, where people wrote one a scene and ours are planned."""


def at_most(questions_per_task: int) -> dict[str, int]:
    """Return limits for each type that give each of VSI-Bench's eight tasks about as many questions.

    The three levels of relative direction, one task, get a third each, rounded up. Raises ValueError below 1.
    """
    if questions_per_task < 1:
        raise ValueError(f"questions_per_task is {questions_per_task}; give at least 1")
    third = -(-questions_per_task // 3)
    return {
        name: min(limit, third if name.startswith("object_rel_direction") else questions_per_task)
        for name, limit in MAX_PER_SCENE.items()
    }


@dataclass(frozen=True)
class Question:
    """One question, in VSI-Bench's wording and with its answer.

    question_type : one of QUESTION_TYPES
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

    question_types : what to ask
    visibility : ask only about what the sampled frames show; None asks about the whole scene, as VSI-Bench does.
        Without footprints there is nothing to check and it has no effect
    rules : "exact" measures the true distance between boxes and has the same margin on both edges of a direction's
        sector; "official" samples the boxes and leaves one edge of a quadrant without margin, as VSI-Bench did, and
        serves to reproduce its answers
    max_per_scene : most questions of each type in one scene
    """

    question_types: tuple[str, ...] = QUESTION_TYPES
    visibility: VisibilityRule | None = VisibilityRule()
    rules: Literal["exact", "official"] = "exact"
    max_per_scene: Mapping[str, int] = field(default_factory=lambda: dict(MAX_PER_SCENE))

    def __post_init__(self) -> None:
        unknown = sorted({*self.question_types, *self.max_per_scene} - set(QUESTION_TYPES))
        if unknown:
            raise ValueError(f"unknown question types {unknown}; VSI-Bench has {', '.join(QUESTION_TYPES)}")
        if self.rules not in ("exact", "official"):
            raise ValueError(f"rules is '{self.rules}'; choose 'exact' or 'official'")


PARITY = QuestionConfig(visibility=None, rules="official")
"""The rules of the official test set, for checks against its answers."""
