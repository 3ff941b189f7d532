"""Scenes with faults give fewer questions and a counted reason, never a wrong question."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import QuestionConfig
from ocr_hf.questions.templates import parse
from ocr_hf.scenes.scene import Room, Scene, SceneObject
from tests.questions.question_scenes import random_scene, scene_of, thing

ROOM = (Room("hall", np.array([[0.0, 0.0], [6.0, 0.0], [6.0, 6.0], [0.0, 6.0]])),)


def good(number: int = 1) -> list[SceneObject]:
    labels = ["bed", "sofa", "tv", "lamp", "desk"]
    return [thing(number + n, label, (1.2 * n, 0.9 * n**1.2, 0.4)) for n, label in enumerate(labels)]


def named_in(scene: Scene) -> tuple[set[str], dict[str, int]]:
    """Return every category that a question names, and why others were left out."""
    made = generate_questions(scene, None, None, 0, QuestionConfig())
    named: set[str] = set()
    for question in made.questions:
        if question.question_type != "route_planning":
            named |= set(parse(question.question_type, question.question))
    return named, made.skipped


@pytest.mark.parametrize(
    "label", ["", "unknown", "object", "Chair", "wall", "misc", "otherfurniture", "stuhl?", "a\nb", "-", "{0}"]
)
def test_names_that_say_nothing_or_are_no_names_are_left_out(label: str) -> None:
    named, skipped = named_in(scene_of(*good(), thing(9, label, (3, 1, 0.4)), rooms=ROOM))
    assert named == {"bed", "sofa", "tv", "lamp", "desk"}
    assert skipped["category: unknown or unusable name"] == 1


@pytest.mark.parametrize(
    "label", ["coat rack", "coat hanger", "t-shirt", "tv's stand", "2-seater sofa", "washer/dryer"]
)
def test_unusual_names_are_names(label: str) -> None:
    named, skipped = named_in(scene_of(*good(), thing(9, label, (3, 1, 0.4)), rooms=ROOM))
    assert label in named
    assert skipped["category: unknown or unusable name"] == 0


def test_a_box_without_volume_takes_its_whole_category_along() -> None:
    flat = [thing(8, "chair", (3, 1, 0.4)), thing(9, "chair", (4, 1, 0.4), (0.5, 0.5, 0.0))]
    named, skipped = named_in(scene_of(*good(), *flat, rooms=ROOM))
    assert "chair" not in named
    assert skipped["category: zero-size box"] == 1


def test_an_object_outside_every_room_takes_its_whole_category_along() -> None:
    outside = [thing(8, "chair", (3, 1, 0.4)), thing(9, "chair", (3, 9, 0.4))]
    named, skipped = named_in(scene_of(*good(), *outside, rooms=ROOM))
    assert "chair" not in named
    assert skipped["category: outside every room"] == 1
    in_the_wall = [thing(8, "window", (3, 6.1, 1.4))]
    assert "window" in named_in(scene_of(*good(), *in_the_wall, rooms=ROOM))[0]


def test_a_room_with_one_object_gives_its_size_and_nothing_to_compare() -> None:
    made = generate_questions(scene_of(thing(1, "bed", (3, 3, 0.2)), rooms=ROOM), None, None, 0)
    assert sorted(question.question_type for question in made.questions) == [
        "object_size_estimation",
        "room_size_estimation",
    ]
    assert made.skipped["object_counting: fewer than two instances"] == 1


def test_an_empty_scene_gives_nothing() -> None:
    made = generate_questions(scene_of(), None, None, 0)
    assert made.questions == ()
    assert made.skipped["room_size_estimation: floor area is unknown"] == 1


@pytest.mark.parametrize("area", [0.0, -3.0, float("nan"), float("inf")])
def test_an_impossible_floor_area_is_not_asked_for(area: float) -> None:
    made = generate_questions(
        scene_of(*good(), floor_area_m2=area), None, None, 0, QuestionConfig(("room_size_estimation",))
    )
    assert made.questions == ()
    assert made.skipped == {"room_size_estimation: floor area is unknown": 1}


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.data())
def test_no_question_names_a_faulty_category(seed: int, data: st.DataObject) -> None:
    """Whatever is broken in a scene, questions are about the rest, and the rest is asked about as before."""
    scene = random_scene(seed)
    labels = sorted({item.label for item in scene.objects})
    broken = set(data.draw(st.lists(st.sampled_from(labels), unique=True, max_size=5)))
    fault = data.draw(st.sampled_from(["flat", "outside"]))
    objects = []
    for item in scene.objects:
        if item.label in broken:
            center = item.box.center + (100.0 if fault == "outside" else 0.0)
            size = item.box.size * ([1, 1, 0] if fault == "flat" else 1)
            item = SceneObject(item.id, item.label, type(item.box)(center, size, item.box.rotation))
        objects.append(item)
    named, skipped = named_in(Scene(scene.name, scene.source, tuple(objects), rooms=scene.rooms))
    assert named.isdisjoint(broken)
    assert sum(count for reason, count in skipped.items() if reason.startswith("category: ")) == len(broken)


def test_many_objects_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    objects = [thing(n, f"thing {n}", (*rng.uniform(0, 30, 2), 0.4), rng.uniform(0.1, 0.5, 3)) for n in range(1, 121)]
    made = generate_questions(scene_of(*objects), None, None, 0)
    assert {question.question_type for question in made.questions} >= {
        "object_rel_distance",
        "object_rel_direction_hard",
    }
