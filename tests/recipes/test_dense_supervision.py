"""The dense supervision asks for the right places."""

from __future__ import annotations

import numpy as np
import torch

from recipes.ocr_vsi_tiny.auxiliary_heads import VideoTokenHeads
from recipes.ocr_vsi_tiny.dense_supervision import (
    METRES,
    Geometry,
    attention_on_object,
    camera_pose,
    in_first_camera,
    in_own_camera,
    named_targets,
)


def camera(position, forward):
    """Return a level camera (4, 4), OpenCV axes, that looks along `forward` (2,)."""
    forward = np.array([*forward, 0.0]) / np.linalg.norm(forward)
    down = np.array([0.0, 0.0, -1.0])
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = np.cross(down, forward), down, forward, position
    return pose


POSES = torch.tensor(np.stack([camera((1, 2, 1.5), (0, 1)), camera((3, 3, 1.5), (1, 0))])[None], dtype=torch.float32)


def test_points_in_the_camera_that_sees_them():
    points = torch.tensor([[[[1.0, 5.0, 1.5]], [[4.0, 2.0, 0.5]]]])
    # First camera: 3 m ahead. Second, looking along x: 1 m ahead, 1 m to the right, 1 m below
    expected = torch.tensor([[[[0.0, 0.0, 3.0]], [[1.0, 1.0, 1.0]]]])
    torch.testing.assert_close(in_own_camera(points, POSES), expected)


def test_points_in_the_first_camera_do_not_depend_on_who_sees_them():
    point = torch.tensor([4.0, 2.5, 0.5])
    found = in_first_camera(point.expand(1, 2, 1, 3), POSES)
    # Right, forward and up of a camera at (1, 2, 1.5) that looks along y
    torch.testing.assert_close(found, torch.tensor([3.0, 0.5, -1.0]).expand(1, 2, 1, 3))


def test_tilt_of_the_first_camera_is_left_out():
    tilted = POSES.clone()
    angle = 0.4
    turn = torch.tensor([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]).float()
    tilted[0, 0, :3, :3] = POSES[0, 0, :3, :3] @ turn
    point = torch.tensor([[[[4.0, 2.5, 0.5]], [[0.0, 0.0, 0.0]]]])
    torch.testing.assert_close(in_first_camera(point, tilted), in_first_camera(point, POSES))


def test_where_the_camera_is_and_looks():
    # The second camera stands 2 m to the right of the first and 1 m ahead, and looks to its right
    expected = torch.tensor([[[0.0, 0.0, 0.0, 1.0], [2.0 / METRES, 1.0 / METRES, 1.0, 0.0]]])
    torch.testing.assert_close(camera_pose(POSES), expected)


def geometry(**changes) -> Geometry:
    """A chair 3 m ahead, seen from the start in one of two cells; two beds, one of them seen by the second camera."""
    nothing = float("nan")
    arrays = {
        "present": torch.tensor([[[[True, False, False], [False, False, False]], [[False, True, False]] * 2]]),
        "center": torch.tensor([[[[1.0, 5.0, 1.5], [nothing] * 3], [[4.0, 3.0, 1.5]] * 2]]),
        "longest": torch.tensor([[[2.0, nothing], [1.0, 1.0]]]),
        "camera_to_world": POSES,
        "object_category": torch.tensor([[0, 1, 1, -1]], dtype=torch.int16),
        "object_center": torch.tensor([[[1.0, 5.0, 1.5], [4.0, 3.0, 1.5], [0.0, 0.0, 0.0], [9.0, 9.0, 9.0]]]),
        "object_axes": torch.eye(3).expand(1, 4, 3, 3) * torch.tensor([1.0, 0.5, 0.25]),
    }
    return Geometry(**arrays | changes)


def test_what_is_asked_of_named_categories():
    targets = named_targets(geometry())[0]
    chair, bed, lamp = targets
    torch.testing.assert_close(chair, torch.tensor([0.0, 3.0 / METRES, 0.0, 1.0, 0.5, 0.25, 0.0, 0.5]))
    assert bed[:6].isnan().all(), "which of the two?"
    assert bed[6:].tolist() == [0.5, 1.0] and lamp.isnan().all()


def test_extents_are_along_the_first_camera():
    turned = camera((1, 2, 1.5), (1, 0))
    poses = torch.tensor(np.stack([turned, turned])[None], dtype=torch.float32)
    chair = named_targets(geometry(camera_to_world=poses))[0, 0]
    torch.testing.assert_close(chair[:6], torch.tensor([-3.0 / METRES, 0.0, 0.0, 0.5, 1.0, 0.25]), atol=1e-6, rtol=0)


def test_losses_are_zero_for_perfect_heads_and_ignore_empty_cells():
    heads, given = VideoTokenHeads(8, 3), geometry()
    heads.norm = torch.nn.Identity()
    tokens = torch.eye(8)[:4][None]
    own, first = in_own_camera(given.center, POSES), in_first_camera(given.center, POSES)
    for head, place in ((heads.seen, own), (heads.placed, first)):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
        for cell in range(4):
            frame, number = divmod(cell, 2)
            head.weight.data[:3, cell] = given.present[0, frame, number].float() * 60.0 - 30.0
            head.weight.data[3:6, cell] = place[0, frame, number].nan_to_num() / METRES
            head.weight.data[6, cell] = given.longest[0, frame, number].log().nan_to_num()
    heads.placed.weight.data[7:, :4] = camera_pose(POSES)[0].repeat_interleave(2, dim=0).T
    losses = heads(tokens, tokens, given)
    assert set(losses) == {"seen_category", "seen_place", "placed_category", "placed_place", "camera"}
    assert all(loss.item() < 1e-6 for loss in losses.values())
    worse = heads(tokens.flip(1), tokens.flip(1), given)
    assert all(loss.item() > 0.05 for loss in worse.values()), worse


def test_words_look_where_their_category_is():
    cells = torch.tensor([[True, True, False], [False, False, True], [False, False, False]])
    attention = torch.tensor([[0.25, 0.5, 0.25], [0.9, 0.1, 0.0], [1.0, 0.0, 0.0]])
    assert attention_on_object(attention, cells).tolist() == [0.75, 0.0], "what no cell shows can't be looked at"
