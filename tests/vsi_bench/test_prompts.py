"""The official prompts, character for character, and what the thinking prompt must promise."""

from __future__ import annotations

import pandas as pd
import pytest

from ocr_hf.vsi_bench.extract import extract_answer_tag
from ocr_hf.vsi_bench.prompts import MAX_NEW_TOKENS, PROMPT_STYLES, build_prompt

COUNT = {
    "id": 0,
    "question_type": "object_counting",
    "question": "How many table(s) are in this room?",
    "options": None,
}
NEAREST = {
    "id": 1,
    "question_type": "object_rel_distance",
    "question": "Which of these objects is the closest to the tv?",
    "options": ["A. chair", "B. sofa", "C. stove", "D. table"],
}


def test_official_prompts_are_the_released_ones() -> None:
    assert build_prompt(COUNT) == (
        "These are frames of a video.\nHow many table(s) are in this room?\n"
        "Please answer the question using a single word or phrase."
    )
    assert build_prompt(NEAREST) == (
        "These are frames of a video.\nWhich of these objects is the closest to the tv?\nOptions:\n"
        "A. chair\nB. sofa\nC. stove\nD. table\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert build_prompt(COUNT, "official_api") == (
        "These are frames of a video.\nHow many table(s) are in this room?\n"
        "Do not response anything other than a single number!"
    )
    assert build_prompt(NEAREST, "official_api") == build_prompt(NEAREST)
    assert MAX_NEW_TOKENS["official"] == 16


@pytest.mark.parametrize(("row", "example"), [(COUNT, "3.1"), (NEAREST, "A")])
def test_thinking_prompt_shows_the_form_its_extraction_reads(row: dict, example: str) -> None:
    prompt = build_prompt(row, "thinking")
    body = prompt[len("These are frames of a video.\n") :]
    assert body.startswith(row["question"]) and "<think> </think>" in body
    assert extract_answer_tag(prompt, row["question_type"]) == example


def test_every_official_question_passes_unchanged(shared) -> None:
    rows = pd.read_parquet(shared / "vsi_bench" / "test.parquet").to_dict("records")
    assert any("\n" in row["question"] for row in rows)
    for row in rows:
        start = "These are frames of a video.\n" + row["question"] + "\n"
        if row["options"] is None:
            assert build_prompt(row) == start + "Please answer the question using a single word or phrase."
        else:
            end = "\nAnswer with the option's letter from the given choices directly."
            assert build_prompt(row) == start + "Options:\n" + "\n".join(row["options"]) + end


def test_bad_rows_are_named() -> None:
    with pytest.raises(ValueError, match="prompt style 'haiku' is unknown"):
        build_prompt(COUNT, "haiku")
    with pytest.raises(ValueError, match=r"question 1 \(object_rel_distance\) has no options"):
        build_prompt({**NEAREST, "options": None})
    with pytest.raises(ValueError, match="question_type 'x' is unknown"):
        build_prompt({**COUNT, "question_type": "x"})
    assert set(MAX_NEW_TOKENS) == set(PROMPT_STYLES)
