"""Frames of a recording: cameras that refocus are brought to one, and blurred pictures are left out and counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.footage import Footage
from ocr_hf.data.recorded_scene import RecordedScene
from ocr_hf.scenes.recorded.read_recorded import RecordedFolder, read_recorded
from ocr_hf.scenes.recorded.refocused import MOST_ZOOM, Refocused
from ocr_hf.scenes.recorded.sharpness import are_blurred
from ocr_hf.scenes.scene import SceneObject
from tests.box_scene import box_clip, ray_box

HEIGHT, WIDTH = 84, 112
CLIP = box_clip(6, HEIGHT, WIDTH)
OBJECTS = [SceneObject(number, "crate", box) for number, box in CLIP.boxes.items()]


def cameras(count: int = 6) -> np.ndarray:
    """Return intrinsics (T, 3, 3) of a camera that refocuses by 6 % and whose axis wanders by two pixels."""
    drawn = np.random.default_rng(1)
    own = np.repeat(CLIP.intrinsics[None], count, axis=0)
    own[:, [0, 1], [0, 1]] *= drawn.uniform(0.97, 1.03, count)[:, None]
    own[:, :2, 2] += drawn.uniform(-1.0, 1.0, (count, 2))
    return own


def slopes(camera: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 whose colour is linear in where a pixel looks."""
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    across, down = (u - camera[0, 2]) / camera[0, 0], (v - camera[1, 2]) / camera[1, 1]
    return np.rint(128 + 100 * np.stack([across, down, (across + down) / 2], -1)).astype(np.uint8)


