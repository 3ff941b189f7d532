"""What the page's events do, called as Gradio calls them, with models that answer by what they are shown."""

from __future__ import annotations

import json
import warnings
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from tests.spaces.ocr_demo_rooms import boxes_demo

from room_demo.question_events import QuestionEvents  # isort: skip
from room_demo.handlers import Handlers  # isort: skip
from room_demo.page import build  # isort: skip
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


def clicks(*places, clip="boxes-0001") -> str:
    """Return what wishes.js makes of clicks at (frame, x, y, side)."""
    return json.dumps([[number, {"clip": clip, "at": place}] for number, place in enumerate(places, start=1)])


def controls(policy="chosen", chosen=(2,), question=0, strength=0.5, seed=0) -> tuple:
    return ("boxes-0001", "", policy, list(chosen), 2, "gaussian", strength, seed, question)


def ask(events, *, words="", findings=(), **named) -> list:
    """Return (the bars' value, findings, table, index, download) of each step."""
    arguments = (words, "fixed", "fixed", False, list(findings), [], *controls(**named))
    return [(json.loads(page), *rest) for page, *rest in events.answer(VISITOR, *arguments)]


def test_the_page_is_put_together_and_its_events_fit_what_they_call(handlers) -> None:
    with warnings.catch_warnings():
        # Gradio warns where a function takes other values than its event gives
        warnings.simplefilter("error", UserWarning)
        page = build(handlers.demo)
    named = {block.elem_id for block in page.blocks.values() if getattr(block, "elem_id", None)}
    assert {"stage", "answers", "strength", "question", "measure", "room3d", "edit-remove", "tally"} <= named


def test_opening_shows_the_first_room_with_a_question(handlers) -> None:
    room, edits, own, strip, stage, chosen, policy, *rest = handlers.start(None, progress=quiet)
    assert (room, edits, own, policy) == ("boxes-0001", "", [], "chosen")
    assert json.loads(strip)["current"] == room
    assert json.loads(stage)["noisy"] is None and "click an object" in json.loads(stage)["empty"]
    assert [object_id for _, object_id in chosen["choices"]] and chosen["value"] == []
    assert all(" m)" in text for text, _ in chosen["choices"])


def test_a_link_with_a_policy_shows_what_was_drawn(handlers) -> None:
    request = SimpleNamespace(query_params={"p": "queried", "n": "2", "q": "1", "room": "boxes"})
    opened = handlers.start(request, progress=quiet)
    assert opened[5]["value"] == json.loads(opened[4])["perturbed"] == [2, 3]
    assert opened[7]["visible"] is True


