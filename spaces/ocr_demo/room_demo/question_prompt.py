"""A question as a model gets it, and what its answer says: wording, extraction and scores are the evaluation's."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_hf.questions.question import Question
from ocr_hf.vsi_bench.extract import parse_letter, parse_number
from ocr_hf.vsi_bench.prompts import MAX_NEW_TOKENS, PREFIX, build_prompt
from ocr_hf.vsi_bench.rules import extract
from ocr_hf.vsi_bench.scoring import score_answer
from ocr_hf.vsi_bench.tasks import is_numeric

from .problems import Problem
from .shelf import QUESTION_TYPE

MAX_THINKING_TOKENS = 256
FREE_TEXT_TOKENS = 48
MAX_QUESTION_CHARS = 600


@dataclass(frozen=True)
class Answer:
    """What a model answered.

    text : as generated; extracted : the answer in it; valid : whether that is a letter or number, as was asked for
    score : 0 to 1, or None without a known answer
    probabilities : of each option's letter as the first token, or None where there are no options or it thinks first
    """

    text: str
    extracted: str
    valid: bool
    score: float | None
    probabilities: dict[str, float] | None


@dataclass(frozen=True, eq=False)
class QuestionPrompt:
    """A question ready for a model: the prompt's text, how answers are read, and what is right (None for free text)."""

    text: str
    question_type: str | None
    options: tuple[str, ...]
    ground_truth: str | None
    extraction: str
    max_new_tokens: int

    def read(self, text: str, probabilities: dict[str, float] | None) -> Answer:
        """Return what a generated text says."""
        if self.question_type is None:
            return Answer(text, text.strip(), bool(text.strip()), None, None)
        extracted = extract(text, self.question_type, self.extraction)
        score = None
        if self.ground_truth:  # "" after an edit by which the question has no answer any more
            score = score_answer(self.question_type, text, self.ground_truth, self.extraction)
        valid = (parse_number if is_numeric(self.question_type) else parse_letter)(extracted) is not None
        return Answer(text, extracted, valid, score, probabilities)


def prompt_of_question(question: Question, style: str = "official") -> QuestionPrompt:
    """Return a generated question with its prompt exactly as `ocr-hf eval` builds it in a prompt style."""
    if question.question_type == QUESTION_TYPE:
        # As in the experiment: the words alone, answered by one letter
        return QuestionPrompt(
            question.question, QUESTION_TYPE, question.options or (), question.ground_truth, "official", 1
        )
    thinking = style == "thinking"
    row = {"question_type": question.question_type, "question": question.question, "options": question.options}
    return QuestionPrompt(
        text=build_prompt(row, style),
        question_type=question.question_type,
        options=question.options or (),
        ground_truth=question.ground_truth,
        extraction="answer_tag" if thinking else "official",
        max_new_tokens=MAX_THINKING_TOKENS if thinking else MAX_NEW_TOKENS[style],
    )


def prompt_of_text(text: str) -> QuestionPrompt:
    """Return a visitor's own question; raise Problem where it is empty or too long."""
    text = " ".join(str(text).split())
    if not text:
        raise Problem("There is no question; write one, or pick one of the room's.")
    if len(text) > MAX_QUESTION_CHARS:
        raise Problem(f"The question has {len(text)} characters; {MAX_QUESTION_CHARS} are allowed, shorten it.")
    if "<|" in text:
        raise Problem("The question holds '<|', which models read as a control token; leave it out.")
    return QuestionPrompt(f"{PREFIX}\n{text}", None, (), None, "official", FREE_TEXT_TOKENS)
