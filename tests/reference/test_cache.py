"""What training reads of a clip is what the clip shows."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from transformers import AutoProcessor

from ocr_hf.data.video import read_frames
from ocr_hf.models.media import encode_video
from ocr_hf.perturb.rows import boxes_of, footprints_of
from ocr_hf.reference.cache import SHOWN, Clips, clip_rows, pixel_scale
from ocr_hf.reference.prepare import cache_file, prepare
from ocr_hf.scenes.categories import category_names


@pytest.fixture(scope="module")
def clips(prepared, small) -> Clips:
    return Clips.load(cache_file(prepared, small.parts[0]))


@pytest.fixture(scope="module")
def split(prepared, small):
    return prepared / "train" / str(small.parts[0]) / "train"


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
    names = category_names()
    row = next(iter(clip_rows(split)))
    footprints, boxes = footprints_of(row), boxes_of(row)
    labels = {item["id"]: item["label"] for item in row["objects"]}
    seen = 0
    for frame in (0, 9):
        for cell in range(12):
            top, left = 56 * (cell // 4), 56 * (cell % 4)
            share = {
                number: footprints.region([number], [frame])[0, top : top + 56, left : left + 56].mean()
                for number in footprints.object_ids
                if labels[number] in names
            }
            shown = {number: value for number, value in share.items() if value >= SHOWN}
            expected = {labels[number] for number in shown}
            assert {names[i] for i in np.nonzero(clips.present[0, frame, cell])[0]} == expected
            if not shown:
                assert np.isnan(clips.center[0, frame, cell]).all() and np.isnan(clips.longest[0, frame, cell])
                continue
            nearest = max(shown, key=shown.get)
            np.testing.assert_allclose(clips.center[0, frame, cell], boxes[nearest].center, atol=1e-5)
            np.testing.assert_allclose(clips.longest[0, frame, cell], boxes[nearest].size.max(), atol=1e-5)
            seen += 1
    assert seen > 5


def test_saved_and_loaded_is_the_same(clips, tmp_path):
    clips.save(tmp_path / "clips.npz")
    again = Clips.load(tmp_path / "clips.npz")
    for item in fields(Clips):
        np.testing.assert_array_equal(getattr(again, item.name), getattr(clips, item.name))


def test_a_second_call_builds_nothing(prepared, small, monkeypatch):
    def refuse(*_):
        raise AssertionError("read again")

    monkeypatch.setattr("ocr_hf.reference.prepare.read_clips", refuse)
    folders = prepare(small, prepared, None, tell=refuse)
    assert [folder.name for folder in folders] == ["21"]
