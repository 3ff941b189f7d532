"""Small heads that read values from hidden states during SFT, and are thrown away after training."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import nn
from torch.nn import functional

from recipes.ocr_vsi_tiny.dense_supervision import METRES, Geometry, camera_pose, in_first_camera, in_own_camera


class VideoTokenHeads(nn.Module):
    """Reads categories (C), position (3) and longest side (1) from video tokens, and where the camera is (4)."""

    def __init__(self, hidden: int, categories: int) -> None:
        super().__init__()
        self.categories = categories
        self.seen = nn.Linear(hidden, categories + 4)
        self.norm = nn.LayerNorm(hidden)
        self.placed = nn.Linear(hidden, categories + 8)
        for head in (self.seen, self.placed):
            # Most categories are in no cell; starting from that spares the first steps
            nn.init.constant_(head.bias[:categories], -4.0)

    def forward(self, seen: torch.Tensor, hidden: torch.Tensor, geometry: Geometry) -> dict[str, torch.Tensor]:
        """Return the losses; seen, hidden : (B, T K, H) video tokens of the tower and within the language model."""
        poses = geometry.camera_to_world
        seen, placed = self.seen(seen.float()), self.placed(self.norm(hidden.float()))
        count = self.categories
        target = camera_pose(poses)[:, :, None].expand(-1, -1, geometry.longest.shape[2], -1)
        return {
            **self._cells("seen", seen, in_own_camera(geometry.center, poses), geometry),
            **self._cells("placed", placed[..., : count + 4], in_first_camera(geometry.center, poses), geometry),
            "camera": functional.smooth_l1_loss(placed[..., count + 4 :], target.flatten(1, 2), beta=0.2),
        }

    def _cells(self, name: str, read: torch.Tensor, place: torch.Tensor, geometry: Geometry) -> dict[str, torch.Tensor]:
        valid = torch.isfinite(geometry.longest).flatten()
        read = read.flatten(0, 1)
        category = functional.binary_cross_entropy_with_logits(
            read[:, : self.categories], geometry.present.flatten(0, 2).float()
        )
        # By its logarithm, so that small and large objects weigh alike
        size = geometry.longest.flatten()[valid].log()[:, None]
        target = torch.cat([place.flatten(0, 2)[valid] / METRES, size], dim=1)
        return {
            # The sum over categories, not the mean: most of them are in no cell and cost next to nothing
            f"{name}_category": category * self.categories,
            f"{name}_place": functional.smooth_l1_loss(read[valid, self.categories :], target, beta=0.2),
        }


class WordHead(nn.Module):
    """Reads named values from the hidden states of words.

    outputs : name -> slice of the targets that this head reads; beta : of the smooth L1 loss
    yes_no : names whose targets are 0 or 1, learnt by cross-entropy
    """

    def __init__(
        self, hidden: int, outputs: Mapping[str, slice], beta: float = 0.2, yes_no: Collection[str] = ()
    ) -> None:
        super().__init__()
        self.outputs, self.beta, self.yes_no = outputs, beta, yes_no
        self.norm = nn.LayerNorm(hidden)
        self.read = nn.Linear(hidden, max(part.stop for part in outputs.values()))

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return (sum, count) of each loss; words : (N, H), targets : (N, values), NaN = not supervised or unknown."""
        read = self.read(self.norm(words.float()))
        out = {}
        for name, part in self.outputs.items():
            valid = torch.isfinite(targets[:, part])
            given, wanted = read[:, part], targets[:, part].nan_to_num()
            if name in self.yes_no:
                each = functional.binary_cross_entropy_with_logits(given, wanted, reduction="none")
            else:
                each = functional.smooth_l1_loss(given, wanted, beta=self.beta, reduction="none")
            out[name] = torch.stack([(each * valid).sum(), valid.sum()])
        return out


def attention_loss(attention: torch.Tensor) -> torch.Tensor:
    """Return -log of the share of attention (N,) that goes where it should, as (sum, count)."""
    # The constant bounds loss and gradient where hardly any attention is paid
    each = -(attention.float() + 1e-4).log()
    return torch.stack([each.sum(), torch.tensor(float(len(each)))])
