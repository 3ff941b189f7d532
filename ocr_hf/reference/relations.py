"""Supervision of what a question asks for, before it is put into a letter or digits.

Small heads, thrown away after training, read near the top of the language model

- from the last word before the answer: the logarithm of the number that is asked for, and, for relative directions, the
  bearing of the third object for one who stands at the first and faces the second;
- from the last word of every option: whether it is the right one, and, for relative distances, how far it is.

A letter tells a network little about why it is right. Ours; the paper (arXiv 2511.13190) has no such stage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

import torch
from torch import nn
from torch.nn import functional

from ocr_hf.reference.dense import METRES, NAMED
from ocr_hf.reference.texts import Asked
from ocr_hf.vsi_bench.tasks import is_numeric

OUTPUTS = {"number": slice(0, 1), "bearing": slice(1, 3), "distance": slice(3, 4), "right": slice(4, 5)}
"""What is read from a word."""


class RelatedHead(nn.Module):
    """Reads OUTPUTS from words."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.read = nn.Linear(hidden, 5)

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return (sum, count) of each loss; words : (N, H), targets : (N, 5), NaN = not asked."""
        read = self.read(self.norm(words.float()))
        out = {}
        for name, part in OUTPUTS.items():
            valid = torch.isfinite(targets[:, part])
            given, wanted = read[:, part], targets[:, part].nan_to_num()
            if name == "right":
                each = functional.binary_cross_entropy_with_logits(given, wanted, reduction="none")
            else:
                each = functional.smooth_l1_loss(given, wanted, beta=0.1, reduction="none")
            out[name] = torch.stack([(each * valid).sum(), valid.sum()])
        return out


def relations(
    asked: Sequence[Asked], clip: torch.Tensor, named: torch.Tensor, option_ends: Set[int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return rows (N,), columns (N,) and targets (N, 5) of the words that are supervised.

    asked, clip : the questions of a group, and which clip each is about; named : (B, C, 8) of `named_targets`
    option_ends : token ids that stand behind an option
    """
    places, targets = [], []
    for row, (question, number) in enumerate(zip(asked, clip.tolist(), strict=True)):
        for column, values in _of_question(question, named[number], option_ends).items():
            places.append((row, column))
            targets.append([values.get(i, math.nan) for i in range(5)])
    rows, columns = torch.tensor(places).view(-1, 2).T
    return rows, columns, torch.tensor(targets).view(-1, 5)


def _of_question(asked: Asked, named: torch.Tensor, option_ends: Set[int]) -> dict[int, dict[int, float]]:
    """Return column -> output -> target."""
    last = len(asked.question) - 1
    if is_numeric(asked.question_type):
        return {last: {0: math.log(max(float(asked.ground_truth), 0.05))}}
    kinds = [kind for _, kind in asked.names]
    ends = [i - 1 for i, token in enumerate(asked.question) if token in option_ends]
    right = ord(asked.ground_truth[0]) - ord("A")
    out: dict[int, dict[int, float]] = {end: {4: float(number == right)} for number, end in enumerate(ends)}
    # A label that runs into its neighbours when it is cut into tokens isn't found; such a question is left out
    if asked.question_type.startswith("object_rel_direction") and len(kinds) >= 3:
        sine, cosine = bearing(named[kinds[:3], NAMED["place"]][None])[0].tolist()
        out[last] = {1: sine, 2: cosine}
    if asked.question_type == "object_rel_distance" and len(kinds) == 2 * len(ends) + 1:
        target = kinds[len(ends)]
        for end, kind in zip(ends, kinds[-len(ends) :], strict=True):
            out[end][3] = float(gap(named[target], named[kind])) / METRES
    return out


def bearing(place: torch.Tensor) -> torch.Tensor:
    """Return (N, 2) sine and cosine of the third of three places (N, 3, 3) for one at the first who faces the second.

    To the right the sine is positive, ahead the cosine.
    """
    ahead, there = place[:, 1, :2] - place[:, 0, :2], place[:, 2, :2] - place[:, 0, :2]
    sine = there[:, 0] * ahead[:, 1] - there[:, 1] * ahead[:, 0]
    both = torch.stack([sine, (ahead * there).sum(-1)], dim=-1)
    return both / both.norm(dim=-1, keepdim=True).clamp(min=1e-6)


def gap(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the distance in metres between two boxes (8,) of `named_targets`, along the axes of the first camera."""
    apart = (one[NAMED["place"]] - other[NAMED["place"]]).abs() * METRES
    return (apart - one[NAMED["extent"]] - other[NAMED["extent"]]).clamp(min=0.0).norm()
