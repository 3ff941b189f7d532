"""The dense supervision asks for the right places."""

from __future__ import annotations

import numpy as np
import torch

from ocr_hf.reference.dense import METRES, DenseHeads, in_first_camera, in_own_camera


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


def test_losses_are_zero_for_perfect_heads_and_ignore_empty_cells():
    heads = DenseHeads(8, 2)
    present = torch.tensor([[[[True, False]], [[False, False]]]])
    center = torch.tensor([[[[1.0, 5.0, 1.5]], [[float("nan")] * 3]]])
    longest = torch.tensor([[[2.0], [float("nan")]]])
    tokens = torch.zeros(1, 2, 8)
    tokens[0, 0, 0], tokens[0, 1, 1] = 1.0, 1.0
    for head, place in ((heads.seen, in_own_camera(center, POSES)), (heads.placed, in_first_camera(center, POSES))):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
        wanted = torch.cat([torch.tensor([30.0, -30.0]), place[0, 0, 0] / METRES, torch.tensor([2.0]).log()])
        head.weight.data[:, 0] = wanted
        head.weight.data[:2, 1] = -30.0
    losses = heads(tokens, tokens, present, center, longest, POSES)
    assert set(losses) == {"seen_category", "seen_place", "placed_category", "placed_place"}
    assert all(loss.item() < 1e-6 for loss in losses.values())
    worse = heads(tokens.flip(1), tokens, present, center, longest, POSES)
    assert worse["seen_category"] > 1.0 and worse["seen_place"] > 0.1
