"""The camera of a clip: drawn within its ranges, as given where it is, and long enough on the way for a large scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.clip_cameras import EXPOSURE, EYE_HEIGHT_M, FOV_DEG, CameraPath, camera_path
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import intrinsics_from_fov
from ocr_hf.scenes.homes.primitives import Shape, block
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.scenes.scene import Mesh, Room, Scene, SceneObject

CONFIG = BuildConfig(frames=8, width=64, height=48, seed=3)


def path_of(config: BuildConfig, scene: Scene, number: int = 0) -> CameraPath:
    return camera_path(config, plan_scenes(config)[number].clips[0], scene)


def mesh(shape: Shape) -> Mesh:
    return Mesh(shape.vertices, shape.faces)


def shop() -> Scene:
    """One room of 230 m2, with shelves higher than a person in four rows."""
    shelves = [(x, y) for y in (1.6, 3.8, 6.0, 8.2) for x in np.arange(1.5, 20.0, 3.0)]
    objects = []
    for number, (x, y) in enumerate(shelves, 1):
        low, high = np.array([x, y, 0.0]), np.array([x + 2.0, y + 0.5, 2.1])
        shape = block(low[0], high[0], low[1], high[1], low[2], high[2])
        objects.append(SceneObject(number, "shelf", OrientedBox.axis_aligned(low, high), (mesh(shape),)))
    outline = np.array([[0.0, 0.0], [23.0, 0.0], [23.0, 10.0], [0.0, 10.0]])
    walls = [
        block(-0.1, 23.1, -0.1, 10.1, -0.1, 0.0), block(-0.1, 0.0, 0.0, 10.0, 0.0, 3.0),
        block(23.0, 23.1, 0.0, 10.0, 0.0, 3.0), block(0.0, 23.0, -0.1, 0.0, 0.0, 3.0),
        block(0.0, 23.0, 10.0, 10.1, 0.0, 3.0),
    ]  # fmt: skip
    return Scene("shop", "mesh", tuple(objects), tuple(map(mesh, walls)), (Room("shop", outline, 3.0),))


def test_lens_height_and_exposure_are_drawn_for_each_clip() -> None:
    config = replace(CONFIG, scenes=30)
    scene = procedural_scene(1, rooms=1)
    paths = [path_of(config, scene, number) for number in range(30)]
    fov = [2.0 * np.degrees(np.arctan(32.0 / path.intrinsics[0, 0])) for path in paths]
    height = [path.camera_to_world[0, 2, 3] for path in paths]
    exposure = [path.exposure for path in paths]
    for drawn, (low, high) in ((fov, FOV_DEG), (height, EYE_HEIGHT_M), (exposure, EXPOSURE)):
        assert low <= min(drawn) < low + 0.25 * (high - low) and high - 0.25 * (high - low) < max(drawn) <= high
    assert path_of(config, scene, 4).exposure == exposure[4]


def test_what_is_given_holds_and_leaves_the_rest_as_it_was() -> None:
    scene = procedural_scene(1, rooms=1)
    drawn, given = path_of(CONFIG, scene), path_of(replace(CONFIG, fov=60.0, eye_height=1.25), scene)
    assert np.allclose(given.intrinsics, intrinsics_from_fov(64, 48, 60.0))
    assert np.allclose(given.camera_to_world[:, 2, 3], 1.25) and given.exposure == drawn.exposure
    assert np.allclose(given.camera_to_world[:, :2, 3], drawn.camera_to_world[:, :2, 3])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"exposure": 0.0}, "exposure is 0.0"),
        ({"exposure": float("nan")}, "exposure is nan"),
        ({"eye_height": 4.0}, "eye_height is 4.0"),
        ({"fov": 190.0}, "190"),
        ({"eye_height": 1.5, "trajectory": "walk.txt", "scenes": 1}, "--trajectory brings its own"),
    ],
)
def test_cameras_that_cannot_be_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BuildConfig(**options)


def test_no_camera_is_above_a_low_ceiling() -> None:
    scene = procedural_scene(1, rooms=1)
    low = replace(scene, rooms=tuple(replace(room, height_m=1.9) for room in scene.rooms))
    assert path_of(replace(CONFIG, eye_height=1.8), low).camera_to_world[:, 2, 3].max() == pytest.approx(1.6)


def test_a_walk_through_a_shop_takes_its_time_and_comes_everywhere() -> None:
    scene = shop()
    path = path_of(replace(CONFIG, frames=64), scene)
    assert 64 / path.fps == pytest.approx(92.0)
    places = path.camera_to_world[:, :2, 3]
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).sum() > 35.0
    # No shelf is farther from the walk than two shelves
    for item in scene.objects:
        assert np.linalg.norm(places - item.box.center[:2], axis=1).min() < 4.5
    short = path_of(replace(CONFIG, seconds=16.0), scene)
    assert short.fps == pytest.approx(0.5)
    small = next(scene for seed in range(9) if (scene := procedural_scene(seed, rooms=1)).floor_area_m2 < 30.0)
    assert path_of(CONFIG, small).fps == pytest.approx(0.5)


@pytest.mark.parametrize("fps", [24.0, 29.97, 3.0])
def test_a_given_frame_rate_is_kept_to_the_last_bit(fps: float) -> None:
    assert path_of(replace(CONFIG, fps=fps), procedural_scene(1, rooms=1)).fps == fps
