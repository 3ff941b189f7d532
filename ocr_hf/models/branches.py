"""Completions of one prompt as branches behind it: the prompt runs through the model once, whatever follows it.

    row 1 of a batch:  P1 P2 P3 a1 a2                    one sequence:  P1 P2 | P3 a1 | P3 b1 b2 | P3
    row 2:             P1 P2 P3 b1 b2 b3                 predicted:           | a1 a2 | b1 b2 b3 | c1
    row 3:             P1 P2 P3 c1

A branch begins with the prompt's last token, which predicts its first token, and ends before its last one, which is
only predicted. It has the positions that it would have behind its own prompt, and sees the prompt and itself. So every
token has the log-prob that it has in a row of its own, and every weight the gradient, up to rounding; prompts of P
tokens with G completions of C cost P + G C tokens instead of G (P + C).

The layout is plain tensors and knows no model: `position_ids`, a 4-dimensional mask and `shift_labels` are what
transformers and TRL take. Prior art on sharing a prompt in a loss: Prefix Grouper, flash-pref, and TRL's own tries,
which tell prompts apart by their tokens; here rows share only what has equal tokens *and* an equal video.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch

IGNORED = -100
"""Label of a token that the loss leaves out."""


@dataclass(frozen=True, eq=False)
class Branches:
    """A batch of B rows as S sequences of T tokens, each one prompt with all its completions.

    prompts, prompt_mask : (S, P) int64, padded on the left
    input_ids : (S, T) int64; T is P - 1 plus the longest sum of branches
    segment : (S, T) int64: -1 padding, 0 prompt, 1, 2, ... the branches
    offset : (S, T) int64, position of a branch's token behind that of the prompt's last token; 0 in the prompt
    labels : (S, T) int64, the token that follows each one, IGNORED where it isn't scored
    first : (S,) int64, a row of the batch whose prompt the sequence has
    places : (B, C) int64, where in the flattened (S T) sequences each token of a completion is predicted; -1 padding
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
        cls, input_ids: torch.Tensor, mask: torch.Tensor, keep: int, keys: Sequence[Hashable], pad_token: int
    ) -> Branches:
        """Lay out a batch whose rows may share prompts.

        Args:
            input_ids: (B, L), prompts padded on the left and, in the last `keep` columns, completions padded on the
                right.
            mask: (B, L), 1 for tokens, 0 for padding.
            keep: Columns of the completions.
            keys: (B,) what else must be equal for rows to share a prompt: the id of its video.
            pad_token: What fills the gaps.

        Raises:
            ValueError: A row has no prompt.
        """
        # On the CPU: the layout is some thousand integers, of which each read from a GPU would wait for it
        tokens, present = input_ids.tolist(), mask.bool().tolist()
        width = len(tokens[0]) - keep if tokens else 0
        sequences: dict[tuple, list[int]] = {}
        prompts, completions = [], []
        for row, (ids, seen) in enumerate(zip(tokens, present, strict=True)):
            prompt = [token for token, there in zip(ids[:width], seen[:width], strict=True) if there]
            if not prompt:
                raise ValueError(f"row {row} of the batch has no prompt to continue; give every row at least one token")
            prompts.append(prompt)
            completions.append([token for token, there in zip(ids[width:], seen[width:], strict=True) if there])
            sequences.setdefault((keys[row], tuple(prompt)), []).append(row)
        longest = max(len(prompts[rows[0]]) for rows in sequences.values())
        behind = max(sum(len(completions[row]) for row in rows) for rows in sequences.values())
        # Of completions without tokens nothing is scored, but a sequence has a token
        shape = (len(sequences), longest - 1 + max(behind, 1))
        ids = torch.full(shape, pad_token)
        segment, labels = torch.full(shape, -1), torch.full(shape, IGNORED)
        offset = torch.zeros(shape, dtype=torch.int64)
        places = torch.full((len(tokens), keep), -1)
        padded = torch.full((len(sequences), longest), pad_token)
        padded_mask = torch.zeros((len(sequences), longest), dtype=torch.int64)
        for number, rows in enumerate(sequences.values()):
            prompt = torch.tensor(prompts[rows[0]])
            padded[number, longest - len(prompt) :] = prompt
            padded_mask[number, longest - len(prompt) :] = 1
            ids[number, longest - len(prompt) : longest - 1] = prompt[:-1]
            segment[number, longest - len(prompt) : longest - 1] = 0
            start = longest - 1
            for branch, row in enumerate(rows, 1):
                completion = torch.tensor(completions[row], dtype=torch.int64)
                here = slice(start, start + len(completion))
                ids[number, here] = torch.cat([prompt[-1:], completion[:-1]])[: len(completion)]
                segment[number, here], labels[number, here] = branch, completion
                offset[number, here] = torch.arange(len(completion))
                there = [place for place, seen in enumerate(present[row][width:]) if seen]
                places[row, there] = number * shape[1] + start + torch.arange(len(completion))
                start += len(completion)
        first = torch.tensor([rows[0] for rows in sequences.values()])
        made = (padded, padded_mask, ids, segment, offset, labels, first, places)
        return cls(*(tensor.to(input_ids.device) for tensor in made))

    @property
    def num_tokens(self) -> int:
        """Tokens that run through the model, padding among them."""
        return self.input_ids.numel()

    def positions(self, prompt_positions: torch.Tensor) -> torch.Tensor:
        """Return the positions (A, S, T) of all tokens from those of the prompts, (A, S, P), along A axes.

        Text goes on by one along every axis, as in a row of its own.
        """
        last = prompt_positions[..., -1:]
        behind = self.input_ids.shape[1] - (prompt_positions.shape[-1] - 1)
        return torch.cat([prompt_positions[..., :-1], last.expand(*last.shape[:-1], behind)], -1) + self.offset

    def allowed(self) -> torch.Tensor:
        """Return which token sees which, (S, 1, T, T) bool: itself, the prompt before it, its own branch before it."""
        length = self.segment.shape[1]
        segment = self.segment[:, None, :, None], self.segment[:, None, None, :]
        same = (segment[0] == segment[1]) | (segment[1] == 0)
        places = torch.arange(length, device=self.segment.device)
        earlier = places[:, None] >= places
        # Padding sees itself: a token that sees nothing would be NaN in some implementations
        return (same & earlier & (segment[1] >= 0)) | (places[:, None] == places)

    def per_row(self, values: torch.Tensor) -> torch.Tensor:
        """Return values (S, T) of the sequences as those of the rows' completions, (B, C); 0 at padding."""
        found = values.reshape(-1)[self.places.clamp(min=0)]
        return torch.where(self.places >= 0, found, torch.zeros_like(found))
