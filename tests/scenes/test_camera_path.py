"""Walks: smooth, clear of obstacles, seeded, one walk at every frame rate, and they see the rooms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, contains_xy

from ocr_hf.geometry.camera import check_poses
from ocr_hf.scenes.cameras.camera_path import MAX_SPEED_M_S, MAX_TURN_DEG_S, RADII_M, walk_through
from ocr_hf.scenes.cameras.free_floor import free_floor
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.scenes.scene import Room, Scene


def heading(poses: np.ndarray) -> np.ndarray:
    return np.unwrap(np.arctan2(poses[:, 1, 2], poses[:, 0, 2]))


@settings(max_examples=12)
@given(seed=st.integers(0, 300), seconds=st.sampled_from([4.0, 12.0, 30.0]))
def test_walks_are_smooth_level_and_free(seed: int, seconds: float) -> None:
    scene = procedural_scene(seed)
    poses = check_poses(walk_through(scene, seconds, 30.0, seed))
    assert len(poses) == round(seconds * 30.0)
    eyes = poses[:, :3, 3]
    assert np.allclose(eyes[:, 2], 1.5)
    assert free_floor(scene, RADII_M[0]).contains(eyes[:, :2]).all()
    velocity = np.diff(eyes, axis=0) * 30.0
    assert np.linalg.norm(velocity, axis=1).max() <= MAX_SPEED_M_S
    assert np.linalg.norm(np.diff(velocity, axis=0), axis=1).max() * 30.0 < 6.0  # no jerks, m/s2
    assert np.degrees(np.abs(np.diff(heading(poses))).max()) * 30.0 <= MAX_TURN_DEG_S + 1e-6
    assert np.allclose(poses[:, 2, 0], 0.0)  # the image's horizontal is level
    assert (poses[:, 2, 1] < 0.0).all() and (poses[:, 2, 2] < 0.0).all()  # upright, looking slightly down


def test_one_seed_is_one_walk_at_every_frame_rate() -> None:
    scene = procedural_scene(2, rooms=2)
    fine, coarse = walk_through(scene, 10.0, 30.0, 3), walk_through(scene, 10.0, 3.0, 3)
    assert np.allclose(fine[::10], coarse, atol=1e-9)
    assert (walk_through(scene, 10.0, 30.0, 3) == fine).all()
    assert not np.allclose(walk_through(scene, 10.0, 30.0, 4)[0], fine[0])


def test_a_walk_in_one_room_stays_there() -> None:
    scene = procedural_scene(3, rooms=3)
    for index, room in enumerate(scene.rooms):
        poses = walk_through(scene, 8.0, 6.0, 1, room=index)
        assert contains_xy(Polygon(room.polygon), *poses[:, :2, 3].T).all()


def test_a_long_walk_comes_through_every_room() -> None:
    for seed in (3, 5, 17):
        scene = procedural_scene(seed, rooms=4)
        poses = walk_through(scene, 45.0, 6.0, seed)
        for room in scene.rooms:
            assert contains_xy(Polygon(room.polygon), *poses[:, :2, 3].T).any(), room.name


def test_walks_turn_to_most_of_the_furniture() -> None:
    shares = []
    for seed in range(12):
        scene = procedural_scene(seed, rooms=1)
        poses = walk_through(scene, 16.0, 4.0, seed)
        offset = np.array([item.box.center for item in scene.objects])[None, :, :2] - poses[:, None, :2, 3]
        bearing = np.arctan2(offset[..., 1], offset[..., 0]) - heading(poses)[:, None]
        in_view = np.abs((bearing + np.pi) % (2 * np.pi) - np.pi) < np.radians(37.5)
        shares.append(in_view.any(axis=0).mean())
    assert np.mean(shares) > 0.9 and min(shares) > 0.7


def test_the_height_of_the_eye_is_above_the_rooms_floor() -> None:
    scene = procedural_scene(0)
    raised = Scene("raised", "test", (), (), tuple(Room(r.name, r.polygon, r.height_m, 3.0) for r in scene.rooms))
    assert np.allclose(walk_through(raised, 2.0, 5.0, 0, eye_height_m=1.2)[:, 2, 3], 4.2)


def test_what_cannot_be_walked_is_refused() -> None:
    scene = procedural_scene(0)
    for seconds, fps in ((0.0, 24.0), (1.0, -1.0), (np.nan, 24.0)):
        with pytest.raises(ValueError, match="at least one"):
            walk_through(scene, seconds, fps, 0)
    with pytest.raises(ValueError, match="has no room 9"):
        walk_through(scene, 4.0, 24.0, 0, room=9)
    tiny = Scene("tiny", "test", (), (), (Room("cupboard", np.array([[0, 0], [0.3, 0], [0.3, 0.3]])),))
    with pytest.raises(ValueError, match="no free floor"):
        walk_through(tiny, 4.0, 24.0, 0)