def maps(camera: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return depth and ids that a camera sees of the boxes."""
    depth, ids = np.full((HEIGHT, WIDTH), 6.0), np.zeros((HEIGHT, WIDTH), np.uint16)
    for number, box in CLIP.boxes.items():
        hit, metres = ray_box(box, pose, camera, HEIGHT, WIDTH)
        nearer = hit & (metres < depth)
        depth[nearer], ids[nearer] = metres[nearer], number
    return depth, ids


def recorded(own: np.ndarray, **changes: Any) -> RecordedScene:
    seen = [maps(camera, pose) for camera, pose in zip(own, CLIP.poses, strict=False)]
    scene = RecordedScene(
        name="boxes",
        frames=[slopes(camera) for camera in own],
        poses=CLIP.poses,
        intrinsics=own,
        times_s=np.arange(len(CLIP.poses)) / 2.0,
        objects=OBJECTS,
        depth=[depth for depth, _ in seen],
        instances=[ids for _, ids in seen],
    )
    return replace(scene, **changes)


def test_frames_of_a_camera_that_refocuses_are_seen_as_by_one(tmp_path: Path) -> None:
    own = cameras()
    found = read_recorded(recorded(own).write(tmp_path))
    common = found.intrinsics
    assert np.ptp(own[:, 0, 0]) > 2.0 and "frames are cut to what a camera of" in found.notes[0]
    # Nothing is made up: each border of the picture lies within every frame
    for corner in ([0.0, 0.0], [WIDTH, HEIGHT]):
        looks = (np.array(corner) - common[:2, 2]) / common[[0, 1], [0, 1]]
        pixels = own[:, [0, 1], [0, 1]] * looks + own[:, :2, 2]
        assert (pixels > -1e-9).all() and (pixels < [WIDTH + 1e-9, HEIGHT + 1e-9]).all()
    assert max(np.abs(slopes(camera).astype(int) - slopes(common)).max() for camera in own) > 3
    for index, picture in enumerate(found.images(range(len(own)))):
        # Linear colours stay linear when they are interpolated
        wrong = np.abs(picture.astype(int) - slopes(common))[1:-1, 1:-1]
        assert wrong.max() <= 1
        depth, ids = maps(common, CLIP.poses[index])
        # Looked up, not averaged: within a pixel of where borders are
        assert (found.instances(index) == ids).mean() > 0.985
        assert np.median(np.abs(found.depth(index) - depth)) < 0.01


def test_equal_cameras_change_nothing(tmp_path: Path) -> None:
    own = np.repeat(CLIP.intrinsics[None], 6, axis=0)
    found = read_recorded(recorded(own, frames=CLIP.frames).write(tmp_path))
    assert found.refocused is None and found.notes == ()
    assert np.array_equal(np.stack(list(found.images(range(6)))), CLIP.frames)
    assert np.abs(found.intrinsics - CLIP.intrinsics).max() < 1e-9


@settings(max_examples=50, deadline=None)
@given(
    focal=st.lists(st.floats(90.0, 100.0), min_size=2, max_size=5),
    middle=st.lists(st.floats(-3.0, 3.0), min_size=5, max_size=5),
)
def test_the_common_camera_sees_no_more_than_each(focal: list[float], middle: list[float]) -> None:
    own = np.repeat(np.eye(3)[None], len(focal), axis=0)
    own[:, 0, 0] = own[:, 1, 1] = focal
    own[:, :2, 2] = np.array([WIDTH, HEIGHT]) / 2 + np.array(middle[: len(focal)])[:, None]
    found = Refocused.of(own, WIDTH, HEIGHT)
    if found is None:
        return
    columns = np.broadcast_to(np.arange(WIDTH), (HEIGHT, WIDTH))
    for index in range(len(focal)):
        scale, shift = found._to_own(index)
        assert (shift > -1e-6).all() and (scale * [WIDTH, HEIGHT] + shift < [WIDTH + 1e-6, HEIGHT + 1e-6]).all()
        assert (np.diff(found.map(index, columns)[0]) >= 0).all()


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (np.diag([MOST_ZOOM + 0.05, MOST_ZOOM + 0.05, 1.0]) @ CLIP.intrinsics, "which no refocusing explains"),
        (CLIP.intrinsics + [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], "have skew"),
        (CLIP.intrinsics + [[0.0, 0.0, 500.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], "frame 1: the principal point"),
    ],
)
def test_other_cameras_are_refused(own: np.ndarray, message: str, tmp_path: Path) -> None:
    given_ = np.repeat(CLIP.intrinsics[None], 6, axis=0)
    given_[1] = own
    with pytest.raises(ValueError, match=message):
        recorded(given_, instances=None, depth=None).write(tmp_path)
    with pytest.raises(ValueError, match="5 intrinsics and 6 poses"):
        recorded(given_[:5], depth=None, instances=None).write(tmp_path)


def drawn(count: int, seed: int = 0) -> np.ndarray:
    """Return pictures (T, H, W, 3) of patches, as rooms have them."""
    patches = np.random.default_rng(seed).integers(0, 256, (count, HEIGHT // 7, WIDTH // 7, 3), dtype=np.uint8)
    return patches.repeat(7, axis=1).repeat(7, axis=2)


def smeared(pictures: np.ndarray, pixels: int, down: bool = False) -> np.ndarray:
    kernel = (1, pixels) if down else (pixels, 1)
    return np.stack([cv2.blur(picture, kernel) for picture in pictures])


def footage(folder: RecordedFolder, frames: int, keep: bool = False) -> dict[str, Any]:
    config = BuildConfig(source="recorded", root=str(folder.root), frames=frames, width=WIDTH, height=HEIGHT)
    return Footage(folder, 0.01, False, keep).record(config, plan_scenes(config)[0].clips[0])[1]


@pytest.mark.parametrize("down", [False, True])
def test_blurred_frames_are_left_out_and_counted(down: bool, tmp_path: Path) -> None:
    clip = box_clip(20, HEIGHT, WIDTH)
    frames, blurred = drawn(20), [0, 3, 4, 11, 19]
    frames[blurred] = smeared(frames[blurred], 5, down)
    scene = recorded(
        CLIP.intrinsics[None], intrinsics=CLIP.intrinsics, frames=frames, poses=clip.poses, times_s=np.arange(20.0),
        depth=clip.depth, instances=clip.instances,
    )  # fmt: skip
    found = read_recorded(scene.write(tmp_path))
    facts = footage(found, 8)
    assert facts["dropped_frames"] == {"blurred": 5} and not set(facts["frame_numbers"]) & set(blurred)
    kept = footage(found, 8, keep=True)
    assert kept["dropped_frames"] == {} and set(kept["frame_numbers"]) & set(blurred)
    # As many as there are: none can be left out
    assert footage(found, 20)["frame_numbers"] == list(range(20))


def test_a_soft_camera_loses_no_frame() -> None:
    assert not are_blurred(smeared(drawn(20), 9)).any()
    assert not are_blurred(np.zeros((3, HEIGHT, WIDTH, 3), np.uint8)).any()
    assert not are_blurred([]).any()
