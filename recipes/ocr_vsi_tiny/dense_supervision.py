"""Dense 3D supervision while answering is learnt: what each cell of each frame shows, and what each named object is.

An answer is a token or three; from those alone a small network takes long to learn to see. The annotation says much
more, so small heads, thrown away after training, read

- from every video token that the vision tower gives: which categories are there, and where their box is as seen from
  the camera;
- from every video token half way up the language model: the same in the frame of the first camera, and where the
  camera itself is: that needs its motion. Half way up, since later layers of the question read only what stands there;
- from every word of a question that names a category, further up: where that object is, how large, when it first comes
  into view and how many there are. So looking up the named objects is learnt by itself, for all that are named, and the
  layers above have to learn only what the question asks of them.

Ours; the paper (arXiv 2511.13190) has no such stage.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

METRES = 2.0
"""Positions are learnt in this unit."""
NAMED = {"place": slice(0, 3), "extent": slice(3, 6), "first": slice(6, 7), "count": slice(7, 8)}
"""What is read from a word that names a category: columns of `named_targets`."""


@dataclass(frozen=True)
class Geometry:
    """The annotation of B clips of T frames with K cells: what `ClipArrays` of clip_arrays.py hold, as tensors.

    present : (B, T, K, C) bool; center : (B, T, K, 3), longest : (B, T, K), metres, NaN = nothing there
    camera_to_world : (B, T, 4, 4)
    object_category : (B, O) int64, -1 = none; object_center : (B, O, 3), object_axes : (B, O, 3, 3), metres
    """

    present: torch.Tensor
    center: torch.Tensor
    longest: torch.Tensor
    camera_to_world: torch.Tensor
    object_category: torch.Tensor
    object_center: torch.Tensor
    object_axes: torch.Tensor


def attention_on_object(attention: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Return the share of attention (M,) that goes to the right cells, for the words whose category is to be seen.

    attention : (N, S) of N words to S video tokens; cells : (N, S) bool, which of them show what the word names
    """
    visible = cells.any(1)
    return (attention[visible].float() * cells[visible]).sum(1)


def named_targets(geometry: Geometry) -> torch.Tensor:
    """Return (B, C, 8) for every category of every clip, NaN where it has none.

    Place and half extents along the axes of the first camera, for a category that has one object; share of the frames
    before it first comes into view; number of objects / 2.
    """
    poses = geometry.camera_to_world
    clips, categories = len(poses), geometry.present.shape[-1]
    # -1, no object, becomes column 0, which is dropped
    one = functional.one_hot(geometry.object_category.long() + 1, categories + 1)[..., 1:].float()
    number = one.sum(1)
    # (B, 1, O, 3) looks like the cells of one frame; its camera is the first one in any case
    place = in_first_camera(geometry.object_center[:, None], poses)[:, 0] / METRES
    # Of each half axis what it has of right, forward and up
    right, forward = first_axes(poses)
    axes = geometry.object_axes
    up = torch.tensor([0.0, 0.0, 1.0]).expand(clips, 3)
    extent = torch.stack(
        [torch.einsum("bi,boij->boj", along, axes).abs().sum(-1) for along in (right, forward, up)], dim=-1
    )
    visible = geometry.present.any(2)
    # argmax of a boolean is the first True
    first = visible.float().argmax(1) / visible.shape[1]
    sums = torch.einsum("boc,bod->bcd", one, torch.cat([place, extent], dim=-1))
    nothing = torch.tensor(torch.nan)
    return torch.cat(
        [
            torch.where((number == 1)[..., None], sums, nothing),
            torch.where(visible.any(1), first, nothing)[..., None],
            torch.where(number > 0, number / 2.0, nothing)[..., None],
        ],
        dim=-1,
    )


def in_own_camera(points: torch.Tensor, camera_to_world: torch.Tensor) -> torch.Tensor:
    """Return points (B, T, K, 3) in the axes of the camera (B, T, 4, 4) that saw them."""
    rotation, origin = camera_to_world[..., :3, :3], camera_to_world[..., :3, 3]
    return torch.einsum("btij,btki->btkj", rotation, points - origin[:, :, None])


def first_axes(camera_to_world: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the level right and forward (B, 3) of the first camera (B, T, 4, 4), whose tilt is left out."""
    forward = camera_to_world[:, 0, :3, 2] * torch.tensor([1.0, 1.0, 0.0])
    forward = forward / forward.norm(dim=-1, keepdim=True)
    # Right is forward turned clockwise, seen from above
    return torch.stack([forward[:, 1], -forward[:, 0], torch.zeros(len(forward))], dim=-1), forward


def in_first_camera(points: torch.Tensor, camera_to_world: torch.Tensor) -> torch.Tensor:
    """Return points (B, T, K, 3) as right, forward and up of the first camera, whose tilt is left out."""
    shift = points - camera_to_world[:, 0, None, None, :3, 3]
    right, forward = (axis[:, None, None] for axis in first_axes(camera_to_world))
    return torch.stack([(shift * right).sum(-1), (shift * forward).sum(-1), shift[..., 2]], dim=-1)


def camera_pose(camera_to_world: torch.Tensor) -> torch.Tensor:
    """Return (B, T, 4): where each camera is, right and forward of the first one, / METRES, and where it looks."""
    right, forward = first_axes(camera_to_world)
    place = in_first_camera(camera_to_world[:, :, None, :3, 3], camera_to_world)[:, :, 0, :2] / METRES
    ahead = camera_to_world[..., :3, 2]
    looks = torch.stack([torch.einsum("bti,bi->bt", ahead, axis) for axis in (right, forward)], dim=-1)
    return torch.cat([place, looks / looks.norm(dim=-1, keepdim=True)], dim=-1)
