"""Footprints as data: run-length codes, rows, sub-clips, sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from pycocotools import mask as coco

from ocr_hf.geometry import rle
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.geometry.occlusion import footprints_from_instances

clips = st_np.arrays(
    np.uint16,
    st_np.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9),
    elements=st.sampled_from([0, 0, 1, 2, 7, 65535]),
)


@given(clips)
def test_footprints_of_an_instance_map_are_its_pixels(instances):
    footprints = footprints_from_instances(instances)
    assert footprints.object_ids == tuple(int(i) for i in np.unique(instances) if i)
    assert not footprints.amodal
    for object_id in footprints.object_ids:
        expected = instances == object_id
        np.testing.assert_array_equal(footprints.region([object_id]), expected)
        np.testing.assert_array_equal(footprints.areas(object_id), expected.sum(axis=(1, 2)))
    np.testing.assert_array_equal(footprints.region(footprints.object_ids), instances > 0)
    assert not footprints.region([3]).any() and not footprints.areas(3).any()


@given(clips)
def test_codes_are_those_of_the_coco_tools(instances):
    _, height, width = instances.shape
    for row in footprints_from_instances(instances).to_rows():
        mask = np.asfortranarray(instances[row["frame"]] == row["object_id"])
        assert row["counts"].encode() == coco.encode(mask.astype(np.uint8))["counts"]
        assert (row["height"], row["width"]) == (height, width)


@given(clips)
def test_rows_bring_footprints_back(instances):
    footprints = footprints_from_instances(instances)
    again = Footprints.from_rows(footprints.to_rows(), *instances.shape)
    assert again == footprints


@given(clips, st.data())
def test_a_sub_clip_has_the_footprints_of_its_frames(instances, data):
    chosen = data.draw(st.lists(st.integers(0, len(instances) - 1), min_size=1, max_size=6))
    footprints = footprints_from_instances(instances)
    assert footprints.select(chosen).num_frames == len(chosen)
    for object_id in footprints.object_ids:
        expected = footprints.region([object_id])[chosen]
        np.testing.assert_array_equal(footprints.select(chosen).region([object_id]), expected)
        np.testing.assert_array_equal(footprints.region([object_id], chosen), expected)


@given(clips, st.integers(1, 3), st.integers(1, 3))
def test_enlarging_repeats_pixels_and_shrinking_brings_them_back(instances, down, across):
    footprints = footprints_from_instances(instances)
    _, height, width = instances.shape
    large = footprints.resized(height * down, width * across)
    assert large == footprints_from_instances(instances.repeat(down, axis=1).repeat(across, axis=2))
    assert large.resized(height, width) == footprints


def test_an_empty_code_and_no_code_at_all():
    empty = np.zeros(0, dtype=np.int64)
    code = rle.encode_runs(empty, empty, 4, 5)
    assert not rle.decode_union([code], 4, 5).any() and rle.areas([code], 4, 5).tolist() == [0]
    assert rle.decode_union([], 4, 5).shape == (4, 5) and rle.areas([], 4, 5).shape == (0,)


def test_runs_that_touch_are_joined():
    apart = rle.encode_runs(np.array([2, 5]), np.array([3, 4]), 4, 5)
    assert apart == rle.encode_runs(np.array([2]), np.array([7]), 4, 5)


def test_rows_of_another_size_or_clip_are_refused():
    rows = footprints_from_instances(np.ones((2, 4, 5), dtype=np.uint16)).to_rows()
    with pytest.raises(ValueError, match="is for 5x4 pixels, the frames have 9x8"):
        Footprints.from_rows(rows, 2, 8, 9)
    with pytest.raises(ValueError, match="names frame 1, but the clip has frames 0 to 0"):
        Footprints.from_rows(rows, 1, 4, 5)
