"""Which objects are perturbed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.perturb.select import candidates, sample_objects, visible_objects

ids = st.sets(st.integers(1, 30))


@given(ids, ids)
def test_policies_split_the_visible_objects_by_the_question(visible, queried):
    assert set(candidates("visible", visible, queried)) == visible
    assert set(candidates("queried", visible, queried)) == visible & queried
    assert set(candidates("context", visible, queried)) == visible - queried


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="choose one of visible, queried, context"):
        candidates("all", (1,), ())


@given(ids, st.integers(0, 40), st.integers(0, 99), st.integers(0, 999), st.integers(0, 50))
def test_a_sample_is_a_sorted_subset_and_grows_by_nesting(objects, count, seed, row_id, step):
    objects = tuple(sorted(objects))
    sampled = sample_objects(objects, count, seed, row_id, step)
    assert sampled == tuple(sorted(set(sampled))) and set(sampled) <= set(objects)
    assert len(sampled) == min(count, len(objects))
    assert set(sampled) <= set(sample_objects(objects, count + 1, seed, row_id, step))
    assert sample_objects(objects, count, seed, row_id, step) == sampled


def test_every_object_is_drawn_equally_often_over_rows_steps_and_seeds():
    for samples in (
        [sample_objects((1, 2, 3, 4, 5), 2, 0, row_id, 0) for row_id in range(2000)],
        [sample_objects((1, 2, 3, 4, 5), 2, 0, 7, step) for step in range(2000)],
        [sample_objects((1, 2, 3, 4, 5), 2, seed, 7, 0) for seed in range(2000)],
    ):
        counts = np.bincount(np.concatenate(samples), minlength=6)[1:]
        assert np.abs(counts - 800).max() < 5 * np.sqrt(2000 * 0.4 * 0.6)


def test_visible_means_more_than_the_stated_share_of_some_frame():
    instances = np.zeros((2, 10, 10), dtype=np.uint16)
    instances[1, 0, :3], instances[0, 5, :2] = 1, 2
    footprints = footprints_from_instances(instances)
    assert visible_objects(footprints) == (1, 2)
    assert visible_objects(footprints, 0.02) == (1,)
    assert visible_objects(footprints, 0.03) == ()
