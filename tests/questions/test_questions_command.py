"""`ocr-hf questions` prints what the library makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_hf.cli import main
from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import QuestionConfig
from ocr_hf.scenes.homes.procedural import procedural_scene


def test_json_holds_the_questions(capsys: pytest.CaptureFixture[str]) -> None:
    types = ["--question-types", "object_counting", "--question-types", "object_rel_distance"]
    with pytest.raises(SystemExit) as ended:
        main(["questions", "procedural:2", "--json", *types])
    assert ended.value.code in (0, None)
    told = json.loads(capsys.readouterr().out)
    rows = told["questions"]
    config = QuestionConfig(("object_counting", "object_rel_distance"), visibility=None)
    made = generate_questions(procedural_scene(2), None, None, 0, config).questions
    assert [row["question"] for row in rows] == [question.question for question in made]
    assert told["scene_name"] == "procedural_000002" and all(told["left_out"].values())
    assert rows[-1]["options"] == list(made[-1].options)


def test_text_shows_answers_and_what_was_left_out(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meta = shared / "vsi_bench" / "meta_info" / "scannet_meta_info_val.json"
    with pytest.raises(SystemExit):
        main(["questions", f"{meta}:scene0251_00", "--rules", "official", "--question-types", "object_counting"])
    text = capsys.readouterr().out
    assert "How many trash bin(s) are in this room?\n  answer: 5" in text
    assert "scene0251_00: 5 questions" in text
    assert "Not for training: scene0251_00 is a scene of VSI-Bench's test set." in text
    with pytest.raises(SystemExit):
        main(["questions", f"{meta}:scene0251_00", "--question-types", "object_size_estimation"])
    assert "left out    5  object_size_estimation: category is not unique" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.glb"], "there is no scene 'nowhere.glb'"),
        (["procedural:2", "--question-types", "object_count"], "did you mean 'object_counting'?"),
        (["procedural:2", "--rules", "strict"], "rules is 'strict'"),
    ],
)
def test_mistakes_end_with_one_sentence(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["questions", *arguments])
    assert ended.value.code == 1
    assert message in capsys.readouterr().err
