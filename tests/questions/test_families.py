"""Answers of small scenes that can be worked out by hand, and the margins at which a question is no longer asked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ocr_hf.questions.generate import PARITY, generate_questions
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import QuestionConfig
from ocr_hf.questions.question_types import QUESTION_TYPES
from ocr_hf.scenes.scene import Room, Scene
from tests.questions.question_scenes import scene_of, thing


def look(scene: Scene, config: QuestionConfig | None = None) -> Inventory:
    return Inventory(scene, None, None, config or QuestionConfig(), Counter())


def at(label: str, x: float, y: float, number: int, side: float = 0.2):
    """A cube whose middle is at (x, y)."""
    return thing(number, label, (x, y, 0.5), (side, side, side))


def test_counting_needs_two() -> None:
    inventory = look(scene_of(at("chair", 0, 0, 1), at("chair", 2, 0, 2), at("table", 1, 1, 3)))
    counting = QUESTION_TYPES["object_counting"]
    assert counting.check(inventory, ("chair",)) is None
    assert counting.solve(inventory, ("chair",)) == "2"
    assert counting.check(inventory, ("table",)) == "fewer than two instances"
    assert counting.check(inventory, ("sofa",)) == "category is not in the scene"


def test_size_is_the_longest_edge_of_the_only_instance() -> None:
    inventory = look(
        scene_of(thing(1, "sofa", (0, 0, 0), (0.8, 1.994, 0.9), 1.0), at("chair", 3, 0, 2), at("chair", 4, 0, 3))
    )
    size = QUESTION_TYPES["object_size_estimation"]
    assert size.solve(inventory, ("sofa",)) == "199"
    assert size.check(inventory, ("chair",)) == "category is not unique"


@pytest.mark.parametrize(("gap", "answer"), [(1.26, "1.3"), (0.36, "0.4"), (2.0, "2.0")])
def test_absolute_distance_is_between_closest_points(gap: float, answer: str) -> None:
    inventory = look(scene_of(at("tv", 0, 0, 1), at("bed", gap + 0.2, 0, 2)))
    distance = QUESTION_TYPES["object_abs_distance"]
    assert distance.check(inventory, ("tv", "bed")) is None
    assert distance.solve(inventory, ("tv", "bed")) == distance.solve(inventory, ("bed", "tv")) == answer


def test_touching_objects_are_not_asked_for_their_distance() -> None:
    inventory = look(scene_of(at("tv", 0, 0, 1), at("bed", 0.54, 0, 2)))
    assert QUESTION_TYPES["object_abs_distance"].check(inventory, ("tv", "bed")) == "objects are too close together"


def test_relative_distance_takes_the_nearest_instance_and_keeps_its_margins() -> None:
    near, far = at("chair", 0.9, 0, 2), at("chair", 5, 0, 3)
    others = [at("bed", 0, 2, 4), at("sofa", 0, -3, 5), at("lamp", -4, 0, 6)]
    relative = QUESTION_TYPES["object_rel_distance"]
    arguments = ("tv", "sofa", "chair", "bed", "lamp")
    inventory = look(scene_of(at("tv", 0, 0, 1), near, far, *others))
    assert relative.check(inventory, arguments) is None
    assert relative.solve(inventory, arguments) == "chair"
    assert relative.check(inventory, ("chair", "tv", "sofa", "bed", "lamp")) == "category is not unique"
    assert relative.check(inventory, ("tv", "chair", "chair", "bed", "lamp")) == "a category is named twice"
    touching = look(scene_of(at("tv", 0, 0, 1), at("chair", 0.3, 0, 2), *others))
    assert relative.check(touching, arguments) == "the nearest option touches the object"
    alike = look(scene_of(at("tv", 0, 0, 1), near, *others[:2], at("lamp", -3.1, 0, 6)))
    assert relative.check(alike, arguments) == "two options are almost equally far away"


@pytest.mark.parametrize(
    ("angle_deg", "easy", "medium", "hard"),
    [
        (45.0, "left", "left", "front-left"),
        (110.0, "left", "left", "back-left"),
        (160.0, "left", "back", "back-left"),
        (200.0, "right", "back", "back-right"),
        (250.0, "right", "right", "back-right"),
        (315.0, "right", "right", "front-right"),
    ],
)
def test_directions_all_around(angle_deg: float, easy: str, medium: str, hard: str) -> None:
    angle = np.radians(angle_deg)
    # Facing +y, counter-clockwise is towards -x.
    asked = at("lamp", -2 * np.sin(angle), 2 * np.cos(angle), 3, side=0.05)
    inventory = look(scene_of(at("bed", 0, 0, 1), at("tv", 0, 3, 2), asked))
    for level, answer in (("easy", easy), ("medium", medium), ("hard", hard)):
        family = QUESTION_TYPES[f"object_rel_direction_{level}"]
        assert family.solve(inventory, ("bed", "tv", "lamp")) == answer
        behind = level == "easy" and 135.0 < angle_deg < 225.0
        assert family.check(inventory, ("bed", "tv", "lamp")) == ("the object is behind" if behind else None)


@pytest.mark.parametrize(
    ("level", "edge_deg"),
    [
        ("easy", 0),
        ("easy", 135),
        ("medium", 0),
        ("medium", 135),
        ("medium", 225),
        ("hard", 0),
        ("hard", 90),
        ("hard", 180),
    ],
)
def test_directions_keep_ten_degrees_from_every_edge(level: str, edge_deg: float) -> None:
    family = QUESTION_TYPES[f"object_rel_direction_{level}"]
    for offset_deg, fine in ((-11.0, True), (-9.0, False), (9.0, False), (11.0, True)):
        angle = np.radians(edge_deg + offset_deg)
        asked = at("lamp", -2 * np.sin(angle), 2 * np.cos(angle), 3, side=0.02)
        inventory = look(scene_of(at("bed", 0, 0, 1), at("tv", 0, 3, 2), asked))
        reason = family.check(inventory, ("bed", "tv", "lamp"))
        if fine and not (level == "easy" and offset_deg > 0 and edge_deg == 135):
            assert reason is None
        else:
            assert reason in ("the object is on the edge between two directions", "the object is behind")


def test_official_rules_have_no_margin_at_the_lower_edge_of_a_quadrant() -> None:
    angle = np.radians(92.0)
    asked = at("lamp", -2 * np.sin(angle), 2 * np.cos(angle), 3, side=0.02)
    scene = scene_of(at("bed", 0, 0, 1), at("tv", 0, 3, 2), asked)
    hard = QUESTION_TYPES["object_rel_direction_hard"]
    assert hard.check(look(scene, PARITY), ("bed", "tv", "lamp")) is None
    assert hard.check(look(scene), ("bed", "tv", "lamp")) == "the object is on the edge between two directions"


def test_wide_objects_reach_into_another_direction() -> None:
    wide = thing(3, "sofa", (-1.2, 1.2, 0.5), (5.0, 0.4, 0.5))
    inventory = look(scene_of(at("bed", 0, 0, 1), at("tv", 0, 4, 2), wide))
    assert QUESTION_TYPES["object_rel_direction_hard"].check(inventory, ("bed", "tv", "sofa")) == (
        "the object reaches into another direction"
    )


@pytest.mark.parametrize("distance", [0.45, 5.5])
def test_directions_need_objects_neither_touching_nor_far_off(distance: float) -> None:
    inventory = look(scene_of(at("bed", 0, 0, 1), at("tv", 0, 2, 2), at("lamp", distance, 0, 3)))
    assert QUESTION_TYPES["object_rel_direction_medium"].check(inventory, ("bed", "tv", "lamp")) == (
        "two of the objects are too close together or too far apart"
    )


def test_one_object_above_another_gives_no_direction_to_face() -> None:
    inventory = look(scene_of(at("bed", 0, 0, 1), thing(2, "lamp", (0, 0, 2.4), (0.2, 0.2, 0.2)), at("tv", 2, 0, 3)))
    assert (
        QUESTION_TYPES["object_rel_direction_easy"].check(inventory, ("bed", "lamp", "tv"))
        == "one object is right above the other"
    )


def test_room_size_is_the_floor_of_all_rooms() -> None:
    square = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0], [0.0, 4.0]])
    rooms = (Room("kitchen", square), Room("hall", square + [3.1, 0.0]))
    room = QUESTION_TYPES["room_size_estimation"]
    assert room.solve(look(scene_of(at("bed", 1, 1, 1), rooms=rooms)), ()) == "24.0"
    assert room.solve(look(scene_of(at("bed", 1, 1, 1), rooms=rooms, floor_area_m2=24.36)), ()) == "24.4"
    assert room.check(look(scene_of(at("bed", 1, 1, 1))), ()) == "floor area is unknown"
    assert room.check(look(scene_of(at("bed", 1, 1, 1), rooms=rooms, floor_area_m2=0.8)), ()) is None


def test_caps_and_types_are_obeyed() -> None:
    from tests.questions.question_scenes import random_scene

    config = QuestionConfig(
        ("object_abs_distance", "object_rel_direction_hard"), max_per_scene={"object_abs_distance": 2}
    )
    made = generate_questions(random_scene(0), None, None, 0, config)
    assert [question.question_type for question in made.questions] == ["object_abs_distance"] * 2
    full = generate_questions(random_scene(0), None, None, 0)
    numbers = Counter(question.question_type for question in full.questions)
    assert all(numbers[name] <= most for name, most in QuestionConfig().max_per_scene.items())
    texts = [(question.question_type, question.question) for question in full.questions]
    assert len(texts) == len(set(texts))


def test_unknown_types_and_rules_are_refused() -> None:
    with pytest.raises(ValueError, match="question type is 'object_color'; did you mean"):
        QuestionConfig(("object_color",))
    with pytest.raises(ValueError, match="rules is 'strict'"):
        QuestionConfig(rules="strict")
