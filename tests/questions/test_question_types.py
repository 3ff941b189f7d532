"""The registry of question types: a user's own is generated, worded, rewarded and reported, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import VSI_BENCH_TYPES, Question, QuestionConfig, max_per_scene
from ocr_hf.questions.question_types import QUESTION_TYPES, QuestionType
from ocr_hf.questions.templates import TEMPLATES
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.vsi_bench import tasks
from ocr_hf.vsi_bench.compare import paired_difference
from ocr_hf.vsi_bench.prompts import build_prompt
from ocr_hf.vsi_bench.references import reference_rows
from ocr_hf.vsi_bench.scoring import score_answer, score_answers
from ocr_hf.vsi_bench.summary import summarize


class Height(QuestionType):
    """How high an object is."""

    question_type = "object_height"
    help = "the height of an object"
    limit = 2
    unit = "cm"
    template = "How high is the {0}, in centimeters?"

    def candidates(self, inventory, rng):
        yield from ((label,) for label in inventory.unique)

    def check(self, inventory, arguments):
        return inventory.missing(arguments, unique=True)

    def solve(self, inventory, arguments):
        return str(round(100 * np.ptp(inventory.only(arguments[0]).box.corners()[:, 2])))

    def ask(self, inventory, arguments, context):
        answer, item = self.solve(inventory, arguments), inventory.only(arguments[0])
        reasoning = context.wording.reasoning([f"It is {answer} cm high."], answer)
        return Question(self.question_type, self.template.format(*arguments), None, answer, reasoning, (item.id,), ())


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(QUESTION_TYPES, "_entries", dict(QUESTION_TYPES.items()))
    return QUESTION_TYPES.register(Height())


def test_a_registered_type_is_generated_up_to_its_limit(registered) -> None:
    scene = procedural_scene(3, rooms=1)
    made = generate_questions(scene, None, None, 0, QuestionConfig(("object_height",), visibility=None)).questions
    assert [question.question_type for question in made] == ["object_height"] * 2
    for question in made:
        assert float(question.ground_truth) == pytest.approx(
            100 * np.ptp(scene.object(question.queried_objects[0]).box.corners()[:, 2]), abs=0.5
        )
    assert max_per_scene(1)["object_height"] == 1


def test_a_registered_type_changes_nothing_of_what_is_asked_by_default(monkeypatch) -> None:
    scene = procedural_scene(3, rooms=1)
    before = generate_questions(scene, None, None, 0)
    monkeypatch.setattr(QUESTION_TYPES, "_entries", dict(QUESTION_TYPES.items()))
    QUESTION_TYPES.register(Height())
    assert generate_questions(scene, None, None, 0) == before


def test_a_registered_type_is_prompted_and_scored_by_its_unit(registered) -> None:
    row = {"question_type": "object_height", "question": "How high is the bed?", "options": None}
    assert build_prompt(row, "thinking").endswith("only one number, for example <answer>3.1</answer>.")
    assert score_answer("object_height", "<answer>0.5 m</answer>", "50", "answer_tag") == 1.0
    assert score_answer("object_height", "55", "50") == score_answer("object_size_estimation", "55", "50") > 0.5


def test_a_registered_type_is_a_level_of_its_own_outside_the_averages(registered) -> None:
    names = ["object_counting", "object_rel_distance", "object_rel_distance"]
    own = summarize(score_answers(["4", "A", "B"], ["4", "A", "A"], names), scenes=["a", "b", "b"])
    scored = score_answers(["4", "A", "B", "1"], ["4", "A", "A", "9"], [*names, "object_height"])
    table = summarize(scored, scenes=["a", "b", "b", "c"])
    assert (table["macro"], table["micro"], table["tasks"].keys()) == (own["macro"], own["micro"], own["tasks"].keys())
    assert table["levels"]["object_height"] == {"score": 0.0, "interval": None, "n": 1, "n_unparsed": 0}
    assert table["n"] == 4 and "object_height" not in table["missing"]
    same = paired_difference(scored, scored, ["a", "b", "b", "c"])
    assert same["first"] == own["macro"] and same["difference"] == 0.0
    rows = [
        {"question_type": name, "ground_truth": "9", "options": None} for name in ("object_counting", "object_height")
    ]
    assert reference_rows(rows)["most_frequent"]["macro"] == 100.0


def test_averages_need_a_question_of_vsi_bench(registered) -> None:
    with pytest.raises(ValueError, match="no question is of a type that VSI-Bench has, only object_height"):
        summarize(score_answers(["1"], ["9"], ["object_height"]))


def test_units_are_those_of_the_scorer_and_wordings_those_of_the_table() -> None:
    """The scorer imports nothing of the rest, so VSI-Bench's units stand in two places."""
    assert tuple(QUESTION_TYPES)[:10] == VSI_BENCH_TYPES
    assert {name: QUESTION_TYPES[name].unit for name in VSI_BENCH_TYPES} == tasks.UNITS
    assert {name: QUESTION_TYPES[name].template for name in VSI_BENCH_TYPES} == TEMPLATES
    for task in tasks.TASKS:
        assert {QUESTION_TYPES[level].levels for level in task.levels} == {len(task.levels)}


def test_mistakes_are_told_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="question type is 'object_size'; did you mean 'object_size_estimation'"):
        QuestionConfig(("object_size",))
    with pytest.raises(ValueError, match="question_type 'object_height' is unknown; VSI-Bench has .*, plugins may add"):
        score_answer("object_height", "1", "2")
    with pytest.raises(ValueError, match="there is a question type 'room_size_estimation' already"):
        QUESTION_TYPES.register("room_size_estimation", Height())
    with pytest.raises(ValueError, match="question type 'Bare' lacks name, question_type, help, limit"):
        QUESTION_TYPES.register(type("Bare", (), {}))
