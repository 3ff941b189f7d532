"""Supervision of how the objects that a question names are related, before that is put into a letter or digits.

A letter tells a network little about why it is right. Three steps are supervised instead, each in a layer of its own:

1. A word that names an object fetches what is known of another one: attention to that word, and then how the two are
   related. The last object of a relative direction fetches the one stood at and the one faced, an option of a relative
   distance the object it is measured from, the second of an absolute distance the first, each object of an order the
   one before it.
2. The last word of every option is told right from wrong, and from the last word before the answer comes the number.
   Both attend to the words that have fetched: those of the option, or, where it has none, of the question.
3. The last word attends to the option that is right, whose last word must know its letter.

Ours; the paper (arXiv 2511.13190) has no such stage.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import torch

from ocr_hf.vsi_bench.tasks import is_numeric
from recipes.ocr_vsi_tiny.dense_supervision import METRES, NAMED
from recipes.ocr_vsi_tiny.question_tokenizer import TokenizedQuestion

PAIRED = {
    "to": slice(0, 3),
    "reach": slice(3, 6),
    "ahead": slice(6, 8),
    "later": slice(8, 9),
    "bearing": slice(9, 11),
    "distance": slice(11, 12),
}
"""Read from a word that fetched another: where this object is from that one and the sum of their half extents; where
the faced object is from the one stood at; how much later this one comes into view, in quarters of the clip; sine and
cosine of `bearing`; `gap` / METRES."""
DECIDED = {"number": slice(12, 13), "right": slice(13, 14)}
"""Read from the last word: the logarithm of the number. Read from the last word of an option: whether it is right."""
LETTER = {"letter": slice(14, 18)}
"""Read from the last word of an option: which of the letters A to D stands before it."""
OUTPUTS = PAIRED | DECIDED | LETTER
VALUES = 18
STOOD_AT, FACED = 0, 2
"""Heads of attention that fetch; the next ones share keys with them."""


@dataclass(frozen=True)
class RelationTargets:
    """What is supervised in a group of questions.

    rows, columns : (N,) words; targets : (N, VALUES) of PAIRED, DECIDED and LETTER, NaN = not supervised or unknown
    fetched : (M, 4) row, head, word that attends, word attended to
    judged : (K, 3) row, word that decides, word that it attends to; picked : (P, 3) row, last word, right option
    """

    rows: torch.Tensor
    columns: torch.Tensor
    targets: torch.Tensor
    fetched: torch.Tensor
    judged: torch.Tensor
    picked: torch.Tensor


def relation_targets(
    questions: Sequence[TokenizedQuestion], clip: torch.Tensor, named: torch.Tensor, option_ends: Set[int]
) -> RelationTargets:
    """Return what is supervised.

    questions, clip : of a group, and which clip each is about; named : (B, C, 8) of `named_targets`
    option_ends : token ids that stand behind an option
    """
    places, targets, fetched, judged, picked = [], [], [], [], []
    for row, (question, number) in enumerate(zip(questions, clip.tolist(), strict=True)):
        last = len(question.ids) - 1
        ends = [i - 1 for i, token in enumerate(question.ids) if token in option_ends]
        fetches = list(_fetches(question, len(ends)))
        values = _paired(question, fetches, named[number])
        if is_numeric(question.question_type):
            values[last] |= {"number": math.log(max(float(question.ground_truth), 0.05))}
        else:
            right = ord(question.ground_truth[0]) - ord("A")
            picked.append((row, last, ends[right]))
            for option, end in enumerate(ends):
                values[end] |= {"right": float(option == right), "letter": torch.eye(4)[option]}
        fetched += [(row, head, question.names[word][0], question.names[other][0]) for head, word, other in fetches]
        having = sorted({question.names[word][0] for _, word, _ in fetches})
        judged += [(row, *pair) for pair in _judged_by(ends or [last], having)]
        places += [(row, column) for column in values]
        targets += [_row(each) for each in values.values()]
    rows, columns = torch.tensor(places).view(-1, 2).T
    return RelationTargets(
        rows,
        columns,
        torch.stack(targets),
        torch.tensor(fetched, dtype=torch.int64).view(-1, 4),
        torch.tensor(judged, dtype=torch.int64).view(-1, 3),
        torch.tensor(picked, dtype=torch.int64).view(-1, 3),
    )


def _fetches(question: TokenizedQuestion, options: int) -> Iterator[tuple[int, int, int]]:
    """Yield (head, number of the name that fetches, number of the name that is fetched).

    A label that runs into its neighbours when it is cut into tokens isn't found; such a question has no fetches.
    """
    kind, count = question.question_type, len(question.names)
    if kind == "object_abs_distance" and count == 2:
        yield STOOD_AT, 1, 0
    elif kind.startswith("object_rel_direction") and count >= 3:
        yield from ((STOOD_AT, 2, 0), (FACED, 2, 1))
    elif kind == "object_rel_distance" and count == 2 * options + 1:
        yield from ((STOOD_AT, options + number, options) for number in range(1, options + 1))
    elif kind == "obj_appearance_order" and count % (options + 1) == 0:
        length = count // (options + 1)
        # The first `length` names are in the question itself; the first of an option has none before it
        yield from ((STOOD_AT, name, name - 1) for name in range(length, count) if name % length)


def _judged_by(deciding: Sequence[int], having: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (word that decides, word that has fetched): those since the word that decides before it, or else all."""
    before = -1
    for word in deciding:
        own = [column for column in having if before < column <= word] or having
        yield from ((word, column) for column in own)
        before = word


