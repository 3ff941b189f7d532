"""Rows that begin alike as branches behind what they share: it runs through the model once, whatever follows it.

    row 1 of a batch:  P1 P2 P3 a1 a2                    one sequence:  P1 P2 | P3 a1 | P3 b1 b2 | P3
    row 2:             P1 P2 P3 b1 b2 b3                 predicted:           | a1 a2 | b1 b2 b3 | c1
    row 3:             P1 P2 P3 c1

Rollouts of a group share their whole prompt, and branch where completions begin. Questions about one clip share the
video and what stands before it, and branch where they differ: question and answer are the branch, of which the answer
is scored.

A branch begins with the last shared token, which predicts its first token, and ends before its last one, which is only
predicted. It has the positions that it would have in a row of its own, and sees the shared beginning and itself. So
every token has the log-prob that it has in a row of its own, and every weight the gradient, up to rounding. Prompts of
P tokens with G completions of C cost P + G C tokens instead of G (P + C).

The layout is plain tensors and knows no model: `position_ids`, a 4-dimensional mask and `shift_labels` are what
transformers and TRL take. Prior art on sharing a prompt in a loss: Prefix Grouper, flash-pref, and TRL's own tries,
which tell prompts apart by their tokens; here rows share only what has equal tokens *and* an equal video.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

IGNORED = -100
"""Label of a token that the loss leaves out."""


@dataclass(frozen=True, eq=False)
class Branches:
    """A batch of B rows of L tokens as S sequences of T tokens, each one beginning with all rows that share it.

    prompts, prompt_mask : (S, P) int64, the beginnings, padded on the left
    input_ids : (S, T) int64; T is P - 1 plus the longest sum of branches
    segment : (S, T) int64: -1 padding, 0 beginning, 1, 2, ... the branches
    offset : (S, T) int64, position of a branch's token behind that of the last shared token; 0 in the beginning
    labels : (S, T) int64, the token that follows each one, IGNORED where it isn't scored
    first : (S,) int64, a row of the batch that the sequence holds
    places : (B, L - 1) int64, where in the flattened (S T) sequences each token of a row but its first is predicted; -1
        for shared tokens and padding
    """

    prompts: torch.Tensor
    prompt_mask: torch.Tensor
    input_ids: torch.Tensor
    segment: torch.Tensor
    offset: torch.Tensor
    labels: torch.Tensor
    first: torch.Tensor
    places: torch.Tensor

    @classmethod
    def of(
        cls,
        input_ids: torch.Tensor,
        labels: torch.Tensor,
        mask: torch.Tensor,
        keys: Sequence[Hashable],
        pad_token: int,
        video_token: int,
    ) -> Branches:
        """Lay out a batch whose rows may begin alike.

        Args:
            input_ids: (B, L), padded anywhere.
            labels: (B, L), the tokens that are scored, IGNORED elsewhere.
            mask: (B, L), 1 for tokens, 0 for padding.
            keys: (B,) what else must be equal for rows to share a beginning: the id of its video, None without one.
            pad_token: What fills the gaps.
            video_token: The token that stands for pieces of a video.

        Raises:
            ValueError: The first token of a row is scored, which nothing predicts, or a row has no token.
        """
        # On the CPU: the layout is some thousand integers, of which each read from a GPU would wait for it
        ids, wanted, present = input_ids.tolist(), labels.tolist(), mask.bool().tolist()
        columns = [[place for place, there in enumerate(row) if there] for row in present]
        tokens = [[row[place] for place in there] for row, there in zip(ids, columns, strict=True)]
        targets = [[row[place] for place in there] for row, there in zip(wanted, columns, strict=True)]
        unscored = [next((i for i, each in enumerate(row) if each != IGNORED), len(row)) for row in targets]
        for row, length in enumerate(unscored):
            if not length:
                raise ValueError(f"row {row} of the batch has no prompt to continue; give every row at least one token")
        lengths = _shared(tokens, unscored, keys, video_token)
        sequences: dict[tuple, list[int]] = {}
        for row, length in enumerate(lengths):
            sequences.setdefault((keys[row], tuple(tokens[row][:length])), []).append(row)
        longest = max(lengths)
        behind = max(sum(len(tokens[row]) - lengths[row] for row in rows) for rows in sequences.values())
        # A sequence has a token, even where nothing of it is scored
        shape = (len(sequences), longest - 1 + max(behind, 1))
        laid = torch.full(shape, pad_token)
        segment, following = torch.full(shape, -1), torch.full(shape, IGNORED)
        offset = torch.zeros(shape, dtype=torch.int64)
        places = torch.full((len(tokens), input_ids.shape[1] - 1), -1)
        padded = torch.full((len(sequences), longest), pad_token)
        padded_mask = torch.zeros((len(sequences), longest), dtype=torch.int64)
        for number, rows in enumerate(sequences.values()):
            length = lengths[rows[0]]
            beginning = torch.tensor(tokens[rows[0]][:length])
            padded[number, longest - length :] = beginning
            padded_mask[number, longest - length :] = 1
            laid[number, longest - length : longest - 1] = beginning[:-1]
            segment[number, longest - length : longest - 1] = 0
            start = longest - 1
            for branch, row in enumerate(rows, 1):
                count = len(tokens[row]) - length
                here = slice(start, start + count)
                laid[number, here] = torch.tensor(tokens[row][length - 1 : -1], dtype=torch.int64)
                segment[number, here] = branch
                following[number, here] = torch.tensor(targets[row][length:], dtype=torch.int64)
                offset[number, here] = torch.arange(count)
                there = torch.tensor(columns[row][length:], dtype=torch.int64) - 1
                places[row, there] = number * shape[1] + start + torch.arange(count)
                start += count
        first = torch.tensor([rows[0] for rows in sequences.values()])
        made = (padded, padded_mask, laid, segment, offset, following, first, places)
        return cls(*(tensor.to(input_ids.device) for tensor in made))

    @property
    def num_tokens(self) -> int:
        """Tokens that run through the model, padding among them."""
        return self.input_ids.numel()

    def positions(self, prompt_positions: torch.Tensor) -> torch.Tensor:
        """Return the positions (A, S, T) of all tokens from those of the beginnings, (A, S, P), along A axes.

        Text goes on by one along every axis, as in a row of its own.
        """
        last = prompt_positions[..., -1:]
        behind = self.input_ids.shape[1] - (prompt_positions.shape[-1] - 1)
        return torch.cat([prompt_positions[..., :-1], last.expand(*last.shape[:-1], behind)], -1) + self.offset

    def allowed(self) -> torch.Tensor:
        """Return which token sees which, (S, 1, T, T) bool: itself, the beginning before it, its branch before it."""
        length = self.segment.shape[1]
        segment = self.segment[:, None, :, None], self.segment[:, None, None, :]
        same = (segment[0] == segment[1]) | (segment[1] == 0)
        places = torch.arange(length, device=self.segment.device)
        earlier = places[:, None] >= places
        # Padding sees itself: a token that sees nothing would be NaN in some implementations
        return (same & earlier & (segment[1] >= 0)) | (places[:, None] == places)

    def block_mask(self) -> BlockMask:
        """Return the same as torch's flex attention takes it, which leaves out blocks that nobody sees."""
        from torch.nn.attention.flex_attention import create_block_mask

        segment = self.segment

        def sees(row: torch.Tensor, head: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            same = (segment[row, one] == segment[row, other]) | (segment[row, other] == 0)
            return (same & (one >= other) & (segment[row, other] >= 0)) | (one == other)

        count, length = segment.shape
        return create_block_mask(sees, count, None, length, length, device=segment.device)

    def per_row(self, values: torch.Tensor) -> torch.Tensor:
        """Return values (S, T) of the sequences as those of the rows, (B, L - 1); 0 at shared tokens and padding."""
        found = values.reshape(-1)[self.places.clamp(min=0)]
        return torch.where(self.places >= 0, found, torch.zeros_like(found))


def _shared(
    tokens: Sequence[Sequence[int]], unscored: Sequence[int], keys: Sequence[Hashable], video_token: int
) -> list[int]:
    """Return how many tokens of each row are laid out as a beginning that rows may share.

    tokens : of each row, without padding; unscored : how many stand before the first one that is scored
    Rows of one video share either whole prompts, where these are equal, or what all of them begin with, the video
    included: whichever leaves fewer tokens to run.
    """
    lengths = list(unscored)
    rows_of: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        # Without a video, what different prompts share is a few tokens
        if key is not None:
            rows_of.setdefault(key, []).append(row)
    for rows in rows_of.values():
        prompts = [tuple(tokens[row][: unscored[row]]) for row in rows]
        common = len(commonprefix(prompts))
        # Positions go on by one behind text only, and the video of a sequence lies in its beginning
        if not common or video_token in (prompts[0][common - 1], *(t for prompt in prompts for t in prompt[common:])):
            continue
        if common + sum(len(prompt) - common for prompt in prompts) < sum(map(len, set(prompts))):
            for row in rows:
                lengths[row] = common
    return lengths
