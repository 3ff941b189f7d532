"""The words of a twin question: one text and one list of options that serve every clip it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocr_hf.questions.family import QuestionContext, shuffled
from ocr_hf.questions.options import LETTERS, LetterDealer
from ocr_hf.questions.question import Question
from ocr_hf.questions.question_types import QUESTION_TYPES
from ocr_hf.questions.wording import Wording
from ocr_hf.scenes.randomness import generator
from ocr_hf.twins.shot import Asked, Shot


@dataclass(frozen=True, eq=False)
class _PairDealer(LetterDealer):
    """Deals options that hold the answers of both clips, by the scene's own dealer.

    dealer : of the scene; other : the answer of the clip that changes it, None where the answer is a number
    wrong : what is wrong in all clips beside these, None for all that is offered
    """

    dealer: LetterDealer
    other: str | None
    wrong: Sequence[str] | None

    def deal(self, question_type: str, answer: str, distractors: Sequence[str]) -> tuple[tuple[str, ...], str]:
        offered = distractors if self.wrong is None else self.wrong
        rest = [text for text in offered if text not in (answer, self.other)]
        # As many as the family offers; one of them is the other clip's answer.
        return self.dealer.deal(question_type, answer, [self.other, *rest[: len(distractors) - 1]])


@dataclass(frozen=True, eq=False)
class _SameOptions(LetterDealer):
    """Deals the options that were dealt before, for an answer among them."""

    options: tuple[str, ...]

    def deal(self, question_type: str, answer: str, distractors: Sequence[str]) -> tuple[tuple[str, ...], str]:
        texts = [option[3:] for option in self.options]
        return self.options, LETTERS[texts.index(answer)]


def word_pair(
    asked: Asked, vanilla: Shot, changed: Shot, kept: Shot, dealer: LetterDealer, seed: int
) -> list[Question]:
    """Word a question for the vanilla clip and two edited ones.

    Args:
        asked: allowed in all three clips.
        vanilla: the clip before the edits.
        changed: a clip in which the answer is another.
        kept: a clip in which it is the same.
        dealer: of the scene's letters.
        seed: of the words.

    Returns:
        The question as asked of each of the three: equal texts and options, reasoning and ground truth of each clip;
        empty where no options are wrong in all of them.
    """
    question_type, arguments = asked
    entry, shots = QUESTION_TYPES[question_type], (vanilla, changed, kept)
    if entry.unit is not None:
        return [_ask(asked, shot, dealer, seed) for shot in shots]
    answer, other = vanilla.answer(asked), changed.answer(asked)
    wrong = [entry.wrong_answers(shot.inventory, arguments) for shot in shots]
    common = None
    if None not in wrong:
        in_all = [text for text in wrong[0] if text in wrong[1] and text in wrong[2]]
        most = len(wrong[0]) + 1
        # An answer of one clip that would also arrive in another is no wrong option there.
        if other not in wrong[0] or other not in wrong[2] or answer not in wrong[1]:
            return []
        common = shuffled(in_all, generator(seed, "twin options", vanilla.scene.name, question_type, *arguments))
        if len(common) + 2 < min(len(LETTERS), most):
            return []
    first = _ask(asked, vanilla, _PairDealer(dealer, other, common), seed)
    return [first, *(_ask(asked, shot, _SameOptions(first.options), seed) for shot in (changed, kept))]


def _ask(asked: Asked, shot: Shot, dealer: LetterDealer, seed: int) -> Question:
    rng = generator(seed, "twin words", shot.scene.name, asked[0], *asked[1])
    return QUESTION_TYPES[asked[0]].ask(shot.inventory, asked[1], QuestionContext(dealer, Wording(rng), rng))
