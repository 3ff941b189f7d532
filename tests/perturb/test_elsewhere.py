"""Noise of the same outlines at another place: only the place differs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from ocr_hf import OCRMap
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.perturb.elsewhere import shift_elsewhere

HEIGHT, WIDTH = 24, 36


def walking(frames: int = 5) -> np.ndarray:
    """Two objects that move from frame to frame; the second isn't seen in the first frame."""
    instances = np.zeros((frames, HEIGHT, WIDTH), dtype=np.uint16)
    for t in range(frames):
        instances[t, 2 : 9 + t % 2, 3 + 2 * t : 12 + 2 * t] = 1
        if t:
            instances[t, 14:20, 30 - 3 * t : 36 - 3 * t] = 2
    return instances


INSTANCES = walking()
FOOTPRINTS = footprints_from_instances(INSTANCES)


def moved(key: int, objects=(1, 2)) -> np.ndarray:
    shift = shift_elsewhere(FOOTPRINTS, objects, key)
    return FOOTPRINTS.shifted(objects, shift).region(objects)


@given(st.integers(0, 2**64))
def test_the_moved_region_has_the_same_area_in_every_frame_and_avoids_the_objects(key):
    for objects in ((1,), (2,), (1, 2)):
        own, other = FOOTPRINTS.region(objects), moved(key, objects)
        assert (own.sum(axis=(1, 2)) == other.sum(axis=(1, 2))).all()
        assert not (own & other).any()


@given(st.integers(0, 2**64))
def test_outlines_keep_their_shape_and_move_as_the_objects_do(key):
    """One roll of the whole clip: undone, it gives the objects' own pixels."""
    down, right = shift_elsewhere(FOOTPRINTS, (1, 2), key)
    back = np.roll(moved(key), (-round(down * HEIGHT), -round(right * WIDTH)), axis=(1, 2))
    np.testing.assert_array_equal(back, FOOTPRINTS.region((1, 2)))


def test_places_differ_from_key_to_key_and_only_so():
    shifts = [shift_elsewhere(FOOTPRINTS, (1, 2), key) for key in range(40)]
    assert shifts == [shift_elsewhere(FOOTPRINTS, (2, 1), key) for key in range(40)]
    assert len(set(shifts)) > 30


@settings(max_examples=40)
@given(st_np.arrays(np.uint16, (3, 5, 6), elements=st.sampled_from([0, 0, 1])), st.integers(0, 99))
def test_where_overlap_cannot_be_avoided_it_is_the_least_of_all_shifts(instances, key):
    own = instances == 1
    footprints = footprints_from_instances(instances)
    shift = shift_elsewhere(footprints, (1,), key)
    least = min(int((own & np.roll(own, (down, right), axis=(1, 2))).sum()) for down in range(5) for right in range(6))
    assert int((own & footprints.shifted((1,), shift).region((1,))).sum()) == least


def test_only_the_place_of_the_noise_changes():
    frames = np.random.default_rng(0).integers(0, 256, (5, HEIGHT, WIDTH, 3), dtype=np.uint8)
    own, other = OCRMap(strength=1.0), OCRMap(strength=1.0, region="elsewhere")
    chosen = own.choose("row", 3, FOOTPRINTS)
    assert other.choose("row", 3, FOOTPRINTS) == chosen == (1, 2)
    plans = own.plan_for(chosen, "row", 3), other.plan_for(chosen, "row", 3)
    assert plans[0].key == plans[1].key and plans[0].variant != plans[1].variant
    noisy = other.perturb(frames, FOOTPRINTS, chosen, row_id="row", step=3)
    changed = (noisy != frames).any(-1)
    region = FOOTPRINTS.region(chosen)
    assert not (changed & region).any()
    assert changed.sum() == pytest.approx(region.sum(), rel=0.02)
    assert not (changed & ~moved(plans[1].key)).any()


def test_a_frame_gets_the_same_noise_whichever_others_are_asked_for():
    frames = np.full((5, HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    ocr_map = OCRMap(region="elsewhere")
    whole = ocr_map.perturb(frames, FOOTPRINTS, (1, 2), row_id=1)
    some = ocr_map.perturb(frames[[1, 4]], FOOTPRINTS, (1, 2), row_id=1, frame_indices=[1, 4])
    np.testing.assert_array_equal(some, whole[[1, 4]])


def test_objects_never_seen_are_nowhere():
    assert not FOOTPRINTS.shifted((9,), shift_elsewhere(FOOTPRINTS, (9,), 0)).region((9,)).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": "elsewhere", "mode": "rigid"}, "mode rigid alters the objects themselves .*; use mode gaussian"),
        ({"region": "elsewhere", "mode": "jitter"}, "mode jitter alters the objects themselves"),
    ],
)
def test_what_cannot_be_moved_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        OCRMap(**options)
