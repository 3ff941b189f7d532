"""Extraction: the tolerant rule's readings, totality on any text, and time linear in its length."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.vsi_bench.extract import extract_answer_tag, parse_letter, parse_number
from ocr_hf.vsi_bench.rules import OWN_RULES, extract
from ocr_hf.vsi_bench.tasks import QUESTION_TYPES, is_numeric

COUNT, DISTANCE = "object_counting", "object_abs_distance"
SIZE, ROOM, CHOICE = "object_size_estimation", "room_size_estimation", "object_rel_distance"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>B, or D?</think><answer>A</answer>", "A"),
        ("<answer>B</answer> no: <answer>C</answer>", "C"),
        ("<think>is it <answer>B</answer>?</think> <ANSWER> d. lamp </ANSWER>", ""),
        ("<answer>d</answer>", "D"),
        ("<answer>(b)</answer>", "B"),
        ("<answer>**C**</answer>", "C"),
        ("<answer>A chair</answer>", "A"),
        ("<answer>C", "C"),
        ("A chair is nearest", ""),
        ("A chair is nearest, so D.", "D"),
        ("The answer is B. A chair is further", "B"),
        ("D's the one", ""),
        (r"\boxed{C}", "C"),
        ("B. chair is the closest; A. table is farther", ""),
        ("B. chair is the closest, so B", "B"),
        ("A is farther than B. The answer is (B), not A", "B"),
        ("The answer is B because C is farther", "B"),
        ("B (and not C)", "B"),
        ("[B]", "B"),
        ("(A)", "A"),
        (" A", "A"),
        ("ABCD", ""),
        ("<think>A or B", ""),
        ("done</think> B", "B"),
        ("", ""),
        (None, ""),
    ],
)
def test_letters(text: str | None, answer: str) -> None:
    assert extract_answer_tag(text, CHOICE) == answer


@pytest.mark.parametrize(
    ("question_type", "text", "number"),
    [
        (COUNT, "<think>2 and 3</think><answer>4</answer>", 4),
        (COUNT, "<answer>4 chairs</answer>", 4),
        (COUNT, "there are four chairs", 4),
        (COUNT, "twenty-one", 21),
        (COUNT, "one hundred and five", 105),
        (COUNT, "two three", 3),
        (COUNT, "<answer>one</answer>", 1),
        (COUNT, "One.", 1),
        (COUNT, "the closest one", None),
        (COUNT, "a chair and an apple", None),
        (COUNT, "a", None),
        (COUNT, "none", None),
        (COUNT, "someone", None),
        (COUNT, "4-5", None),
        (COUNT, "<answer>4-5</answer>", 5),
        (COUNT, "3,4,5", None),
        (COUNT, "chair2", None),
        (COUNT, "seven, not 3", None),
        (COUNT, "<think>4", None),
        (DISTANCE, "150 cm", 1.5),
        (DISTANCE, "1.5m", 1.5),
        (DISTANCE, "about 1.5 meters.", 1.5),
        (DISTANCE, "1,5 m", 1.5),
        (DISTANCE, "two metres", 2),
        (DISTANCE, "two and a half metres", None),
        (DISTANCE, "10 feet", 3.048),
        (DISTANCE, "-3", -3),
        (DISTANCE, "−3", -3),
        (DISTANCE, "2e0", 2),
        (DISTANCE, "1e999", None),
        (SIZE, "0.6 m", 60),
        (SIZE, "600mm", 60),
        (SIZE, "60", 60),
        (SIZE, "sixty centimetres", 60),
        (SIZE, "60 in total", 60),
        (SIZE, "1,500", 1500),
        (ROOM, "20.5 m^2", 20.5),
        (ROOM, "20.5 m2", 20.5),
        (ROOM, "20.5 m²", 20.5),
        (ROOM, "20.5 square meters", 20.5),
        (ROOM, "100 sq ft", 9.290304),
        (ROOM, "4 m by 5 m, so 20", 20),
        (ROOM, "The room is about 20 square meters (4 m by 5 m).", 20),
        (ROOM, "20 m² (roughly 4m x 5m)", 20),
        (ROOM, "roughly 4m x 5m, 20 m²", 20),
        (ROOM, "4 x 5 = 20", 20),
        (ROOM, "<answer>20 m² (4 m by 5 m)</answer>", 20),
        (COUNT, "There are 4 chairs: 2 at the desk and 2 by the window.", None),
        (COUNT, "2 at the desk and 2 by the window, so 4.", 4),
        (COUNT, "The answer is 4, since 2 are hidden", 4),
        (COUNT, "4 chairs and 4.0 of them", 4),
        (COUNT, "two chairs in frame 12", None),
        (COUNT, "The answer is (4)", 4),
        (DISTANCE, "2.5 (estimated from frame 12)", 2.5),
        (DISTANCE, "2.5 m, estimated from frame 12", 2.5),
        (DISTANCE, "from frames 3 and 12", None),
    ],
)
def test_numbers(question_type: str, text: str, number: float | None) -> None:
    assert parse_number(extract_answer_tag(text, question_type)) == (None if number is None else pytest.approx(number))


@given(st.text() | st.none(), st.sampled_from(QUESTION_TYPES), st.sampled_from(sorted(OWN_RULES)))
def test_extraction_is_total(text: str | None, question_type: str, extraction: str) -> None:
    answer = extract(text, question_type, extraction)
    assert isinstance(answer, str)
    if extraction == "answer_tag" and answer:
        parse = parse_number if is_numeric(question_type) else parse_letter
        assert parse(answer) is not None


@given(st.floats(0.01, 9999).map(lambda x: f"{x:.1f}"), st.sampled_from("ABCD"), st.text("<>/ thinkaswerABCD0123."))
def test_a_tagged_answer_is_read_whatever_was_thought(number: str, letter: str, thought: str) -> None:
    thought = thought.replace("<", "").replace(">", "")
    for text in (f"<think>{thought}</think>\n<answer>{{}}</answer>", f"{thought}</think><answer> {{}}. </answer>"):
        assert extract_answer_tag(text.format(number), DISTANCE) == number
        assert extract_answer_tag(text.format(letter), CHOICE) == letter


@given(st.text())
def test_official_ignores_all_after_the_first_space(text: str) -> None:
    text = f"A{text}"  # leading space is stripped
    assert extract(text + " B", CHOICE) == extract(text + " 7 " + text, COUNT)


HOSTILE = [
    "<answer",
    "<answer>A",
    "<think>",
    "</think>",
    "<think></think>",
    "answer ",
    "(",
    "=",
    ", so ",
    "1,",
    "9",
    "<answer>",
    "one ",
    "one-",
    " A",
    "1 ",
    "A ",
    "-",
    "square ",
    "1 sq. ",
    "a1.",
    "hundred and ",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear_in_the_length(piece: str) -> None:
    """Sixteen times the text may take at most eighty times as long; a quadratic rule would take 256 times."""

    def seconds(length: int) -> float:
        text = "A1" + piece * (length // len(piece)) + "!"
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            for question_type in (COUNT, ROOM, CHOICE):
                for name in ("official", "answer_tag", "lmms_eval@0.7.3", "vlmevalkit", "easi"):
                    extract(text, question_type, name)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(80_000) <= 80 * max(seconds(5_000), 1e-3)


def test_unknown_names_are_told() -> None:
    with pytest.raises(ValueError, match="extraction 'x' is unknown; use one of official, answer_tag, "):
        extract("A", CHOICE, "x")
    with pytest.raises(ValueError, match="question_type 'y' is unknown"):
        extract("A", "y", "answer_tag")
