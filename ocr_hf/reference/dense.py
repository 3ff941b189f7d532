"""Dense 3D supervision while answering is learnt: what each cell of each frame shows, and where in the room that is.

An answer is a token or three; from those alone a small network takes long to learn to see. The annotation says much
more, so small heads, thrown away after training, read from every video token: in the vision tower's output, which
categories are there and where their box is as seen from the camera; in the language model's last layer, the same in
the frame of the first camera, which needs the camera's motion. Ours; the paper (arXiv 2511.13190) has no such stage.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

METRES = 2.0
"""Positions are learnt in this unit."""


class DenseHeads(nn.Module):
    """Reads categories (C), position (3) and longest side (1) from video tokens."""

    def __init__(self, hidden: int, categories: int) -> None:
        super().__init__()
        self.seen = nn.Linear(hidden, categories + 4)
        self.placed = nn.Linear(hidden, categories + 4)
        for head in (self.seen, self.placed):
            # Most categories are in no cell; starting from that spares the first steps
            nn.init.constant_(head.bias[:categories], -4.0)

    def forward(
        self,
        seen: torch.Tensor,
        hidden: torch.Tensor,
        present: torch.Tensor,
        center: torch.Tensor,
        longest: torch.Tensor,
        camera_to_world: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Return the losses.

        seen, hidden : (B, T K, H) video tokens from the vision tower and from the language model's last layer
        present : (B, T, K, C) bool; center : (B, T, K, 3), longest : (B, T, K), metres, NaN = nothing there
        camera_to_world : (B, T, 4, 4)
        """
        valid = torch.isfinite(longest).flatten()
        size = longest.flatten()[valid].log()[:, None]
        out = {}
        for name, head, tokens, place in (
            ("seen", self.seen, seen, in_own_camera(center, camera_to_world)),
            ("placed", self.placed, hidden, in_first_camera(center, camera_to_world)),
        ):
            read = head(tokens.float()).flatten(0, 1)
            count = present.shape[-1]
            out[f"{name}_category"] = (
                functional.binary_cross_entropy_with_logits(read[:, :count], present.flatten(0, 2).float()) * count
            )
            target = torch.cat([place.flatten(0, 2)[valid] / METRES, size], dim=1)
            out[f"{name}_place"] = functional.smooth_l1_loss(read[valid, count:], target, beta=0.2)
        return out


def in_own_camera(points: torch.Tensor, camera_to_world: torch.Tensor) -> torch.Tensor:
    """Return points (B, T, K, 3) in the axes of the camera (B, T, 4, 4) that saw them."""
    rotation, origin = camera_to_world[..., :3, :3], camera_to_world[..., :3, 3]
    return torch.einsum("btij,btki->btkj", rotation, points - origin[:, :, None])


def in_first_camera(points: torch.Tensor, camera_to_world: torch.Tensor) -> torch.Tensor:
    """Return points (B, T, K, 3) as right, forward and up of the first camera, whose tilt is left out."""
    forward = camera_to_world[:, 0, :2, 2]
    forward = forward / forward.norm(dim=-1, keepdim=True)
    right = torch.stack([forward[:, 1], -forward[:, 0]], dim=-1)
    shift = points - camera_to_world[:, 0, None, None, :3, 3]
    flat = shift[..., :2]
    return torch.stack(
        [(flat * right[:, None, None]).sum(-1), (flat * forward[:, None, None]).sum(-1), shift[..., 2]], dim=-1
    )
