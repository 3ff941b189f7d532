"""What a camera would see, guessed from boxes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.twins.in_view import CONE_DEG, in_view
from tests.questions.question_scenes import about_z


def looking_along_x() -> np.ndarray:
    """One pose at (0, 0, 1.5) whose view is along +x."""
    pose = np.eye(4)
    pose[:3, :3] = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    pose[:3, 3] = 0.0, 0.0, 1.5
    return pose[None]


def test_seen_is_what_is_ahead_near_and_not_hidden() -> None:
    points = np.array([[2.0, 0.0, 1.5], [-2.0, 0.0, 1.5], [0.2, 0.0, 1.5], [9.0, 0.0, 1.5], [2.0, 2.0, 1.5]])
    assert in_view(points, looking_along_x(), [])[:, 0].tolist() == [True, False, False, False, False]
    wall = OrientedBox.axis_aligned(np.array([1.0, -0.5, 0.0]), np.array([1.1, 0.5, 2.0]))
    around = OrientedBox.axis_aligned(np.array([1.5, -0.5, 0.0]), np.array([2.5, 0.5, 2.0]))
    assert not in_view(points[:1], looking_along_x(), [wall]).any()
    # What a point is in, such as a shelf, doesn't hide it.
    assert in_view(points[:1], looking_along_x(), [around]).all()


@settings(max_examples=50)
@given(st.floats(-180.0, 180.0), st.tuples(st.floats(-9.0, 9.0), st.floats(-9.0, 9.0)), st.integers(0, 99))
def test_a_rigid_motion_of_everything_changes_nothing(degrees: float, shift: tuple, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform([0.0, -3.0, 0.0], [5.0, 3.0, 3.0], (60, 3))
    boxes = [OrientedBox.upright(rng.uniform(-3, 3, 3), rng.uniform(0.2, 2, 3), rng.uniform(0, 6)) for _ in range(4)]
    motion = about_z(np.radians(degrees), (*shift, 0.0))
    seen = in_view(points, looking_along_x(), boxes)
    turned = in_view(
        points @ motion[:3, :3].T + motion[:3, 3], motion @ looking_along_x(), [b.moved(motion) for b in boxes]
    )
    assert (seen == turned).all() and seen.any()
    angles = np.degrees(np.arctan2(np.linalg.norm((points - [0, 0, 1.5])[:, 1:], axis=1), points[:, 0]))
    assert (angles[seen[:, 0]] <= CONE_DEG + 1e-6).all()
