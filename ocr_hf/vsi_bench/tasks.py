"""The eight tasks of VSI-Bench: their question types, units and how each is scored (arXiv 2412.14171, table 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One column of the published tables.

    name : key in results; title : heading of the column
    levels : the question types it averages over, unweighted (one, or the three levels of relative direction)
    unit : unit of a numeric answer, "" for a count, None for multiple choice
    """

    name: str
    title: str
    levels: tuple[str, ...]
    unit: str | None


TASKS = (
    Task("object_counting", "Obj. Count", ("object_counting",), ""),
    Task("object_abs_distance", "Abs. Dist", ("object_abs_distance",), "m"),
    Task("object_size_estimation", "Obj. Size", ("object_size_estimation",), "cm"),
    Task("room_size_estimation", "Room Size", ("room_size_estimation",), "m2"),
    Task("object_rel_distance", "Rel. Dist", ("object_rel_distance",), None),
    Task(
        "object_rel_direction",
        "Rel. Dir",
        ("object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard"),
        None,
    ),
    Task("route_planning", "Route Plan", ("route_planning",), None),
    Task("obj_appearance_order", "Appr. Order", ("obj_appearance_order",), None),
)

QUESTION_TYPES = tuple(level for task in TASKS for level in task.levels)
"""The ten values of the `question_type` column, in the order of the published tables."""

TASK_OF = {level: task.name for task in TASKS for level in task.levels}
"""Question type -> name of its task."""
UNITS = {level: task.unit for task in TASKS for level in task.levels}
LETTERS = "ABCD"
"""The letters that VSI-Bench's options carry."""


_more_units: list[Callable[[], Mapping[str, str | None]]] = []


def add_units(find: Callable[[], Mapping[str, str | None]]) -> None:
    """Let answers to question types beyond VSI-Bench's be scored; they never enter its averages.

    Args:
        find: Returns question type -> unit, as `Task.unit`. It is called when a type isn't VSI-Bench's, so that the
            types themselves needn't be imported before.
    """
    _more_units.append(find)


def unit_of(question_type: object) -> str | None:
    """Return the unit of a type's answers: "" for a count, None for multiple choice.

    Raises:
        ValueError: VSI-Bench has no such type, and none was added.
    """
    if isinstance(question_type, str):
        if question_type in UNITS:
            return UNITS[question_type]
        for find in _more_units:
            units = find()
            if question_type in units:
                return units[question_type]
    raise ValueError(
        f"question_type {question_type!r} is unknown; VSI-Bench has {', '.join(QUESTION_TYPES)}, plugins may add more"
    )


def check_question_type(question_type: object) -> str:
    """Return `question_type`; raise ValueError for an unknown one."""
    unit_of(question_type)
    return str(question_type)


def is_numeric(question_type: str) -> bool:
    """Return whether the answer is a number (scored by MRA) and not a letter (scored by equality)."""
    return unit_of(question_type) is not None
