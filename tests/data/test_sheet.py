"""The contact sheet and the card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

from ocr_hf.data.dataset_card import render_card
from ocr_hf.data.load import clips, load
from ocr_hf.data.schema import MEANING, features, read_manifest
from ocr_hf.data.sheet import box_segments, informative_frames, write_sheet
from ocr_hf.data.sheet_map import NOISY
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import intrinsics_from_fov, look_at, project


def test_box_edges_are_the_projected_corners_and_are_cut_at_the_camera() -> None:
    intrinsics = intrinsics_from_fov(96, 72, 75.0)
    pose = look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))
    ahead = OrientedBox(np.array([4.0, 0.0, 0.0]), np.array([1.0, 2.0, 0.5]), np.eye(3))
    pixels, _ = project(ahead.corners(), intrinsics, pose)
    ends = np.array([end for segment in box_segments(ahead, intrinsics, pose) for end in segment])
    assert len(ends) == 24
    np.testing.assert_allclose(np.unique(ends.round(6), axis=0), np.unique(pixels.round(6), axis=0))
    around = OrientedBox(np.zeros(3), np.full(3, 2.0), np.eye(3))
    segments = box_segments(around, intrinsics, pose)
    assert len(segments) == 8 and np.isfinite(segments).all()
    behind = OrientedBox(np.array([-4.0, 0.0, 0.0]), np.ones(3), np.eye(3))
    assert box_segments(behind, intrinsics, pose) == []


def test_shown_frames_are_the_most_perturbed_of_each_stretch(built: Path) -> None:
    clip = next(clips(load(built, split="train", streaming=True)))
    noise = sum(clip.footprints.areas(i) for i in clip.noisy_objects)
    numbers = informative_frames(clip, 2)
    assert [noise[n] for n in numbers] == [noise[:2].max(), noise[2:].max()]
    assert informative_frames(clip, 9).tolist() == [0, 1, 2, 3]


def test_sheet_is_a_picture_with_both_rows(built: Path, tmp_path: Path) -> None:
    path = write_sheet(built, tmp_path / "sheet.png", num_clips=1, columns=3)
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert pixels.shape[1] > 1000 and pixels.shape[0] > 400
    rgb = [int(NOISY[i : i + 2], 16) for i in (1, 3, 5)]
    assert (np.abs(pixels - rgb).max(axis=-1) < 12).sum() > 200, "nothing is marked as perturbed"
    with pytest.raises(ValueError, match="no split 'dev'"):
        write_sheet(built, tmp_path / "x.png", split="dev")


def test_a_recording_without_rerun_says_how_to_get_it(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from ocr_hf.data.rerun_view import write_recording

    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ImportError, match=r"ocr-hf\[view\]"):
        write_recording([], tmp_path / "x.rrd")


def test_card_states_what_was_measured_and_nothing_else(built: Path) -> None:
    manifest = read_manifest(built)
    text = (built / "README.md").read_text()
    assert text == render_card(manifest)
    card = DatasetCard(text)
    assert [item["config_name"] for item in card.data.configs] == ["pairs", "recipes"]
    assert card.data.license == "apache-2.0" and card.data.size_categories == ["n<1K"]
    rows = manifest["statistics"]["splits"]["train"]["rows"]
    assert all(info["splits"][0]["num_examples"] == rows for info in card.data.dataset_info)
    assert str(manifest["statistics"]["measured"]["vanilla_psnr_db"]["mean"]) in text
    told = {name for name in MEANING if f"| `{name}` |" in text}
    assert told == {*features("pairs"), *features("recipes")}
    assert "Object-Centric 3D Rollout" in text and "[More Information Needed]" not in text
