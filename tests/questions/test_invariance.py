"""What must not change when a scene is moved, and what must when it is mirrored or scaled."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import VSI_BENCH_TYPES, Question, QuestionConfig
from ocr_hf.questions.question_types import QUESTION_TYPES
from tests.questions.question_scenes import about_z, footprints, mirrored, moved, random_scene, scaled, scene_of, thing

NO_ROUTES = QuestionConfig(tuple(name for name in VSI_BENCH_TYPES if name != "route_planning"))
"""Routes are planned on a grid that doesn't turn with the scene; test_route.py moves them on floors without grid."""
SEEDS = st.integers(0, 2**31)


def answer_of(question: Question) -> str:
    """Return the answer's text."""
    if question.options is None:
        return question.ground_truth
    return question.options["ABCD".index(question.ground_truth)][3:]


@settings(max_examples=40)
@given(SEEDS, st.floats(-np.pi, np.pi), st.tuples(*[st.floats(-20.0, 20.0)] * 3))
def test_moving_a_scene_changes_nothing(seed: int, angle_rad: float, shift: tuple[float, float, float]) -> None:
    scene = random_scene(seed)
    before = generate_questions(scene, None, None, seed, NO_ROUTES)
    after = generate_questions(moved(scene, about_z(angle_rad, shift)), None, None, seed, NO_ROUTES)
    assert len(before.questions) > 30
    assert after.questions == before.questions
    assert after.skipped == before.skipped


@pytest.mark.parametrize("angle_deg", [0, 30, 45, 90, 180, 270])
def test_furniture_on_a_grid_is_judged_alike_in_every_orientation(angle_deg: float) -> None:
    """Distances of exactly 1.25 m and directions of exactly 45 degrees are where the last bit could decide."""
    labels = ["bed", "sofa", "tv", "lamp", "desk", "plant", "stove", "sink", "toilet"]
    grid = [thing(n + 1, label, (n % 3 * 1.75, n // 3 * 1.75, 0.25), (0.5, 0.5, 0.5)) for n, label in enumerate(labels)]
    scene = scene_of(*grid)
    before = generate_questions(scene, None, None, 1, NO_ROUTES)
    after = generate_questions(moved(scene, about_z(np.radians(angle_deg), (3.3, -1.7, 0.4))), None, None, 1, NO_ROUTES)
    assert [(q.question, q.options, q.ground_truth) for q in after.questions] == [
        (q.question, q.options, q.ground_truth) for q in before.questions
    ]
    assert "1.3" in {question.ground_truth for question in before.questions}


@settings(max_examples=40)
@given(SEEDS)
def test_a_mirror_swaps_left_and_right_and_nothing_else(seed: int) -> None:
    scene = random_scene(seed)
    before = generate_questions(scene, None, None, seed, NO_ROUTES).questions
    after = generate_questions(mirrored(scene), None, None, seed, NO_ROUTES).questions
    assert [question.question for question in after] == [question.question for question in before]
    swapped = str.maketrans({"<": "right", ">": "left"})
    for one, other in zip(before, after, strict=True):
        expected = answer_of(one)
        if "direction" in one.question_type:
            expected = expected.replace("left", "<").replace("right", ">").translate(swapped)
        assert answer_of(other) == expected


@settings(max_examples=40)
@given(SEEDS, st.floats(0.2, 5.0))
def test_scaling_scales_lengths_and_areas_and_keeps_orders(seed: int, factor: float) -> None:
    scene, large = random_scene(seed), scaled(random_scene(seed), factor)
    small, big = (Inventory(each, None, None, QuestionConfig(), Counter()) for each in (scene, large))
    labels = small.unique
    for first, second in zip(labels, labels[1:], strict=False):
        assert big.gap(first, second).distance_m == pytest.approx(
            factor * small.gap(first, second).distance_m, abs=1e-9
        )
    size, room = QUESTION_TYPES["object_size_estimation"], QUESTION_TYPES["room_size_estimation"]
    for label in labels:
        assert int(size.solve(big, (label,))) == pytest.approx(factor * 100 * max(small.only(label).box.size), abs=0.51)
    outline = scene.rooms[0].polygon
    x, y = outline.T
    area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    assert float(room.solve(big, ())) == pytest.approx(factor**2 * area, abs=0.051)
    for name in ("object_rel_direction_medium", "object_rel_direction_hard"):
        assert QUESTION_TYPES[name].solve(big, labels[:3]) == QUESTION_TYPES[name].solve(small, labels[:3])
    assert QUESTION_TYPES["object_rel_distance"].solve(big, labels[:5]) == QUESTION_TYPES["object_rel_distance"].solve(
        small, labels[:5]
    )


@settings(max_examples=20)
@given(SEEDS)
def test_the_result_is_a_function_of_scene_and_seed_and_not_of_the_objects_order(seed: int) -> None:
    scene = random_scene(seed)
    shuffled = replace(
        scene, objects=tuple(scene.objects[i] for i in np.random.default_rng(seed).permutation(len(scene.objects)))
    )
    clip = footprints({item.id: [40 * (t > item.id) for t in range(30)] for item in scene.objects})
    first = generate_questions(scene, clip, 2.0, seed, NO_ROUTES)
    assert generate_questions(shuffled, clip, 2.0, seed, NO_ROUTES) == first
    assert generate_questions(scene, clip, 2.0, seed + 1, NO_ROUTES) != first
