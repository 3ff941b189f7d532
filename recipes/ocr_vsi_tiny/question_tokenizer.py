"""Prompts as token ids, cut where the question begins: what all questions about a clip share, and the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_hf.models.media import with_video
from ocr_hf.vsi_bench.prompts import PREFIX, build_prompt
from recipes.ocr_vsi_tiny.config import PROMPT
from recipes.ocr_vsi_tiny.packing import PackedQuestion
from recipes.ocr_vsi_tiny.vocabulary import labels

if TYPE_CHECKING:
    from transformers import ProcessorMixin

# A character that neither templates nor questions hold
MARK = "\x00"
MIRRORED = (("left", "right"), ("front-left", "front-right"), ("back-left", "back-right"), ("Turn Left", "Turn Right"))
"""Words that change places in a mirror; each is one token."""
QUESTION_COLUMNS = ["clip_id", "question_type", "question", "options", "ground_truth"]


@dataclass(frozen=True)
class TokenizedQuestion(PackedQuestion):
    """A question, from its first word to <|im_end|> behind the answer.

    names : (place in `ids` of its last token, number of the label) of every label that the question names
    """

    question_type: str
    ground_truth: str
    names: tuple[tuple[int, int], ...] = ()

    def mirrored(self, other: Sequence[int]) -> TokenizedQuestion:
        """Return the question about the clip in a mirror. other : (vocabulary,) of `mirror_table`.

        Options are mirrored with the question, so the letter of the right one stays, and so do numbers.
        """
        return replace(self, ids=[other[token] for token in self.ids])


class QuestionTokenizer:
    """Turns rows into token ids, in the prompt that evaluation uses.

    before : token ids of the prefix up to the video; after : from the video to the question
    """

    def __init__(self, processor: ProcessorMixin, video: bool = True) -> None:
        chat = [{"role": "user", "content": [{"type": "text", "text": MARK}]}]
        text = processor.apply_chat_template(
            with_video(chat) if video else chat, tokenize=False, add_generation_prompt=True
        )
        # Cut at a mark instead of counting tokens, so that any chat template will do
        head, self._tail = text.split(MARK)
        before, _, after = head.partition(processor.video_token)
        self._tokenizer = processor.tokenizer
        self._opening = f"{PREFIX}\n"
        if video:
            self.before, self.after = self._ids(before), self._ids(after + self._opening)
        else:
            self.before, self.after = self._ids(head + self._opening), []
        # Some labels have several tokens, and some end with another label: exhaust fan
        self._labels = {tuple(self._ids(label)): number for number, label in enumerate(labels())}
        self._lengths = sorted({len(ids) for ids in self._labels}, reverse=True)
        self.stop = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]

    def encode(self, row: Mapping[str, Any]) -> TokenizedQuestion:
        """Return a row's question and answer as token ids."""
        prompt = build_prompt(row, PROMPT).removeprefix(self._opening)
        question, answer = self._ids(prompt + self._tail), [*self._ids(row["ground_truth"]), self.stop]
        names = tuple(self._names(question))
        return TokenizedQuestion(question, answer, row["question_type"], row["ground_truth"], names)

    def _names(self, question: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield the labels that stand in a question, the longest where several do, where their tokens end."""
        start = 0
        while start < len(question):
            found = [n for n in self._lengths if tuple(question[start : start + n]) in self._labels]
            if found:
                yield start + found[0] - 1, self._labels[tuple(question[start : start + found[0]])]
            start += found[0] if found else 1

    def by_clip(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, list[TokenizedQuestion]]:
        """Return clip id -> its questions."""
        out: dict[str, list[TokenizedQuestion]] = defaultdict(list)
        for row in rows:
            out[row["clip_id"]].append(self.encode(row))
        return dict(out)


def mirror_table(tokenizer: Any) -> list[int]:
    """Return for every token id that of its mirror image."""
    out = list(range(len(tokenizer)))
    for pair in MIRRORED:
        left, right = tokenizer.convert_tokens_to_ids(list(pair))
        out[left], out[right] = right, left
    return out


def option_ends(tokenizer: Any) -> frozenset[int]:
    """Return the ids of the tokens that stand behind an option: the next option's letter, or what follows the last."""
    after = build_prompt({"question_type": "route_planning", "question": "", "options": ["A. "]}, "official")
    last = max((token for token in tokenizer.get_added_vocab() if after.endswith(token)), key=len)
    return frozenset(tokenizer.convert_tokens_to_ids(["\nB. ", "\nC. ", "\nD. ", last]))


def question_rows(folder: Path, split: str) -> Sequence[Mapping[str, Any]]:
    """Return the questions of a split of an ocr-vsi folder, without their clips' geometry."""
    import pyarrow.parquet as pq

    return pq.read_table(folder / split / "metadata.parquet", columns=QUESTION_COLUMNS).to_pylist()