def test_a_click_takes_an_object_in_and_out_again(handlers) -> None:
    clip = handlers.demo.rooms.clip("boxes")
    mask = clip.footprints.mask(1, 2)
    y, x = (int(values[len(values) // 2]) for values in mask.nonzero())
    for side in (0, 1):
        chosen, policy, _, taken = handlers.click_frame(clicks([2, x, y, side]), 0, VISITOR, *controls(chosen=[3]))
        assert (chosen, policy, taken) == ([3, 1], "chosen", 1)
    chosen, *_ = handlers.click_frame(clicks([2, x, y, 0]), 0, VISITOR, *controls(chosen=chosen))
    assert chosen == [3]
    chosen, *_ = handlers.click_frame(clicks([2, x, y, 0], clip="another-room"), 0, VISITOR, *controls(chosen=[3]))
    assert chosen == [3]


def test_clicks_that_waited_count_once_each(handlers) -> None:
    clip = handlers.demo.rooms.clip("boxes")
    places = []
    for object_id in (1, 2, 3):
        y, x = (int(values[len(values) // 2]) for values in clip.footprints.mask(object_id, 2).nonzero())
        assert clip.object_at(2, x, y) == object_id
        places.append([2, x, y, 0])
    chosen, *_, taken = handlers.click_frame(clicks(*places[:1]), 0, VISITOR, *controls(chosen=[]))
    assert (chosen, taken) == ([1], 1)
    chosen, *_, taken = handlers.click_frame(clicks(*places), taken, VISITOR, *controls(chosen=chosen))
    assert (chosen, taken) == ([1, 2, 3], 3)
    chosen, *_ = handlers.click_frame(clicks(*places, places[1]), taken, VISITOR, *controls(chosen=chosen))
    assert chosen == [1, 3]


def test_a_click_after_a_policy_starts_anew(handlers) -> None:
    clip = handlers.demo.rooms.clip("boxes")
    y, x = (int(values[0]) for values in clip.footprints.mask(2, 0).nonzero())
    chosen, policy, *_ = handlers.click_frame(clicks([0, x, y, 0]), 0, VISITOR, *controls("random", chosen=[1, 3]))
    assert (chosen, policy) == ([2], "chosen")


@pytest.mark.parametrize("policy", ["queried", "context", "random"])
def test_a_tick_under_another_policy_is_a_choice_of_ones_own(handlers, policy) -> None:
    policy, _, stage = handlers.tick(VISITOR, *controls(policy, chosen=[1, 3]))
    assert policy == "chosen" and json.loads(stage)["perturbed"] == [1, 3]


def test_asking_compares_both_videos_and_fills_the_table(events) -> None:
    (page, findings, table, _, download), *_ = ask(events)
    assert [row["Changed"] for row in findings] == ["yes"]
    assert findings[0]["Noise on"] == "chair 1" and findings[0]["Correct"] == "B"
    assert (findings[0]["Vanilla"], findings[0]["Noisy"]) == ("A (wrong)", "B (right)")
    (model,) = page["models"]
    assert [side["value"] for side in model["sides"]] == ["A. left", "B. right"]
    assert [side["badge"] for side in model["sides"]] == ["wrong", "right"] and model["change"] == "yes"
    assert model["options"][0] == {"text": "A. left", "right": [False, False], "shares": [0.75, 0.75]}
    assert page["truth"] == "Right: B. right" and page["titles"] == ["vanilla", "noisy"]
    assert "chair 1" in table and download["interactive"] is True
    (page, findings, *_), *_ = ask(events, chosen=(), findings=findings)
    assert [row["Changed"] for row in findings] == ["yes", "no"]
    assert page["models"][0]["words"] == "same answer"
    again = ask(events, findings=findings)[-1][1]
    assert [row["Noise on"] for row in again] == ["nothing", "chair 1"]  # asked again, a row takes its place anew


def test_the_share_card_has_both_frames_and_both_answers(events) -> None:
    card = events.share(VISITOR, "", "fixed", "fixed", False, *controls())
    clip = events.demo.rooms.clip("boxes")
    areas = clip.footprints.areas(2)
    with Image.open(card) as image:
        pixels = np.asarray(image.convert("RGB")).astype(float)
    assert pixels.shape[1] == 1200
    height, width = clip.frames.shape[1:3]
    column = (1200 - 2 * 40 - 24) // 2
    tall = round(column * height / width)
    # Where the left frame lies is not told here: it is looked for, at its own size, in every row
    frame = Image.fromarray(np.asarray(clip.frames[int(areas.argmax())]))
    frame = np.asarray(frame.resize((column, tall), Image.Resampling.LANCZOS)).astype(float)
    tops = [top for top in range(len(pixels) - tall) if np.array_equal(pixels[top, 40 : 40 + column], frame[0])]
    (top,) = [top for top in tops if np.array_equal(pixels[top : top + tall, 40 : 40 + column], frame)]
    right = pixels[top : top + tall, 40 + column + 24 : 1160]
    changed = np.abs(right - frame).sum(axis=-1) > 60
    mask = Image.fromarray(clip.footprints.mask(2, int(areas.argmax()))).resize((column, tall))
    assert changed[np.asarray(mask)].mean() > 0.8 and changed[~np.asarray(mask)].mean() < 0.1
    assert (pixels[top + tall + 40 : top + tall + 84] < 128).any()  # the answers


def test_own_words_come_before_the_list(events) -> None:
    (_, findings, *_), *_ = ask(events, words="What stands by the sofa?")
    assert findings[0]["Task"] == "free text" and findings[0]["Question"] == "What stands by the sofa?"
    assert events.demo.models.prompts[-1][0] == "These are frames of a video.\nWhat stands by the sofa?"


def test_the_lock_test_adds_a_room_once(events) -> None:
    steps = list(events.test_lock(False, "boxes-0001", "fixed", 2, [], [], VISITOR, progress=quiet))
    locks, _, card, download = steps[-1]
    assert len(steps) == len(locks) == 2
    assert "can't tell a locked model from one that must see" in card and "docs/measure.md" in card
    assert "Former query-lock index" in card and "needs questions of two rooms" in card and download["interactive"]
    again = list(events.test_lock(False, "boxes-0001", "fixed", 2, [], locks, VISITOR, progress=quiet))[-1][0]
    assert len(again) == 2
    assert events.clear()[:2] == [[], []]


def test_modes_set_the_range_of_the_strength(handlers) -> None:
    assert handlers.change_mode("geometry")["maximum"] == 0.5
    assert handlers.change_mode("gaussian")["maximum"] == 1.0
    stage, *_ = handlers.change(VISITOR, "boxes-0001", "", "chosen", [1], 2, "geometry", 0.2, 0, 0)
    assert "geometry 0.2" in json.loads(stage)["caption"]


def test_choosing_a_task_lists_its_questions(handlers) -> None:
    questions, curves, maps = handlers.pick_task("boxes-0001", "", "object_counting")
    assert questions["value"] == 1 and "Press Measure" in curves and maps is None


def test_nothing_chosen_to_ask_is_told(events) -> None:
    with pytest.raises(Problem, match="no question chosen"):
        ask(events, question=None)


def test_a_missing_room_opens_the_first_and_says_so(handlers, monkeypatch) -> None:
    warned = []
    monkeypatch.setattr(gr, "Warning", warned.append)
    opened = handlers.start(SimpleNamespace(query_params={"room": "attic"}), progress=quiet)
    assert opened[0] == "boxes-0001" and "no room 'attic'" in warned[0]
