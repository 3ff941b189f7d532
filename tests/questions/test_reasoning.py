"""The chains of thought have one form, varied words, and only true numbers."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache

import numpy as np
import pytest
import shapely

from ocr_hf.geometry.box_distance import closest_points
from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import VSI_BENCH_TYPES, Question, QuestionConfig
from ocr_hf.questions.templates import parse
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.scenes.scene import Scene, SceneObject
from tests.questions.question_scenes import footprints, random_scene

FORM = re.compile(r"<think>(?P<think>[^<>]+)</think><answer>(?P<answer>[^<>]+)</answer>")
NUMBER = r"(\d+\.\d+|\d+)"


FPS = 2.0
SHOWN = 25
"""Objects of each scene that its made-up clip shows."""


def first_frame(item: SceneObject) -> int:
    """Return the frame from which the made-up clip shows an object."""
    return 3 * (item.id % 12)


@cache
def asked() -> dict[str, list[tuple[Scene, Question]]]:
    """Return questions of every type with their scenes."""
    found: dict[str, list[tuple[Scene, Question]]] = defaultdict(list)
    scenes = [random_scene(seed) for seed in range(12)] + [procedural_scene(seed) for seed in range(4)]
    for seed, scene in enumerate(scenes):
        clip = footprints(
            {item.id: [30 * (t >= first_frame(item)) for t in range(60)] for item in scene.objects[:SHOWN]}
        )
        for question in generate_questions(scene, None, None, seed).questions:
            found[question.question_type].append((scene, question))
        order = QuestionConfig(question_types=("obj_appearance_order",))
        for question in generate_questions(scene, clip, FPS, seed, order).questions:
            found[question.question_type].append((scene, question))
    return found


def cases(question_type: str):
    for scene, question in asked()[question_type]:
        yield scene, question, FORM.fullmatch(question.reasoning)["think"], parse(question_type, question.question)


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(NUMBER, text)]


def only(scene: Scene, label: str) -> SceneObject:
    (item,) = [item for item in scene.objects if item.label == label]
    return item


def gap(scene: Scene, first: str, second: str) -> float:
    pairs = [(a, b) for a in scene.objects if a.label == first for b in scene.objects if b.label == second]
    return float(closest_points([a.box for a, _ in pairs], [b.box for _, b in pairs])[2].min())


@pytest.mark.parametrize("question_type", VSI_BENCH_TYPES)
def test_every_type_has_the_form_and_ends_with_its_answer(question_type: str) -> None:
    assert len(asked()[question_type]) >= 10
    for _, question in asked()[question_type]:
        assert FORM.fullmatch(question.reasoning)["answer"] == question.ground_truth


@pytest.mark.parametrize("question_type", VSI_BENCH_TYPES)
def test_wording_varies(question_type: str) -> None:
    first_words = {question.reasoning[7:45] for _, question in asked()[question_type]}
    skeletons = {re.sub(NUMBER, "#", question.reasoning) for _, question in asked()[question_type]}
    assert len(first_words) >= 2
    assert len(skeletons) >= 4


def test_counting() -> None:
    for scene, question, think, (label,) in cases("object_counting"):
        count = sum(item.label == label for item in scene.objects)
        groups = re.findall(rf"(\d+) next to an? (.+?) \({NUMBER} m(?: to {NUMBER} m)? away\)", think)
        assert int(question.ground_truth) == count == sum(int(group[0]) for group in groups)
        for _, other, low, high in groups:
            nearest = [
                min(closest_points([item.box], [each.box])[2][0] for each in scene.objects if each.label == other)
                for item in scene.objects
                if item.label == label
            ]
            for stated in (low, high or low):
                assert np.abs(np.array(nearest) - float(stated)).min() <= 0.0051


def test_size() -> None:
    for scene, question, think, (label,) in cases("object_size_estimation"):
        edges = sorted((round(100 * edge) for edge in only(scene, label).box.size), reverse=True)
        assert numbers(think)[:3] == edges
        assert float(question.ground_truth) == edges[0]


def test_absolute_distance() -> None:
    for scene, question, think, (first, second) in cases("object_abs_distance"):
        true = gap(scene, first, second)
        level, rise = (float(number) for number in re.findall(r"\d+\.\d+", think)[:2])
        assert np.hypot(level, rise) == pytest.approx(true, abs=0.011)
        assert f"{true:.2f} m" in think
        assert float(question.ground_truth) == pytest.approx(true, abs=0.05001)
        low, high = only(scene, first).box.corners()[:, 2], only(scene, second).box.corners()[:, 2]
        assert rise == pytest.approx(max(low.min() - high.max(), high.min() - low.max(), 0.0), abs=0.0051)


def test_room_size() -> None:
    for scene, question, think, _ in cases("room_size_estimation"):
        areas = [shapely.Polygon(room.polygon).area for room in scene.rooms]
        assert float(question.ground_truth) == pytest.approx(sum(areas), abs=0.051)
        assert f"{question.ground_truth} " in think
        if len(areas) > 1:
            *parts, total = numbers(re.search(r"[\d. +]+ = [\d.]+\d", think)[0])
            assert parts == pytest.approx(areas, abs=0.0051)
            assert total == pytest.approx(sum(areas), abs=0.0051)
        for room, area in zip(scene.rooms, areas, strict=True):
            name = f"The {room.name}" if len(scene.rooms) > 1 else "The room"
            found = re.search(
                rf"{name} (?:is about {NUMBER} m long and|fits into a rectangle of {NUMBER} m by) {NUMBER} m", think
            )
            long, short = (float(side) for side in found.groups() if side)
            if "long and" in found.group():
                assert long * short == pytest.approx(area, rel=0.02)
            else:
                assert long * short >= area - 0.1
                assert re.search(rf"of which about {area:.1f} m2", think)


def test_relative_distance() -> None:
    for scene, question, think, (target, *labels) in cases("object_rel_distance"):
        assert [option[3:] for option in question.options] == labels
        stated = {
            label: float(number) for number, label in re.findall(rf"{NUMBER} m to the ([^,.]+?)(?=,|\.| and \d)", think)
        }
        assert list(stated) == labels
        for label, distance in stated.items():
            assert distance == pytest.approx(gap(scene, target, label), abs=0.0051)
        assert question.options["ABCD".index(question.ground_truth)][3:] == min(stated, key=stated.get)


@pytest.mark.parametrize("level", ["easy", "medium", "hard"])
def test_direction(level: str) -> None:
    for scene, question, think, arguments in cases(f"object_rel_direction_{level}"):
        p, o, q = (complex(*only(scene, label).box.center[:2]) for label in arguments)
        # In the complex plane a turn is a product: seen from p, with o straight ahead along the real axis.
        seen = (q - p) / ((o - p) / abs(o - p))
        angle = np.degrees(np.angle(seen))
        assert f"{abs(o - p):.2f} m" in think
        assert f"{abs(seen.real):.2f} m {'ahead of' if seen.real >= 0 else 'behind'} me" in think
        assert f"{abs(seen.imag):.2f} m to my {'left' if seen.imag >= 0 else 'right'}" in think
        assert re.search(rf"{abs(angle):.0f} degrees (?:to the )?{'left' if angle >= 0 else 'right'}", think)
        side = "left" if angle > 0 else "right"
        truth = {
            "easy": side,
            "medium": "back" if abs(angle) > 135 else side,
            "hard": f"{'front' if abs(angle) < 90 else 'back'}-{side}",
        }[level]
        answer = question.options["ABCD".index(question.ground_truth)][3:]
        assert answer == truth
        assert len([option for option in question.options if option[3:] == truth]) == 1


def test_appearance_order() -> None:
    for scene, question, think, _ in cases("obj_appearance_order"):
        sights = re.search(r"(?:first see|sight is of) (.+?)\. (?:The order|That gives)", think)[1]
        stated = {label: float(number) for label, number in re.findall(rf"the ([^,]+?) at {NUMBER} s", sights)}
        answer = question.options["ABCD".index(question.ground_truth)][3:]
        assert list(stated) == answer.split(", ")
        for label, second in stated.items():
            first = min(first_frame(item) for item in scene.objects[:SHOWN] if item.label == label)
            assert second == pytest.approx(first / FPS, abs=0.051)


def test_route() -> None:
    for scene, question, think, _ in cases("route_planning"):
        answer = question.options["ABCD".index(question.ground_truth)][3:].split(", ")
        turns = re.findall(rf"{NUMBER} degrees to its (left|right)(?:: |, so it has to )(turn \w+)", think)
        assert [turn.title() for _, _, turn in turns] == answer
        for degrees, side, turn in turns:
            exact = 180.0 if turn == "turn back" else 90.0
            assert abs(float(degrees) - exact) <= 30.5
            assert turn == "turn back" or turn == f"turn {side}"
        drives = [float(number) for number in re.findall(rf"(?:go|goes|drive) {NUMBER} m", think)]
        assert len(drives) == question.question.count("Go forward")
        reach = np.ptp(np.concatenate([room.polygon for room in scene.rooms]), axis=0)
        assert all(0.79 <= drive <= np.hypot(*reach) for drive in drives)


@pytest.mark.parametrize("question_type", VSI_BENCH_TYPES)
def test_queried_objects_are_those_named_and_context_is_others(question_type: str) -> None:
    for scene, question in asked()[question_type]:
        labels = {item.id: item.label for item in scene.objects}
        assert set(question.queried_objects).isdisjoint(question.context_objects)
        assert {*question.queried_objects, *question.context_objects} <= set(labels)
        named = {labels[number] for number in question.queried_objects}
        assert all(label in question.question for label in named)
        if question_type not in ("route_planning", "room_size_estimation"):
            assert named == set(parse(question_type, question.question))
        if question_type == "room_size_estimation":
            assert question.queried_objects == ()
            assert set(question.context_objects) == set(labels)
