"""Answers while they are written: by a tiny model, and on the page."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from tests.spaces.ocr_demo_rooms import boxes_demo

from room_demo import writing  # isort: skip
from room_demo.question_events import QuestionEvents  # isort: skip
from room_demo.stopping import Stopped, Stops, check  # isort: skip
from room_demo.writing import as_written, text_file, written_down  # isort: skip

from ocr_hf.models.answer import AnsweringModel, Prompt
from ocr_hf.models.load_model import load_model
from ocr_hf.models.tiny import build_tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> AnsweringModel:
    return AnsweringModel.of(load_model(build_tiny(tmp_path_factory.mktemp("tiny"), size="0.2M")))


def test_what_is_written_grows_into_the_answer(model, tmp_path, monkeypatch) -> None:
    """Every text put down continues the one before, of both videos of a batch, and the answers continue the last."""
    monkeypatch.setattr(writing, "EVERY_S", 0.0)
    found: list[list[str]] = []
    replace = writing.os.replace

    def note(source, target) -> None:
        replace(source, target)
        found.append(json.loads(target.read_text()))

    monkeypatch.setattr(writing.os, "replace", note)
    videos = [np.full((4, 56, 56, 3), shade, np.uint8) for shade in (40, 200)]
    prompts = [Prompt.of("What is it?", model.encode(video, 1.0)) for video in videos]
    with written_down(model.model, model.processor.tokenizer, tmp_path / "stop"):
        answers = model.answer(prompts, 12)
    assert 6 <= len(found) <= 11
    for before, after in zip(found, [*found[1:], [answer.text for answer in answers]], strict=True):
        # A character of several bytes is complete only with its last token
        assert all(late.startswith(early.rstrip("\ufffd")) for early, late in zip(before, after, strict=True))
    assert len(found[-1]) == 2 and found[0] != found[-1]
    written = len(found)
    model.answer(prompts, 12)
    assert len(found) == written  # outside the block nothing is put down


def test_texts_come_before_the_result_and_a_stop_ends_the_wait() -> None:
    stops = Stops()
    steps = [threading.Event() for _ in range(2)]

    def work(flag):
        for number, step in enumerate(steps):
            text_file(flag).write_text(json.dumps(["a" * (number + 1), "b"]))
            while not step.is_set():
                check(flag)
                time.sleep(0.01)
        return ("done",)

    with stops.running("visitor", "answering") as flag:
        found = as_written(flag, work, flag)
        for number, step in enumerate(steps):
            assert next(found) == ["a" * (number + 1), "b"]
            step.set()
        assert list(found) == [("done",)]
    assert not text_file(flag).exists()
    steps[1].clear()
    with stops.running("visitor", "answering") as flag:
        found = as_written(flag, work, flag)
        next(found)
        stops.stop("visitor")
        with pytest.raises(Stopped):
            list(found)
    # Who goes away is not worked for
    with stops.running("visitor", "answering") as flag:
        found = as_written(flag, work, flag)
        next(found)
        found.close()
        assert flag.exists()


def test_the_page_shows_what_is_written_then_the_bars(tmp_path, monkeypatch) -> None:
    demo = boxes_demo(tmp_path)
    answer = type(demo.models).answer

    def slowly(name, prompt, videos, fps, keys, stop=None):
        text_file(stop).write_text(json.dumps(["Left of", "<b>Right"]))
        time.sleep(3 * writing.EVERY_S)
        return answer(demo.models, name, prompt, videos, fps, keys, stop)

    monkeypatch.setattr(demo.models, "answer", slowly)
    asked = ("", "fixed", "fixed", False, [], [], "boxes-0001", "", "chosen", [2], 2, "gaussian", 0.5, 0, 0)
    part, *rest = QuestionEvents(demo).answer(SimpleNamespace(session_hash="visitor"), *asked)
    (told,) = json.loads(part[0])["models"]
    assert [side["value"] for side in told["sides"]] == ["Left of …", "<b>Right …"] and told["words"] == "is writing"
    (answered,) = json.loads(rest[-1][0])["models"]
    assert [option["text"] for option in told["options"]] == [option["text"] for option in answered["options"]]
    assert [side["value"] for side in answered["sides"]] == ["A. left", "B. right"]