def _paired(
    question: TokenizedQuestion, fetches: Sequence[tuple[int, int, int]], named: torch.Tensor
) -> dict[int, dict[str, Any]]:
    """Return column -> PAIRED values of one question; named : (C, 8)."""
    out: dict[int, dict[str, Any]] = defaultdict(dict)
    for head, word, other in fetches:
        column, one, there = question.names[word][0], named[question.names[other][1]], named[question.names[word][1]]
        place = NAMED["place"]
        if question.question_type == "obj_appearance_order":
            out[column] |= {"later": 4.0 * (there - one)[NAMED["first"]]}
        elif head == FACED:
            stood_at = named[question.names[0][1]]
            three = torch.stack([each[place] for each in (stood_at, one, there)])
            out[column] |= {"ahead": (one - stood_at)[place][:2], "bearing": bearing(three[None])[0]}
        else:
            out[column] |= {"to": (there - one)[place]}
            if not question.question_type.startswith("object_rel_direction"):
                out[column] |= {"reach": (there + one)[NAMED["extent"]], "distance": gap(one, there) / METRES}
    return out


def _row(values: Mapping[str, Any]) -> torch.Tensor:
    """Return (VALUES,) targets, NaN where nothing is supervised."""
    out = torch.full((VALUES,), math.nan)
    for name, value in values.items():
        out[OUTPUTS[name]] = value
    return out


def bearing(place: torch.Tensor) -> torch.Tensor:
    """Return (N, 2) sine and cosine of the third of three places (N, 3, 3) for one at the first who faces the second.

    To the right the sine is positive, ahead the cosine.
    """
    ahead, there = place[:, 1, :2] - place[:, 0, :2], place[:, 2, :2] - place[:, 0, :2]
    sine = there[:, 0] * ahead[:, 1] - there[:, 1] * ahead[:, 0]
    both = torch.stack([sine, (ahead * there).sum(-1)], dim=-1)
    # An object at the very place where one stands has no bearing, and must not give NaN
    return both / both.norm(dim=-1, keepdim=True).clamp(min=1e-6)


def gap(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the distance in metres between two boxes (8,) of `named_targets`, along the axes of the first camera."""
    apart = (one[NAMED["place"]] - other[NAMED["place"]]).abs() * METRES
    return (apart - one[NAMED["extent"]] - other[NAMED["extent"]]).clamp(min=0.0).norm()
