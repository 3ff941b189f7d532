"""Rows of any harness are paired with the questions: its columns, its ids, what is missing and what is twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_hf.vsi_bench.prediction_files import parse_rows, read_rows
from ocr_hf.vsi_bench.predictions import pair, without_pruned
from ocr_hf.vsi_bench.rules import extract
from ocr_hf.vsi_bench.scoring import score_answers

QUESTIONS = [
    {
        "id": number,
        "dataset": "d",
        "scene_name": scene,
        "question_type": kind,
        "question": f"What is asked\nfor the {number}th time?",
        "options": None if kind == "object_counting" else ["A. x", "B. y"],
        "ground_truth": truth,
        "pruned": pruned,
    }
    for number, scene, kind, truth, pruned in (
        (3, "s", "route_planning", "A", True),
        (4, "t", "route_planning", "B", False),
        (5, "s", "object_counting", "4", False),
    )
]


def test_joins_with_the_questions_on_id_not_on_order() -> None:
    rows = [{"id": "5", "prediction": "4"}, {"id": 3, "response": "B", "prediction": None}]
    run = pair(rows, QUESTIONS, "leave-out")
    assert run.ids == (5, 3) and run.predictions == ("4", None)
    assert run.references == ("4", "A") and run.question_types == ("object_counting", "route_planning")
    assert run.pruned == (False, True) and run.scenes == ("d/s", "d/s") and run.unanswered == (4,)


def test_what_is_missing_scores_zero_unless_it_is_left_out() -> None:
    run = pair([{"id": 5, "prediction": "4"}, {"id": 3, "prediction": "A"}], QUESTIONS)
    assert run.ids == (5, 3, 4) and run.predictions == ("4", "A", None) and run.unanswered == (4,)
    scored = score_answers(run.predictions, run.references, run.question_types, ids=run.ids)
    assert scored.scores.tolist() == [1.0, 1.0, 0.0] and scored.parsed.tolist() == [True, True, False]
    assert run.pruned == (False, True, False) and run.scenes == ("d/s", "d/s", "d/t")


def test_answers_to_questions_of_another_split_are_passed_over_and_counted() -> None:
    rows = [{"id": row["id"], "prediction": row["ground_truth"]} for row in QUESTIONS]
    kept = [row for row in QUESTIONS if not row["pruned"]]
    run = pair(rows, kept, others=QUESTIONS)
    assert run.ids == (4, 5) and run.elsewhere == 1 and run.unanswered == ()
    with pytest.raises(ValueError, match="none of the 1 rows answers one of the 2 questions"):
        pair(rows[:1], kept, others=QUESTIONS)
    alone = without_pruned(pair([row | {"prediction": "A"} for row in QUESTIONS]))
    assert alone.ids == (4, 5) and alone.elsewhere == 1 and alone.pruned == (False, False)
    with pytest.raises(ValueError, match="not every row has 'pruned'"):
        without_pruned(pair([{"question_type": "route_planning", "ground_truth": "A", "prediction": "A"}]))


def test_audited_rows_of_our_own_runs_are_passed_over() -> None:
    rows = [{"id": 3, "prediction": "A", "audit": "vanilla"}, {"id": 3, "prediction": "B", "audit": "black"}]
    assert pair(rows, QUESTIONS, "leave-out").predictions == ("A",)


@pytest.mark.parametrize("ids", [(5, 3), (5.0, 3.0), ("5", "3"), ("5.0", "3.0"), (" 5", "3")])
def test_ids_as_tables_with_gaps_write_them(ids: tuple) -> None:
    rows = [{"id": ids[0], "prediction": "4"}, {"id": ids[1], "prediction": "A"}]
    assert pair(rows, QUESTIONS, "leave-out").ids == (5, 3)


@pytest.mark.parametrize(
    "name", ["prediction", "predictions", "pred", "pred_answer", "response", "output", "model_output", "answer"]
)
def test_names_of_the_models_text(name: str) -> None:
    assert pair([{"id": 5, name: "4"}, {"id": 3, name: "A"}], QUESTIONS, "leave-out").predictions == ("4", "A")


def record(row: dict, text: str, score: float) -> dict:
    """What lmms-eval keeps of a question: the row, the answer and its score."""
    name = "MRA:.5:.95:.05" if row["question_type"] == "object_counting" else "accuracy"
    return {**row, "prediction": text, name: score}


TEXTS = {3: " A.", 4: "it is B", 5: "There are 4"}
RECORDED = {3: 1.0, 4: 0.0, 5: 1.0}


def lmms_eval_now() -> str:
    """lmms-eval 0.7: one JSON line a sample; the record under each metric; doc_id counts what was asked, not ids."""
    lines = []
    for place, row in enumerate(QUESTIONS):
        kept = record(row, TEXTS[row["id"]], RECORDED[row["id"]])
        line = {"doc_id": place, "target": row["ground_truth"], "filtered_resps": TEXTS[row["id"]], "input": "..."}
        lines.append(json.dumps(line | {"vsibench_overall": kept, "object_counting_mra": kept, "doc_hash": "x"}))
    return "\n".join(lines)


def lmms_eval_until_0_6() -> str:
    """The same with one metric, vsibench_score, and answers in lists."""
    lines = []
    for place, row in enumerate(QUESTIONS):
        kept = record(row, TEXTS[row["id"]], RECORDED[row["id"]])
        line = {"doc_id": place, "target": row["ground_truth"], "resps": [[TEXTS[row["id"]]]], "vsibench_score": kept}
        lines.append(json.dumps(line | {"filtered_resps": [TEXTS[row["id"]]]}))
    return "\n".join(lines)


def lmms_eval_0_2() -> str:
    """One JSON object whose "logs" are the samples, with the whole question under "doc" and, here, no metric."""
    logs = [
        {"doc_id": place, "target": row["ground_truth"], "doc": row, "filtered_resps": [TEXTS[row["id"]]]}
        for place, row in enumerate(QUESTIONS)
    ]
    return json.dumps({"args": {"model": "m"}, "model_configs": {}, "logs": logs, "time": "1"}, indent=4)


def vlmevalkit() -> str:
    """VLMEvalKit: `answer` is the truth, `index` counts rows, `video` has the data set or the column `prefix` does."""
    rows = [
        {
            "index": place,
            "id": row["id"],
            "prefix": row["dataset"],
            "video": row["scene_name"],
            "question": row["question"],
            "type": row["question_type"],
            "answer": row["ground_truth"],
            "candidates": str(row["options"]),
            "prediction": TEXTS[row["id"]],
        }
        for place, row in enumerate(QUESTIONS)
    ]
    return json.dumps(rows)


def easi() -> str:
    """EASI's table of extractions: no id; scores in two columns, one of them empty in each row."""
    rows = [
        {
            "index": place,
            "question_type": row["question_type"],
            "task_type": "NA" if row["options"] is None else "MCQ",
            "prediction": TEXTS[row["id"]],
            "pred_extracted": "?",
            "answer": row["ground_truth"],
            "hit": None if row["options"] is None else RECORDED[row["id"]],
            "MRA:.5:.95:.05": RECORDED[row["id"]] if row["options"] is None else None,
            "video": f"d/{row['scene_name']}.mp4",
            "question": row["question"].replace("\n", " "),
            "candidates": str(row["options"]),
        }
        for place, row in enumerate(QUESTIONS)
    ]
    return json.dumps(rows)


