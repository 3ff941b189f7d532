"""Letters are balanced, and say nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.options import LetterDealer
from ocr_hf.questions.question import QuestionConfig
from tests.questions.question_scenes import random_scene

CHOICES = QuestionConfig(
    (
        "object_rel_distance",
        "object_rel_direction_easy",
        "object_rel_direction_medium",
        "object_rel_direction_hard",
    )
)


def test_letters_are_balanced_within_two_percent_over_two_thousand_questions() -> None:
    letters: dict[int, Counter[str]] = {2: Counter(), 3: Counter(), 4: Counter()}
    total, seed = 0, 0
    while total < 2000:
        for question in generate_questions(random_scene(seed), None, None, seed, CHOICES).questions:
            letters[len(question.options)][question.ground_truth] += 1
            total += 1
        seed += 1
    four = letters[4]
    assert sum(four.values()) > 1000
    for count, tally in letters.items():
        for letter in "ABCD"[:count]:
            assert tally[letter] / sum(tally.values()) == pytest.approx(1.0 / count, abs=0.02)


def test_within_a_scene_letters_of_a_type_differ_by_at_most_one() -> None:
    for seed in range(10):
        tallies: dict[str, Counter[str]] = {}
        for question in generate_questions(random_scene(seed), None, None, seed, CHOICES).questions:
            tallies.setdefault(question.question_type, Counter())[question.ground_truth] += 1
        for question_type, tally in tallies.items():
            options = {"easy": "AB", "medium": "ABC"}.get(question_type.rsplit("_", 1)[-1], "ABCD")
            numbers = [tally[letter] for letter in options]
            assert max(numbers) - min(numbers) <= 1


def test_the_letter_does_not_depend_on_what_the_answer_is() -> None:
    answers: Counter[tuple[str, str]] = Counter()
    for seed in range(150):
        for question in generate_questions(random_scene(seed), None, None, seed, CHOICES).questions:
            if question.question_type == "object_rel_direction_hard":
                text = question.options["ABCD".index(question.ground_truth)][3:]
                answers[text, question.ground_truth] += 1
    table = np.array([[answers[text, letter] for letter in "ABCD"] for text in sorted({text for text, _ in answers})])
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    assert table.shape == (4, 4)
    # 9 degrees of freedom: chance exceeds 27.9 once in a thousand.
    assert ((table - expected) ** 2 / expected).sum() < 27.9


@pytest.mark.parametrize("count", [2, 3, 4])
def test_scenes_of_a_series_even_out_their_odd_letters(count: int) -> None:
    """Every scene asks one question more than full decks hold; over `count` scenes each letter gets one of these."""
    wrong = [f"wrong {i}" for i in range(count - 1)]
    tally: Counter[str] = Counter()
    for number in range(12 * count):
        dealer = LetterDealer(3, f"procedural_{number:06d}")
        tally.update(dealer.deal("type", "right", wrong)[1] for _ in range(count + 1))
    assert set(tally.values()) == {12 * (count + 1)}


def test_unnumbered_scenes_and_scans_do_not_share_their_odd_letters() -> None:
    for names in (["kitchen", "hall", "bedroom", "office"], [f"scene{i:04d}_00" for i in range(60)]):
        dealt = [LetterDealer(0, name).deal("type", "right", ["a", "b", "c"])[1] for name in names]
        assert len(set(dealt)) > 1
    assert max(Counter(dealt).values()) < 30


@given(st.integers(0, 2**31), st.integers(2, 4))
def test_options_hold_the_answer_once_under_its_letter(seed: int, count: int) -> None:
    dealer = LetterDealer(seed, "scene_7")
    wrong = [f"wrong {i}" for i in range(count - 1)]
    dealt = [dealer.deal("type", "right", wrong) for _ in range(3 * count)]
    for options, letter in dealt:
        assert [option[:3] for option in options] == [f"{letter}. " for letter in "ABCD"[:count]]
        assert sorted(option[3:] for option in options) == sorted(["right", *wrong])
        assert options["ABCD".index(letter)] == f"{letter}. right"
    assert set(Counter(letter for _, letter in dealt).values()) == {3}


@pytest.mark.parametrize("wrong", [["right"], ["a", "a"], [], ["a", "b", "c", "d"]])
def test_repeated_too_few_or_too_many_options_are_refused(wrong: list[str]) -> None:
    with pytest.raises(ValueError, match="different texts"):
        LetterDealer(0, "scene").deal("type", "right", wrong)
