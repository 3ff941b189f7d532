"""VSI-Bench's question texts, character for character (its `question` column), and their reverse."""

from __future__ import annotations

import re
from collections.abc import Sequence

TEMPLATES = {
    "object_counting": "How many {0}(s) are in this room?",
    "object_abs_distance": (
        "Measuring from the closest point of each object, what is the distance between the {0} and the {1} (in meters)?"
    ),
    "object_size_estimation": (
        "What is the length of the longest dimension (length, width, or height) of the {0}, measured in centimeters?"
    ),
    "room_size_estimation": (
        "What is the size of this room (in square meters)? \n"
        "If multiple rooms are shown, estimate the size of the combined space."
    ),
    "object_rel_distance": (
        "Measuring from the closest point of each object, which of these objects ({1}, {2}, {3}, {4}) is the closest "
        "to the {0}?"
    ),
    "object_rel_direction_easy": (
        "If I am standing by the {0} and facing the {1}, is the {2} to the left or the right of the {1}?"
    ),
    "object_rel_direction_medium": (
        "If I am standing by the {0} and facing the {1}, is the {2} to my left, right, or back?\n"
        "An object is to my back if I would have to turn at least 135 degrees in order to face it."
    ),
    "object_rel_direction_hard": (
        "If I am standing by the {0} and facing the {1}, is the {2} to my front-left, front-right, back-left, or "
        "back-right?\n"
        "The directions refer to the quadrants of a Cartesian plane (if I am standing at the origin and facing along "
        "the positive y-axis)."
    ),
    "obj_appearance_order": (
        "What will be the first-time appearance order of the following categories in the video: {0}, {1}, {2}, {3}?"
    ),
    "route_planning": (
        "You are a robot beginning {0}. You want to navigate to the {1}. You will perform the following actions "
        "(Note: for each [please fill in], choose either 'turn back,' 'turn left,' or 'turn right.'): {2}. You have "
        "reached the final destination."
    ),
}
"""Question type -> text. Arguments: (category), (a, b), (category), (), (target, four options), (standing by, facing,
asked for) three times, (four categories), and for routes (`route_pose`, goal, `numbered` steps)."""

FILL_IN = "[please fill in]"


def render(question_type: str, arguments: Sequence[str]) -> str:
    """Return the question of this type about `arguments`, in the order that TEMPLATES states."""
    return TEMPLATES[question_type].format(*arguments)


def route_pose(start: str, facing: str) -> str:
    """Return how a route begins, in the wording that most official routes have."""
    return f"at the {start} and facing the {facing}"


def numbered(steps: Sequence[str]) -> str:
    """Return route steps as the official questions list them: "1. Go forward until the bed 2. [please fill in]"."""
    return " ".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\d)\}", template)
    text, seen = re.escape(parts[0]), set()
    for index, literal in zip(parts[1::2], parts[2::2], strict=True):
        # An argument that comes twice must be the same both times, hence the back-reference.
        text += f"(?P=a{index})" if index in seen else f"(?P<a{index}>.+?)"
        seen.add(index)
        text += re.escape(literal)
    return re.compile(text)


_PATTERNS = {name: _pattern(template) for name, template in TEMPLATES.items()}


def parse(question_type: str, question: str) -> tuple[str, ...]:
    """Return the arguments of an official question text; raise ValueError if it doesn't follow its template."""
    match = _PATTERNS[question_type].fullmatch(question)
    if match is None:
        raise ValueError(f"'{question}' is no {question_type} question in VSI-Bench's wording")
    groups = match.groupdict()
    return tuple(groups[name] for name in sorted(groups))
