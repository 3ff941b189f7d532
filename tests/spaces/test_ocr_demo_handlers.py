"""What the page's events do, called as Gradio calls them, with models that answer by what they are shown."""

from __future__ import annotations

import json
from types import SimpleNamespace

import gradio as gr
import pytest

from tests.spaces.ocr_demo_rooms import boxes_demo

from room_demo.question_events import NONE, QuestionEvents  # isort: skip
from room_demo.handlers import Handlers  # isort: skip
from room_demo.problems import Problem  # isort: skip


def quiet(*arguments, **named) -> None:
    """A progress bar that nobody sees."""


@pytest.fixture(scope="module")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> Handlers:
    return Handlers(boxes_demo(tmp_path_factory.mktemp("demo")))


@pytest.fixture(scope="module")
def events(handlers: Handlers) -> QuestionEvents:
    return QuestionEvents(handlers.demo)


VISITOR = SimpleNamespace(session_hash="visitor")


def click(index, value="boxes-0001"):
    return SimpleNamespace(index=index, value=value)


def controls(policy="chosen", chosen=(2,), question=0, strength=0.5, seed=0) -> tuple:
    return ("boxes-0001", policy, list(chosen), 2, "gaussian", strength, seed, question)


def ask(events, *, second=NONE, words="", findings=(), **named) -> list:
    arguments = (*controls(**named), words, "fixed", second, False, list(findings), [])
    return list(events.answer(*arguments, VISITOR, progress=quiet))


def test_opening_shows_the_first_room_with_a_question(handlers) -> None:
    room, own, strip, stage, chosen, policy, *rest = handlers.start(None, progress=quiet)
    assert (room, own, policy) == ("boxes-0001", [], "chosen")
    assert json.loads(strip)["current"] == room
    assert json.loads(stage)["noisy"] is None and "click an object" in json.loads(stage)["empty"]
    assert [object_id for _, object_id in chosen["choices"]] and chosen["value"] == []
    assert all(" m)" in text for text, _ in chosen["choices"])


def test_a_link_with_a_policy_shows_what_was_drawn(handlers) -> None:
    request = SimpleNamespace(query_params={"p": "queried", "n": "2", "q": "1", "room": "boxes"})
    opened = handlers.start(request, progress=quiet)
    assert opened[4]["value"] == json.loads(opened[3])["perturbed"] == [2, 3]
    assert opened[6]["visible"] is True


def test_a_click_takes_an_object_in_and_out_again(handlers) -> None:
    clip = handlers.demo.rooms.clip("boxes")
    mask = clip.footprints.mask(1, 2)
    y, x = (int(values[len(values) // 2]) for values in mask.nonzero())
    chosen, policy, _, stage = handlers.click_frame(click([2, x, y]), *controls(chosen=[3]))
    assert (chosen, policy) == ([3, 1], "chosen")
    assert json.loads(stage)["perturbed"] == [1, 3]
    chosen, *_ = handlers.click_frame(click([2, x, y]), *controls(chosen=chosen))
    assert chosen == [3]
    chosen, *_ = handlers.click_frame(click([2, x, y], "another-room"), *controls(chosen=[3]))
    assert chosen == [3]


def test_a_click_after_a_policy_starts_anew(handlers) -> None:
    clip = handlers.demo.rooms.clip("boxes")
    y, x = (int(values[0]) for values in clip.footprints.mask(2, 0).nonzero())
    chosen, policy, *_ = handlers.click_frame(click([0, x, y]), *controls("random", chosen=[1, 3]))
    assert (chosen, policy) == ([2], "chosen")


def test_asking_compares_both_videos_and_fills_the_table(events) -> None:
    (page, findings, table, _, download), *_ = ask(events)
    assert [row["Changed"] for row in findings] == ["yes"]
    assert findings[0]["Noise on"] == "chair 1" and findings[0]["Correct"] == "B"
    assert 'data-change="yes"' in page and "right" in page and "wrong" in page and "75 %" in page
    assert "chair 1" in table and download["interactive"] is True
    (page, findings, *_), *_ = ask(events, chosen=(), findings=findings)
    assert [row["Changed"] for row in findings] == ["yes", "no"]
    assert "nothing perturbed" in page


def test_own_words_come_before_the_list(events) -> None:
    (_, findings, *_), *_ = ask(events, words="What stands by the sofa?")
    assert findings[0]["Task"] == "free text" and findings[0]["Question"] == "What stands by the sofa?"
    assert events.demo.models.prompts[-1][0] == "These are frames of a video.\nWhat stands by the sofa?"


def test_the_lock_test_adds_a_room_once(events) -> None:
    steps = list(events.test_lock("boxes-0001", "fixed", 2, [], [], VISITOR, progress=quiet))
    locks, _, card, download = steps[-1]
    assert len(steps) == len(locks) == 2
    assert "Query-lock index" in card and "needs questions of two rooms" in card and download["interactive"]
    again = list(events.test_lock("boxes-0001", "fixed", 2, [], locks, VISITOR, progress=quiet))[-1][0]
    assert len(again) == 2
    assert events.clear()[:2] == [[], []]


def test_modes_set_the_range_of_the_strength(handlers) -> None:
    assert handlers.change_mode("geometry")["maximum"] == 0.5
    assert handlers.change_mode("gaussian")["maximum"] == 1.0
    stage, *_ = handlers.refresh("boxes-0001", "chosen", [1], 2, "geometry", 0.2, 0, 0)
    assert "geometry 0.2" in json.loads(stage)["caption"]


def test_choosing_a_task_lists_its_questions(handlers) -> None:
    questions, options, shown = handlers.pick_task("boxes-0001", "object_counting")
    assert questions["value"] == 1 and options == "The answer is a number."
    assert "How many chair(s) are in this room?" in shown and "Both answers appear here" in shown
    options, shown = handlers.pick_question("boxes-0001", 0)
    assert "A. left" in options and "is the chair to my left or my right?" in shown
    assert "<small>" not in handlers.pick_question("boxes-0001", None)[1]


def test_nothing_chosen_to_ask_is_told(events) -> None:
    with pytest.raises(Problem, match="no question chosen"):
        ask(events, question=None)


def test_a_missing_room_opens_the_first_and_says_so(handlers, monkeypatch) -> None:
    warned = []
    monkeypatch.setattr(gr, "Warning", warned.append)
    opened = handlers.start(SimpleNamespace(query_params={"room": "attic"}), progress=quiet)
    assert opened[0] == "boxes-0001" and "no room 'attic'" in warned[0]