HARNESSES = [lmms_eval_now, lmms_eval_until_0_6, lmms_eval_0_2, vlmevalkit, easi]


@pytest.mark.parametrize("written", HARNESSES)
@pytest.mark.parametrize("joined", [True, False])
def test_what_a_harness_wrote_is_read_with_and_without_the_questions(written, joined: bool) -> None:
    run = pair(parse_rows(written()), QUESTIONS if joined else None)
    assert run.predictions == tuple(TEXTS.values()) and run.unanswered == ()
    assert run.references == ("A", "B", "4")
    assert run.question_types == ("route_planning", "route_planning", "object_counting")
    assert run.scenes == ("d/s", "d/t", "d/s")
    assert run.ids == ((3, 4, 5) if joined or written is not easi else None)
    expected = None if written in (lmms_eval_0_2, vlmevalkit) else tuple(RECORDED.values())
    assert run.recorded == expected
    assert written.__name__.split("_")[0] in run.looks_like.lower().replace("-", "_")


def test_questions_that_read_alike_cannot_be_joined_without_ids() -> None:
    twice = [QUESTIONS[0], QUESTIONS[0] | {"id": 9}]
    with pytest.raises(ValueError, match="row 0 has no 'id', and its scene and question name 2 of the questions"):
        pair(parse_rows(easi()), twice)


