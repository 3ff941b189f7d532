"""What a card states: the rows of its tables and the sentences that hold numbers, each where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ocr_hf.cards.numbers import numbers_in_order

_FENCE = re.compile(r"\s*(```|~~~)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"(#+)\s+(.*)")
_ITEM = re.compile(r"[-*+]\s")
_RULE = re.compile(r"[|:\-\s]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Statement:
    """A row of a table, or a sentence outside.

    heading : of its section; columns : the table's header, () outside of tables
    line : in the card, from 1; of a sentence the first line of its paragraph
    """

    heading: str
    columns: tuple[str, ...]
    text: str
    line: int

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of a row, or the sentence alone."""
        return _cells(self.text) if self.columns else (self.text,)

    @property
    def meaning(self) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """What must be as it was measured: all of a row, of a sentence its numbers in order; words may be bettered."""
        return self.heading, self.columns, self.cells if self.columns else numbers_in_order(self.text)


def statements(card: str) -> Iterator[Statement]:
    """Yield every statement of a card that holds numbers; metadata and blocks of code hold none."""
    heading, columns, paragraph, fenced = "", (), [], False
    lines = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), card).splitlines()
    start = next((i + 1 for i, line in enumerate(lines) if i and line.strip() == "---"), 0) if card[:3] == "---" else 0
    for number, line in enumerate([*lines[start:], ""], start + 1):
        text = line.strip()
        if _FENCE.match(line):
            fenced = not fenced
        row = text.startswith("|") and not fenced
        if paragraph and (row or fenced or not text or _HEADING.match(text) or _ITEM.match(text)):
            yield from _sentences(heading, paragraph, number - len(paragraph))
            paragraph = []
        if not row:
            columns = ()
        if fenced or not text or _FENCE.match(line):
            continue
        if found := _HEADING.match(text):
            heading = found[2]
        elif not row:
            paragraph.append(text.lstrip("> "))
        elif not columns:
            columns = _cells(text)
        elif not _RULE.fullmatch(text) and numbers_in_order(text):
            yield Statement(heading, columns, text, number)


def _sentences(heading: str, paragraph: list[str], line: int) -> Iterator[Statement]:
    for text in _SENTENCE_END.split(" ".join(paragraph)):
        if numbers_in_order(text):
            yield Statement(heading, (), text, line)


def _cells(row: str) -> tuple[str, ...]:
    return tuple(" ".join(cell.split()) for cell in row.strip().strip("|").split("|"))
