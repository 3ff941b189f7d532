"""Shuffled, erased and black clips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.perturb.degrade import black_frames, erase_region, shuffle_frames, shuffle_order
from tests.box_scene import box_clip


def grown(region: np.ndarray, pixels: int) -> np.ndarray:
    out = region.copy()
    rows, columns = region.shape[1:]
    for frame, row, column in np.argwhere(region):
        top, left = max(row - pixels, 0), max(column - pixels, 0)
        out[frame, top : min(row + pixels + 1, rows), left : min(column + pixels + 1, columns)] = True
    return out


@pytest.mark.parametrize("grow_px", [0, 2])
def test_an_erased_object_leaves_no_trace_and_the_rest_alone(grow_px):
    clip = box_clip()
    region = clip.instances == 1
    hole = grown(region, grow_px)
    erased = erase_region(clip.frames, region, grow_px)
    np.testing.assert_array_equal(erased[~hole], clip.frames[~hole])
    # whatever the object looked like, the result is the same
    other = clip.frames.copy()
    other[hole] = np.random.default_rng(1).integers(0, 256, (int(hole.sum()), 3))
    np.testing.assert_array_equal(erase_region(other, region, grow_px), erased)


def test_the_fill_continues_what_is_around():
    frames = np.zeros((1, 40, 40, 3), dtype=np.uint8)
    frames[...] = [10, 120, 200]
    frames[0, 15:25, 15:25] = 255
    region = (frames == 255).all(axis=-1)
    filled = erase_region(frames, region)
    assert np.abs(filled.astype(int) - [10, 120, 200]).max() <= 1


@pytest.mark.parametrize("size", [(1, 7), (5, 5), (37, 64), (63, 41)])
def test_any_hole_in_a_picture_of_any_size_is_filled_within_the_range_of_its_surroundings(size):
    random = np.random.default_rng(size[0])
    for _ in range(20):
        frames = random.integers(100, 140, (1, *size, 3), dtype=np.uint8)
        region = random.random((1, *size)) < random.random()
        frames[region] = 255
        if not region.all():
            filled = erase_region(frames, region, grow_px=0)
            assert filled.min() >= 100 and filled.max() < 140


def test_the_fill_follows_a_gradient_across_the_hole():
    ramp = np.broadcast_to(np.arange(80, dtype=np.uint8)[:, None, None] * 3, (80, 80, 3))[None].copy()
    region = np.zeros((1, 80, 80), dtype=bool)
    region[0, 30:50, 30:50] = True
    filled = erase_region(ramp, region, grow_px=0)
    assert np.abs(filled[region].astype(int) - ramp[region]).mean() < 8
    assert (np.diff(filled[0, 28:52, 40, 0].astype(int)) >= 0).all()


def test_a_frame_that_is_all_object_becomes_grey_and_one_without_it_stays():
    clip = box_clip(num_frames=2)
    region = np.zeros(clip.instances.shape, dtype=bool)
    region[0] = True
    erased = erase_region(clip.frames, region)
    assert (erased[0] == 128).all()
    np.testing.assert_array_equal(erased[1], clip.frames[1])


def test_regions_of_another_size_are_refused():
    clip = box_clip()
    with pytest.raises(ValueError, match="they must be equal"):
        erase_region(clip.frames, clip.instances[:, :9] == 1)
    with pytest.raises(ValueError, match="grow_px is -1"):
        erase_region(clip.frames, clip.instances == 1, -1)


@given(st.integers(0, 2**64 - 1), st.integers(1, 40))
def test_shuffling_permutes_the_frames(key, count):
    frames = np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    shuffled = shuffle_frames(frames, key)
    assert sorted(shuffled[:, 0, 0, 0].tolist()) == list(range(count))
    np.testing.assert_array_equal(shuffled, frames[shuffle_order(count, key)])


def test_every_order_comes_about_equally_often():
    seen = [tuple(shuffle_order(3, key).tolist()) for key in range(3000)]
    counts = np.array([seen.count(order) for order in sorted(set(seen))])
    assert len(counts) == 6
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500)


def test_black_frames_are_black():
    clip = box_clip()
    assert black_frames(clip.frames).shape == clip.frames.shape and not black_frames(clip.frames).any()