@pytest.mark.parametrize(
    ("rows", "questions", "message"),
    [
        ([], None, "there are no predictions"),
        ([{"id": 1, "text": "A"}], None, "looks like answers by id and lacks the model's text.*has id, text; name"),
        ([{"x": 1}], None, "looks like a table of another kind and lacks the model's text"),
        (QUESTIONS, None, "looks like VSI-Bench's file of questions and lacks the model's text"),
        ([{"index": 0, "type": "x", "answer": "A", "candidates": "[]"}], None, "looks like VLMEvalKit's predictions"),
        ([{"Type": "overall", "Count": 3, "Score_sum": 1.0}], None, "looks like VLMEvalKit's table of averages"),
        ([{"doc_id": 0, "target": "A", "doc_hash": "x"}], None, "looks like lmms-eval's log of samples and lacks"),
        (
            [{"doc_id": 0, "target": "A", "filtered_resps": "A"}],
            None,
            "no 'question_type': this looks like lmms-eval's",
        ),
        ([{"id": 3, "prediction": "A"}, {"id": 4}], None, "row 1 has no 'prediction'"),
        ([{"id": 3, "prediction": "A"}], None, "row 0 has no 'question_type'.*--data nyu-visionx/VSI-Bench"),
        ([{"id": 9, "prediction": "A"}], QUESTIONS, "row 0: id 9 is none of the 3 questions'"),
        ([{"prediction": "A"}], QUESTIONS, "row 0 has no 'id', and its scene and question name 0 of the questions"),
        (
            [{"id": 3, "prediction": "A"}, {"id": "3.0", "prediction": "B"}],
            QUESTIONS,
            "row 1: id 3 was answered before, in row 0 \\('A', here 'B'\\)",
        ),
        (
            [{"id": i, "prediction": "A", "question_type": "route_planning", "ground_truth": "A"} for i in (7, "7")],
            None,
            "id 7 has two answers, 'A' in row 0 and 'A' in row 1",
        ),
        ([{"id": 3, "prediction": "A"}], QUESTIONS[:1] * 2, "id 3 names two questions"),
    ],
)
def test_bad_rows_are_named(rows, questions, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        pair(rows, questions)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def cases(shared: Path) -> Path:
    folder = shared / "cases" / "predictions"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/cases/predictions (files that failed once) is not on this machine")
    return folder


def test_every_file_that_failed_once_is_scored(cases: Path, shared: Path) -> None:
    questions = read_rows(shared / "vsi_bench" / "test.parquet")
    files = [path for path in sorted(cases.iterdir()) if path.suffix != ".txt"]
    assert len(files) >= 6
    for path in files:
        run = pair(read_rows(path), questions)
        scored = score_answers(run.predictions, run.references, run.question_types, ids=run.ids)
        assert len(run.predictions) == 5130 and len(run.unanswered) == 5090, path.name
        assert scored.scores[:40].tolist() == [1.0] * 40 and not scored.scores[40:].any(), path.name
        if run.recorded:
            assert run.recorded[:40] == (1.0,) * 40


def test_texts_that_were_misread(cases: Path) -> None:
    for line in (cases / "answer_tag_misread.txt").read_text().splitlines():
        kind, text, was = line.split("|")
        right = {"room_size_estimation": "20", "object_counting": "4", "object_abs_distance": "2.5"}.get(kind, "B")
        answer = extract(text, kind, "answer_tag")
        assert answer in (right, "") and answer != was.removeprefix("reads "), line
    for text in (cases / "tricky_strip.txt").read_text().splitlines():
        kind = "route_planning" if "A" in text else "object_abs_distance"
        assert extract(text, kind) == text.strip().rstrip(".") != "", repr(text)
