"""What training reads of a clip is what the clip shows."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from transformers import AutoProcessor

from ocr_hf.data.video import read_frames
from ocr_hf.models.media import encode_video
from ocr_hf.perturb.rows import boxes_of, footprints_of
from recipes.ocr_vsi_tiny.clip_arrays import MIN_COVERAGE, ClipArrays, clip_rows, pixel_scale
from recipes.ocr_vsi_tiny.dense_supervision import in_own_camera
from recipes.ocr_vsi_tiny.training_data import build_training_data, cache_file
from recipes.ocr_vsi_tiny.vocabulary import labels


@pytest.fixture(scope="module")
def clips(prepared, small) -> ClipArrays:
    return ClipArrays.load(cache_file(prepared, small.parts[0]))


@pytest.fixture(scope="module")
def split(prepared, small):
    return prepared / "train" / str(small.parts[0]) / "train"


@pytest.mark.slow
def test_patches_are_what_the_processor_makes(prepared, clips, split):
    processor = AutoProcessor.from_pretrained(prepared / "untrained")
    mean, deviation = pixel_scale(processor)
    for number, row in enumerate(clip_rows(split)):
        frames, times = read_frames(split / row["vanilla_file_name"])
        video = encode_video(processor, frames, times)
        found = (clips.patches[number].reshape(-1, len(mean)) / 255.0 - mean) / deviation
        np.testing.assert_allclose(found, video.pixel_values_videos.numpy(), atol=1e-5)


def test_cells_say_what_is_there_and_where(clips, split):
    """Against the footprints, cell by cell, the slow way."""
    names = labels()
    row = next(iter(clip_rows(split)))
    footprints, boxes = footprints_of(row), boxes_of(row)
    label_of = {item["id"]: item["label"] for item in row["objects"]}
    seen = 0
    for frame in (0, 9):
        for cell in range(12):
            top, left = 56 * (cell // 4), 56 * (cell % 4)
            share = {
                number: footprints.region([number], [frame])[0, top : top + 56, left : left + 56].mean()
                for number in footprints.object_ids
                if label_of[number] in names
            }
            shown = {number: value for number, value in share.items() if value >= MIN_COVERAGE}
            expected = {label_of[number] for number in shown}
            assert {names[i] for i in np.nonzero(clips.present[0, frame, cell])[0]} == expected
            if not shown:
                assert np.isnan(clips.center[0, frame, cell]).all() and np.isnan(clips.longest[0, frame, cell])
                continue
            nearest = max(shown, key=shown.get)
            np.testing.assert_allclose(clips.center[0, frame, cell], boxes[nearest].center, atol=1e-5)
            np.testing.assert_allclose(clips.longest[0, frame, cell], boxes[nearest].size.max(), atol=1e-5)
            seen += 1
    assert seen > 5


def test_objects_are_those_that_the_clip_shows(clips, split):
    names = labels()
    for number, row in enumerate(clip_rows(split)):
        shown = [item for item in row["objects"] if item["id"] in footprints_of(row).codes and item["label"] in names]
        count = int((clips.object_category[number] >= 0).sum())
        assert [names[i] for i in clips.object_category[number, :count]] == [item["label"] for item in shown]
        assert (clips.object_category[number, count:] == -1).all()
        boxes = boxes_of(row)
        for place, item in enumerate(shown):
            axes, center = clips.object_axes[number, place], clips.object_center[number, place]
            corners = center + np.array([[1, 1, 1], [-1, 1, -1]]) @ axes.T
            local = boxes[item["id"]].to_local(corners)
            np.testing.assert_allclose(np.abs(local), np.tile(np.asarray(item["size"]) / 2, (2, 1)), atol=1e-4)


def test_some_frames_of_some_clips(clips):
    frames = np.array([[0, 3], [1, 15]])
    part = clips[:2].at_frames(frames)
    for number in (0, 1):
        for place, frame in enumerate(frames[number]):
            np.testing.assert_array_equal(part.patches[number, place], clips.patches[number, frame])
            np.testing.assert_array_equal(part.camera_to_world[number, place], clips.camera_to_world[number, frame])
    np.testing.assert_array_equal(part.object_center, clips.object_center[:2])
    np.testing.assert_array_equal(clips.at_frames(np.array([5])).present[:, 0], clips.present[:, 5])


def test_a_mirror_shows_what_flipped_frames_show(prepared, clips, split):
    processor = AutoProcessor.from_pretrained(prepared / "untrained")
    row = next(iter(clip_rows(split)))
    frames, times = read_frames(split / row["vanilla_file_name"])
    flipped = encode_video(processor, np.ascontiguousarray(frames[:, :, ::-1]), times)
    mean, deviation = pixel_scale(processor)
    found = clips[:1].mirrored(8)
    pixels = (found.patches.reshape(-1, len(mean)) / 255.0 - mean) / deviation
    difference = np.abs(pixels - flipped.pixel_values_videos.numpy())
    assert difference.max() < 0.05, "half a grey level of resizing"
    assert np.abs(pixels - (clips.patches[0].reshape(-1, len(mean)) / 255.0 - mean) / deviation).max() > 1.0
    # Whatever stands to the right of a camera stands to its left
    geometry = (each.geometry() for each in (found, clips[:1]))
    own, before = (in_own_camera(each.center, each.camera_to_world) for each in geometry)
    before = before.view(1, 16, 3, 4, 3).flip(3).view(1, 16, 12, 3) * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(own, before, equal_nan=True, atol=1e-4, rtol=0)
    rotation = found.camera_to_world[..., :3, :3]
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0, atol=1e-4)


def test_saved_and_loaded_is_the_same(clips, tmp_path):
    clips.save(tmp_path / "clips.npz")
    again = ClipArrays.load(tmp_path / "clips.npz")
    for item in fields(ClipArrays):
        np.testing.assert_array_equal(getattr(again, item.name), getattr(clips, item.name))


def test_a_second_call_builds_nothing(prepared, small, monkeypatch):
    def refuse(*_):
        raise AssertionError("read again")

    monkeypatch.setattr("recipes.ocr_vsi_tiny.training_data.read_clips", refuse)
    folders = build_training_data(small, prepared, None, echo=refuse)
    assert [folder.name for folder in folders] == ["21"]
