"""What a clip shows decides what is asked: visibility, and the order of appearance."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.questions.clip_visibility import Shown, first_appearance_s, shown
from ocr_hf.questions.generate import PARITY, generate_questions
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import QuestionConfig, VisibilityRule
from ocr_hf.questions.question_types import QUESTION_TYPES
from ocr_hf.questions.templates import parse
from ocr_hf.scenes.scene import Room, Scene
from tests.questions.question_scenes import footprints, scene_of, thing

FAMILY = QUESTION_TYPES["obj_appearance_order"]
LABELS = ["bed", "sofa", "tv", "lamp", "desk", "plant"]
ORDER_ONLY = QuestionConfig(("obj_appearance_order",))


def row(labels: list[str], **others) -> Scene:
    """Return things in a row, a metre apart."""
    return scene_of(*(thing(n, label, (n, 0, 0.5)) for n, label in enumerate(labels, start=1)), **others)


def seen_from(frame: int, frames: int = 32, pixels: int = 50) -> list[int]:
    return [pixels * (t >= frame) for t in range(frames)]


def look(
    scene: Scene, clip: Footprints, config: QuestionConfig | None = None, skipped: Counter | None = None
) -> Inventory:
    return Inventory(scene, clip, 2.0, config or QuestionConfig(), Counter() if skipped is None else skipped)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ([0] * 32, Shown.NOT),
        ([1] * 32, Shown.NOT),
        ([2] * 32, Shown.BARELY),
        ([9] * 32, Shown.BARELY),
        ([10] * 32, Shown.CLEARLY),
        ([10] + [0] * 31, Shown.BARELY),
        ([10] + [0] * 30 + [10], Shown.CLEARLY),
        ([0, 500] + [0] * 30, Shown.BARELY),
    ],
)
def test_an_object_is_shown_by_enough_pixels_in_two_sampled_frames(pixels: list[int], expected: Shown) -> None:
    assert shown(np.array(pixels) / 10_000, VisibilityRule()) == expected


def test_nothing_is_asked_about_what_the_clip_does_not_show_well() -> None:
    scene = row(["bed", "sofa", "tv", "lamp", "desk"])
    clip = footprints({1: [50] * 32, 2: [5] * 32, 3: [0] * 32, 4: [50] * 32, 5: [0, 90] + [0] * 30})
    made = generate_questions(scene, clip, 2.0, 0, QuestionConfig(("object_size_estimation", "object_abs_distance")))
    named = {name for question in made.questions for name in parse(question.question_type, question.question)}
    assert named == {"bed", "lamp"}
    assert made.skipped["category: barely shown in the clip"] == 2
    assert made.skipped["category: not shown in the clip"] == 1
    every = generate_questions(scene, clip, 2.0, 0, QuestionConfig(("object_size_estimation",), visibility=None))
    assert len(every.questions) == 5


def test_counting_counts_what_the_clip_shows() -> None:
    scene = row(["chair", "chair", "chair", "bed"])
    hidden = look(scene, footprints({1: [50] * 32, 2: [50] * 32, 3: [0] * 32, 4: [50] * 32}))
    assert QUESTION_TYPES["object_counting"].solve(hidden, ("chair",)) == "2"
    assert QUESTION_TYPES["object_counting"].check(hidden, ("chair",)) is None
    glimpsed = look(scene, footprints({1: [50] * 32, 2: [50] * 32, 3: [4] * 32, 4: [50] * 32}))
    assert QUESTION_TYPES["object_counting"].check(glimpsed, ("chair",)) == "an instance is barely shown in the clip"
    whole = look(scene, footprints({1: [50] * 32, 2: [50] * 32, 3: [0] * 32, 4: [50] * 32}), PARITY)
    assert QUESTION_TYPES["object_counting"].solve(whole, ("chair",)) == "3"


def test_a_barely_shown_instance_silences_only_what_rests_on_it() -> None:
    # Along a line: the bed, then a sofa, a tv, a lamp, and two chairs, one before the lamp and one at the far end
    scene = row(["bed", "sofa", "chair", "tv", "lamp", "chair"])
    family, options = QUESTION_TYPES["object_rel_distance"], ("bed", "sofa", "chair", "tv", "lamp")
    every = {number: [50] * 32 for number in range(1, 7)}
    far = look(scene, footprints(every | {6: [4] * 32}))
    assert far.partly == {"chair"} and family.check(far, options) is None
    assert family.solve(far, options) == family.solve(look(scene, footprints(every)), options) == "sofa"
    near = look(scene, footprints(every | {3: [4] * 32}))
    assert family.check(near, options) == "the nearest instance of an option is barely shown"
    for kind in ("object_size_estimation", "object_counting"):
        assert "barely shown" in QUESTION_TYPES[kind].check(far, ("chair",))
    made = generate_questions(scene, footprints(every | {6: [4] * 32}), 2.0, 0, QuestionConfig())
    for question in made.questions:
        assert 6 not in question.context_objects


def test_only_the_rooms_shown_are_measured() -> None:
    square = np.array([[0.0, -2.0], [2.5, -2.0], [2.5, 2.0], [0.0, 2.0]])
    rooms = (Room("hall", square), Room("kitchen", square * [2.0, 1.0] + [2.6, 0.0]))
    scene = row(["bed", "sofa", "tv", "lamp"], rooms=rooms)
    family = QUESTION_TYPES["room_size_estimation"]
    one = look(scene, footprints({1: [50] * 32, 2: [50] * 32, 3: [0] * 32, 4: [0] * 32}))
    assert (family.check(one, ()), family.solve(one, ())) == (None, "10.0")
    both = look(scene, footprints({1: [50] * 32, 2: [50] * 32, 3: [50] * 32, 4: [0] * 32}))
    assert (family.check(both, ()), family.solve(both, ())) == (None, "30.0")
    partly = look(scene, footprints({1: [50] * 32, 2: [50] * 32, 3: [5] * 32, 4: [0] * 32}))
    assert family.check(partly, ()) == "a room is shown only in part"
    none = look(scene, footprints({1: [0] * 32, 2: [0] * 32, 3: [0] * 32, 4: [0] * 32}))
    assert family.check(none, ()) == "no room is shown"
    empty = row(["bed"], rooms=(*rooms, Room("closet", square + [20.0, 0.0])))
    assert family.check(look(empty, footprints({1: [50] * 32})), ()) == "a room without objects may or may not be shown"


@settings(max_examples=50)
@given(st.lists(st.integers(0, 40), min_size=6, max_size=6), st.integers(0, 2**31))
def test_order_is_that_of_first_appearances_more_than_a_second_apart(starts: list[int], seed: int) -> None:
    scene = row(LABELS)
    clip = footprints({n: seen_from(start, 48) for n, start in enumerate(starts, start=1)})
    config = QuestionConfig(("obj_appearance_order",), visibility=None)
    asked = generate_questions(scene, clip, 2.0, seed, config).questions
    first = dict(zip(LABELS, (start / 2.0 for start in starts), strict=True))
    fitting = [
        four
        for four in permutations(LABELS, 4)
        if all(first[late] - first[early] > 1.0 for early, late in zip(four, four[1:], strict=False))
    ]
    assert len(asked) == min(len(fitting), 30)
    for question in asked:
        named = parse("obj_appearance_order", question.question)
        right = [option for option in question.options if tuple(option[3:].split(", ")) in fitting]
        assert [option[0] for option in right] == [question.ground_truth]
        assert all(sorted(option[3:].split(", ")) == sorted(named) for option in question.options)
        assert len(set(question.options)) == 4


def test_exactly_a_second_apart_is_too_close_whatever_the_frame_rate() -> None:
    scene = row(LABELS[:4])
    for fps in (2.0, 10.0, 29.97):
        apart = round(fps)
        starts = [0, apart, 3 * apart, 5 * apart]
        clip = footprints({n: seen_from(start, 6 * apart) for n, start in enumerate(starts, start=1)})
        inventory = Inventory(scene, clip, fps, QuestionConfig(visibility=None), Counter())
        reason = FAMILY.check(inventory, tuple(LABELS[:4]))
        assert reason == (None if apart / fps > 1.0 + 1e-6 else "two categories appear at almost the same time")


def test_the_model_must_see_the_order_in_its_frames() -> None:
    scene = row(LABELS[:4])
    clip = footprints({n: seen_from(start, 120) for n, start in enumerate([0, 3, 6, 60], start=1)})
    assert FAMILY.check(look(scene, clip, QuestionConfig(visibility=None)), tuple(LABELS[:4])) is None
    # Sixteen of 120 frames are eight apart: two of the four come with the same one.
    assert FAMILY.check(look(scene, clip), tuple(LABELS[:4])) == "the sampled frames show another order"


def test_creeping_into_view_is_no_first_appearance() -> None:
    assert first_appearance_s(np.array([0, 0, 0, 50, 50]) / 10_000, 1.0) == 3.0
    assert first_appearance_s(np.array([0, 4, 4, 50, 50]) / 10_000, 1.0) is None
    assert first_appearance_s(np.array([0, 0, 4, 50, 50]) / 10_000, 2.0) == 1.5
    assert first_appearance_s(np.array([0, 4, 4, 4, 4]) / 10_000, 1.0) is None


def test_the_first_of_several_instances_counts_and_what_comes_between_is_context() -> None:
    scene = row(["chair", "chair", "bed", "sofa", "tv", "lamp"])
    clip = footprints(
        {1: seen_from(20), 2: seen_from(4), 3: seen_from(0), 4: seen_from(9), 5: seen_from(14), 6: seen_from(7)}
    )
    inventory = look(scene, clip)
    assert FAMILY.solve(inventory, ("tv", "chair", "bed", "sofa")) == "bed, chair, sofa, tv"
    made = generate_questions(scene, clip, 2.0, 0, ORDER_ONLY).questions
    question = next(q for q in made if set(q.queried_objects) == {1, 2, 3, 4, 5})
    assert question.context_objects == (6,)


def test_without_a_clip_there_is_no_order_and_no_visibility() -> None:
    assert generate_questions(row(LABELS), None, None, 0, ORDER_ONLY).questions == ()
    assert FAMILY.check(Inventory(row(LABELS), None, None, QuestionConfig(), Counter()), tuple(LABELS[:4])) == "no clip"
    assert (
        len(generate_questions(row(LABELS), None, None, 0, QuestionConfig(("object_size_estimation",))).questions) == 6
    )


def test_footprints_that_ignore_occlusion_cannot_show_visibility() -> None:
    clip = footprints({1: [50] * 8, 2: [50] * 8})
    amodal = Footprints(clip.height, clip.width, clip.num_frames, True, clip.codes)
    with pytest.raises(ValueError, match="don't say what is hidden"):
        generate_questions(row(LABELS[:2]), amodal, 2.0, 0)
    assert generate_questions(row(LABELS[:2]), amodal, 2.0, 0, QuestionConfig(visibility=None)).questions


@pytest.mark.parametrize("fps", [None, 0.0, -1.0, float("nan")])
def test_footprints_need_a_frame_rate(fps: float | None) -> None:
    with pytest.raises(ValueError, match="frames per second"):
        generate_questions(row(LABELS[:2]), footprints({1: [50] * 8}), fps, 0)


@pytest.mark.parametrize(
    "wrong",
    [{"min_frames": 17}, {"min_frames": 0}, {"glimpse_pixels": 0.01}, {"min_pixels": 1.5}, {"glimpse_pixels": -0.1}],
)
def test_rules_that_contradict_themselves_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        VisibilityRule(**wrong)


def test_the_nearest_other_is_of_another_category_and_clearly_shown() -> None:
    # The second sofa is nearest, then the lamp, of which the clip shows a glimpse; then the desk
    scene = scene_of(*(thing(n, label, (n, 0, 0.5)) for n, label in enumerate(["sofa", "sofa", "lamp", "desk"], 1)))
    clip = footprints({1: [50] * 32, 2: [50] * 32, 3: [50] + [0] * 31, 4: [50] * 32})
    inventory = look(scene, clip)
    gap = inventory.nearest_other(scene.objects[0])
    assert gap is not None and gap.ids == (1, 4) and gap.distance_m == pytest.approx(2.5)
    assert look(row(["sofa", "sofa"]), footprints({1: [50] * 32, 2: [50] * 32})).nearest_other(scene.objects[0]) is None
