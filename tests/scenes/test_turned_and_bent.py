"""Pictures that are turned upright, and those of a fisheye lens: world points stay under the pixels that show them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.geometry.camera import look_at, project
from ocr_hf.scenes.recorded.fisheye import Fisheye
from ocr_hf.scenes.recorded.sky import SKY, quarter_turns, turned_camera, turned_picture, turned_pose
from tests.scan_exports import BENT, DSLR, LENS, sensor_pose

WIDTH, HEIGHT = 30, 20
CAMERA = np.array([[25.0, 0.0, 13.2], [0.0, 27.0, 11.1], [0.0, 0.0, 1.0]])


@settings(max_examples=40, deadline=None)
@given(turns=st.integers(0, 3), column=st.integers(0, WIDTH - 1), row=st.integers(0, HEIGHT - 1))
def test_a_point_stays_in_its_pixel(turns: int, column: int, row: int) -> None:
    pose = look_at(np.array([0.3, -2.0, 1.4]), np.array([0.0, 1.0, 0.8]))
    seen = np.linalg.inv(CAMERA) @ [column + 0.5, row + 0.5, 1.0] * 3.0
    point = pose[:3, :3] @ seen + pose[:3, 3]
    picture = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    picture[row, column] = 1
    camera = turned_camera(CAMERA[None], WIDTH, HEIGHT, turns)[0]
    (u, v), depth = project(point, camera, turned_pose(pose[None], turns)[0])
    turned = turned_picture(picture, turns)
    assert turned[int(v), int(u)] == 1 and depth == pytest.approx(3.0)
    assert [u % 1.0, v % 1.0] == pytest.approx([0.5, 0.5], abs=1e-9)


@pytest.mark.parametrize("sky", SKY)
def test_the_sky_is_found_by_the_poses(sky: str) -> None:
    upright = np.stack([look_at(np.array([x, -2.0, 1.4]), np.array([0.0, 1.0, 0.8])) for x in (-0.5, 0.0, 0.5)])
    held = np.stack([sensor_pose(pose, sky) for pose in upright])
    turns = quarter_turns(held)
    assert SKY[turns] == sky and np.abs(turned_pose(held, turns) - upright).max() < 1e-12
    assert quarter_turns(held, "Down") == turns


def test_only_a_camera_that_looks_straight_down_is_told_where_the_sky_is() -> None:
    down = look_at(np.array([0.0, 0.0, 2.0]), np.array([0.01, 0.02, 0.0]))[None]
    assert [quarter_turns(down, word) for word in (None, "up", "RIGHT", "Down", "Left")] == [0, 0, 1, 2, 3]
    with pytest.raises(ValueError, match="sky_direction is 'Norht'"):
        quarter_turns(down, "norht")


def lens_pixel(ray: np.ndarray) -> np.ndarray:
    """Return where the lens shows a ray (3,), by the definition of OPENCV_FISHEYE."""
    away = np.hypot(ray[0], ray[1])
    angle = np.arctan2(away, ray[2])
    reached = angle * (1 + sum(k * angle ** (2 * n) for n, k in enumerate(BENT, 1)))
    return np.array([LENS[0, 0], LENS[1, 1]]) * reached * ray[:2] / max(away, 1e-12) + LENS[:2, 2]


def test_the_pinhole_camera_sees_no_more_than_the_lens_and_as_much_as_it_can() -> None:
    found = Fisheye.of(LENS, BENT, *DSLR)
    width, height = DSLR
    corners = [(u, v) for u in (0.0, width / 2, width) for v in (0.0, height / 2, height)]
    seen = np.stack([lens_pixel(np.linalg.inv(found.intrinsics) @ [u, v, 1.0]) for u, v in corners])
    assert (seen > -1e-6).all() and (seen < [width + 1e-6, height + 1e-6]).all()
    # Some border touches the lens's
    assert min(seen.min(), (np.array([width, height]) - seen).min()) < 1e-3


def test_a_picture_is_undistorted_to_where_rays_go() -> None:
    found = Fisheye.of(LENS, BENT, *DSLR)
    v, u = np.mgrid[0 : DSLR[1], 0 : DSLR[0]]
    # Each pixel holds its own place, which interpolation keeps
    picture = np.stack([u, v, np.zeros_like(u)], axis=-1).astype(np.uint8)
    turned = found.undistorted(picture)
    for row, column in ((5, 8), (60, 90), (100, 150), (56, 84)):
        place = lens_pixel(np.linalg.inv(found.intrinsics) @ [column + 0.5, row + 0.5, 1.0]) - 0.5
        assert np.abs(turned[row, column, :2] - place).max() <= 0.55


@pytest.mark.parametrize(
    ("lens", "bent"),
    [(LENS * np.nan, BENT), (LENS, BENT * np.inf), (-LENS, BENT), (LENS + [[0, 0, 1e6], [0, 0, 0], [0, 0, 0]], BENT)],
)
def test_a_lens_that_sees_nothing_is_refused(lens: np.ndarray, bent: np.ndarray) -> None:
    with pytest.raises(ValueError, match="sees nothing; copy the camera again"):
        Fisheye.of(lens, bent, *DSLR)
