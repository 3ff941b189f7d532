"""What each audit shows, pixel by pixel, and the query-lock index on models whose answer is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.vsi_bench.audits import (
    AUDITS,
    NEED_OBJECTS,
    RECOVERY,
    VANILLA,
    Arm,
    apply_audit,
    arms,
    asked_audits,
    check_audits,
    context_region,
)
from ocr_hf.vsi_bench.context_match import LIKE, match_context
from ocr_hf.vsi_bench.query_lock import answer_change, query_lock
from ocr_hf.vsi_bench.scoring import mean_relative_accuracy

COUNT, CHOICE = "object_counting", "route_planning"


@st.composite
def scenes(draw):
    """Instance maps of a few frames with rectangles of objects 1 to 5, and the objects a question names."""
    frames, height, width = draw(st.integers(1, 3)), draw(st.integers(4, 12)), draw(st.integers(4, 12))
    instances = np.zeros((frames, height, width), dtype=np.uint16)
    for frame in range(frames):
        for _ in range(draw(st.integers(0, 5))):
            top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
            bottom, right = draw(st.integers(top, height)), draw(st.integers(left, width))
            instances[frame, top:bottom, left:right] = draw(st.integers(1, 5))
    return instances, draw(st.sets(st.integers(1, 5), min_size=1, max_size=3)), draw(st.integers(0, 99))


@settings(max_examples=150)
@given(scenes())
def test_context_has_as_many_pixels_as_the_queried_objects_and_none_of_theirs(scene) -> None:
    instances, queried, seed = scene
    region = context_region(footprints_from_instances(instances), queried, 7, seed)
    asked = np.isin(instances, list(queried))
    others = (instances > 0) & ~asked
    assert not (region & asked).any()
    for frame in range(len(instances)):
        wanted, free = int(asked[frame].sum()), int((~asked[frame]).sum())
        assert region[frame].sum() == min(wanted, free)
        # Objects go first: background is touched only where the other objects are used up.
        assert (region & others)[frame].sum() == min(wanted, int(others[frame].sum()))


@settings(max_examples=60)
@given(scenes(), st.sampled_from(NEED_OBJECTS[:3]), st.sampled_from([0.5, 1.0]))
def test_object_audits_touch_their_region_only(scene, audit: str, strength: float) -> None:
    instances, queried, seed = scene
    frames = np.random.default_rng(seed).integers(0, 256, (*instances.shape, 3)).astype(np.uint8)
    footprints = footprints_from_instances(instances)
    changed = apply_audit(audit, frames, 7, seed, strength, footprints, queried)
    asked = np.isin(instances, list(queried))
    region = context_region(footprints, queried, 7, seed) if audit == "context_noised" else asked
    assert (changed.changed_px, changed.asked_px) == (region.sum(), asked.sum())
    if audit != "queried_erased":  # whose hole is grown by two pixels
        assert (changed.frames[~region] == frames[~region]).all()
    elif not asked.any():
        assert (changed.frames == frames).all()
    again = apply_audit(audit, frames, 7, seed, strength, footprints, queried)
    assert (again.frames == changed.frames).all()


def test_arms_are_named_by_side_strength_and_draw() -> None:
    assert asked_audits(("black", RECOVERY), (0.5, 1.0), 1) == [
        "black", "queried_noised@0.5/0", "matched_noised@0.5/0", "queried_noised@1.0/0", "matched_noised@1.0/0",
    ]  # fmt: skip
    assert all(Arm.of(str(arm)) == arm for arm in arms((1e-05, 1 / 3, 1.0), 3))
    assert Arm.of("queried_noised") is None and Arm.of("queried_noised@1.0") is None


def test_recovery_noises_named_objects_or_like_ones() -> None:
    """Objects 1 and 2 are named; 3 is like 1, 4 like 2, and 5 is far too large."""
    instances = np.zeros((4, 12, 40), dtype=np.uint16)
    instances[:, :4, :4], instances[:2, 5:11, :8] = 1, 2
    instances[:, :4, 10:15], instances[1:, 5:11, 10:17] = 3, 4
    instances[:, :, 20:] = 5
    footprints = footprints_from_instances(instances)
    frames = np.full((*instances.shape, 3), 128, dtype=np.uint8)
    shown = {arm: apply_audit(str(arm), frames, 7, 0, 0.0, footprints, [1, 2]) for arm in arms((0.2, 1.0), 2)}
    for arm, changed in shown.items():
        touched = (changed.frames != frames).any(axis=-1)
        objects = [1, 2] if arm.side == "queried" else [3, 4]
        assert set(np.unique(instances[touched])) == set(objects)
        assert (changed.changed_px, changed.asked_px) == (np.isin(instances, objects).sum(), 16 * 4 + 48 * 2)
    spread = {arm: changed.frames.astype(float).std() for arm, changed in shown.items()}
    assert spread[Arm("queried", 1.0, 0)] > 1.5 * spread[Arm("queried", 0.2, 0)]
    first, again = (shown[Arm("queried", 1.0, draw)].frames for draw in (0, 1))
    assert (first != again).any() and (
        first == apply_audit("queried_noised", frames, 7, 0, 1.0, footprints, [1, 2]).frames
    ).all()
    with pytest.raises(ValueError, match="question 7 names objects that no others are like; leave it out of 'matched"):
        apply_audit("matched_noised@1.0/0", frames, 7, 0, 1.0, footprints, [5])
    with pytest.raises(
        ValueError, match="audit 'recovery' shows no frames of its own; ask its arms, such as 'queried_"
    ):
        apply_audit(RECOVERY, frames, 7, 0, 1.0, footprints, [1])


@settings(max_examples=100)
@given(scenes())
def test_a_match_is_one_to_one_and_alike(scene) -> None:
    instances, queried, _ = scene
    footprints = footprints_from_instances(instances)
    seen = set(footprints.object_ids)
    matched = match_context(footprints, queried)
    areas = {item: np.array([footprints.areas(item).sum(), (footprints.areas(item) > 0).sum()]) for item in seen}

    def alike(a: int, b: int) -> bool:
        return bool(np.all(np.maximum(areas[a] / areas[b], areas[b] / areas[a]) <= LIKE))

    named = sorted(queried & seen)
    found = [
        order for order in itertools.permutations(sorted(seen - queried), len(named))
        if all(map(alike, named, order))
    ]  # fmt: skip
    if matched is None:
        assert not named or not found
        return
    assert len(matched) == len(named) and not set(matched) & queried

    def distance(order) -> float:
        return sum(np.abs(np.log2(areas[a] / areas[b])).sum() for a, b in zip(named, order, strict=True))

    best = min(map(distance, found))
    assert min(distance(order) for order in found if set(order) == set(matched)) == pytest.approx(best)


def test_both_noises_are_equally_strong() -> None:
    """Grey frames: the queried half and the context half must get noise of the same distribution."""
    instances = np.ones((2, 80, 80), dtype=np.uint16)
    instances[:, :, 40:] = 2
    frames = np.full((2, 80, 80, 3), 128, dtype=np.uint8)
    footprints = footprints_from_instances(instances)
    queried, context = (
        apply_audit(audit, frames, 1, 0, 0.5, footprints, [1]).frames for audit in ("queried_noised", "context_noised")
    )
    assert (queried[:, :, 40:] == 128).all() and (context[:, :, :40] == 128).all()
    spreads = [queried[:, :, :40].std(), context[:, :, 40:].std()]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.02) and spreads[0] > 40


def test_whole_frame_audits() -> None:
    frames = np.random.default_rng(0).integers(1, 256, (6, 8, 8, 3)).astype(np.uint8)
    assert apply_audit(VANILLA, frames, 1, 0).frames is frames
    assert apply_audit("text_only", frames, 1, 0).frames is None
    black = apply_audit("black", frames, 1, 0).frames
    assert black.shape == frames.shape and not black.any()
    shuffled = apply_audit("shuffled", frames, 1, 0).frames
    assert not (shuffled == frames).all()
    assert sorted(frame.tobytes() for frame in shuffled) == sorted(frame.tobytes() for frame in frames)
    assert (apply_audit("shuffled", frames, 1, 0).frames == shuffled).all()
    assert any((apply_audit("shuffled", frames, i, 0).frames != shuffled).any() for i in range(2, 5))


def test_audits_are_checked_before_anything_runs() -> None:
    assert check_audits(["shuffled", "text_only"], False, "x") == ("text_only", "shuffled")
    assert check_audits(["all"], True, "x") == AUDITS
    assert check_audits(["all"], False, "x") == ("text_only", "black", "shuffled", "repeat")
    assert check_audits([RECOVERY], True, "x") == ("black", "repeat", "queried_erased", RECOVERY)
    with pytest.raises(ValueError, match="audit 'recovery' needs to know where objects are"):
        check_audits([RECOVERY], False, "VSI")
    with pytest.raises(ValueError, match="audit 'blur' is unknown; there are text_only"):
        check_audits(["blur"], True, "x")
    with pytest.raises(ValueError, match="audit 'queried_noised' needs to know where objects are, and VSI doesn't"):
        check_audits(["queried_noised"], False, "VSI")
    with pytest.raises(ValueError, match="audit 'queried_erased' of 5 needs footprints"):
        apply_audit("queried_erased", np.zeros((1, 2, 2, 3), np.uint8), 5, 0)


@given(st.sampled_from([COUNT, CHOICE]), st.text(max_size=4), st.text(max_size=4))
def test_change_is_a_symmetric_distance(kind: str, a: str, b: str) -> None:
    assert answer_change(kind, a, a) == 0.0
    assert answer_change(kind, a, b) == answer_change(kind, b, a)
    assert 0.0 <= answer_change(kind, a, b) <= 1.0


@given(st.floats(0.1, 100), st.floats(0.1, 100))
def test_change_of_numbers_is_the_score_lost_against_the_larger(a: float, b: float) -> None:
    expected = 1.0 - mean_relative_accuracy(min(a, b), max(a, b))
    assert answer_change("room_size_estimation", repr(a), repr(b)) == pytest.approx(expected)


def test_change_of_letters_and_unreadable_answers() -> None:
    assert answer_change(CHOICE, "A", "a") == 0.0 and answer_change(CHOICE, "A", "B") == 1.0
    assert answer_change(CHOICE, "A", "(A)") == 1.0 and answer_change(CHOICE, "?", "!") == 0.0
    assert answer_change(COUNT, "4", "4.0") == 0.0 and answer_change(COUNT, "4", "five") == 1.0
    assert answer_change(COUNT, "4", "-4") == 1.0 and answer_change(COUNT, "0", "0.0") == 0.0


def lock(queried: list[str], context: list[str], **options) -> dict:
    """Index of twelve questions, three about each of four scenes, all answered B without noise."""
    given = {"question_types": [CHOICE] * 12, "scenes": [f"s{i // 3}" for i in range(12)], "matched": [1.0] * 12}
    return query_lock(**{**given, "vanilla": ["B"] * 12, "queried": queried, "context": context, **options})


def test_index_of_models_with_known_behaviour() -> None:
    locked = lock(["A"] * 12, ["B"] * 12)
    assert (locked["index"], locked["interval"]) == (100.0, [100.0, 100.0])
    blind = lock(["B"] * 12, ["B"] * 12)
    assert (blind["index"], blind["change_queried"], blind["change_context"]) == (0.0, 0.0, 0.0)
    whole = lock(["A"] * 12, ["A"] * 12)
    assert (whole["index"], whole["change_queried"], whole["change_context"]) == (0.0, 100.0, 100.0)
    reverse = lock(["B"] * 12, ["A"] * 12)
    assert reverse["index"] == -100.0


def test_index_averages_tasks_not_questions() -> None:
    kinds = [CHOICE] * 9 + [COUNT] * 3
    result = lock(
        ["A"] * 9 + ["2"] * 3, ["B"] * 9 + ["2"] * 3, question_types=kinds, vanilla=["B"] * 9 + ["2"] * 3, draws=0
    )
    assert result["index"] == 50.0 and result["interval"] is None
    assert result["tasks"]["route_planning"]["index"] == 100.0 and result["tasks"]["object_counting"]["n"] == 3


def test_unmatched_questions_are_left_out_and_counted() -> None:
    result = lock(["A"] * 12, ["B"] * 12, matched=[1.0, 0.95] + [0.9] * 10)
    assert (result["n"], result["n_unmatched"], result["index"], result["interval"]) == (2, 10, 100.0, None)
    nothing = lock(["A"] * 12, ["B"] * 12, matched=[0.0] * 12)
    assert nothing["n"] == 0 and nothing["index"] is None and nothing["tasks"] == {}
    with pytest.raises(ValueError, match=r"the columns have lengths \[11, 12\]"):
        lock(["A"] * 11, ["B"] * 12)


def test_interval_draws_scenes_and_keeps_the_pairing() -> None:
    """Both noises change the same half of the scenes: unpaired draws would give a wide interval around zero."""
    scenes = [f"s{i // 10}" for i in range(200)]
    changed = ["A" if i // 10 % 2 else "B" for i in range(200)]
    columns = {"question_types": [CHOICE] * 200, "scenes": scenes, "vanilla": ["B"] * 200, "matched": [1.0] * 200}
    paired = query_lock(**columns, queried=changed, context=changed)
    assert paired["change_queried"] == paired["change_context"] == 50.0 and paired["interval"] == [0.0, 0.0]
    half = query_lock(**columns, queried=changed, context=["B"] * 200, draws=2000)
    assert half["index"] == 50.0
    assert half["interval"][1] - half["interval"][0] == pytest.approx(2 * 1.96 * 50 / math.sqrt(20), rel=0.15)
