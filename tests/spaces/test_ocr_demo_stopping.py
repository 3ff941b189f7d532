"""Stop ends a model in the middle of an answer, for the visitor who pressed it and for nobody else."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.spaces.ocr_demo_rooms import boxes_demo

from room_demo import answers  # isort: skip
from room_demo.answers import Models  # isort: skip
from room_demo.question_prompt import prompt_of_text  # isort: skip
from room_demo.question_events import ANSWERING, TESTING, QuestionEvents  # isort: skip
from room_demo.checkpoints import UNTRAINED  # isort: skip
from room_demo.stopping import Stopped, Stops  # isort: skip

VIDEOS = list(np.random.default_rng(0).integers(0, 255, (2, 4, 56, 56, 3), dtype=np.uint8))
KEYS = [("a", "vanilla"), ("a", "noisy")]
PROMPT = replace(prompt_of_text("What?"), max_new_tokens=24)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OCR_DEMO_TINY", "0.2M")
        patch.setattr(answers, "_LOADED", {})  # not shared with other modules' models of that name
        made = Models(UNTRAINED[:1], frames=4, cache=tmp_path_factory.mktemp("models"))
        made.preload()
        model = answers._LOADED[UNTRAINED[0]].model
        model.generation_config.eos_token_id = None  # always the full length
        yield made


@pytest.fixture
def steps(models):
    """Calls what is in `at`, by layer call's number, and lists the calls: (number of the layer)."""
    model = answers._LOADED[UNTRAINED[0]].model
    stacks = [*model.model.visual.blocks, *model.model.language_model.layers]
    done, at = [], {}

    def note(layer):
        done.append(stacks.index(layer))
        at.get(len(done), lambda: None)()

    hooks = [layer.register_forward_hook(lambda layer, *_: note(layer)) for layer in stacks]
    yield SimpleNamespace(done=done, at=at)
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("layer_calls", [1, 2, 3, 4, 5, 20, 41])
def test_no_layer_runs_after_stop(models, steps, layer_calls) -> None:
    """Two vision blocks and two layers: 1 and 2 are in the video, 3 and 4 in the prompt, the others in the answer."""
    stops = Stops()
    with stops.running("visitor", ANSWERING) as flag:
        steps.at[layer_calls] = lambda: stops.stop("visitor", ANSWERING)
        with pytest.raises(Stopped):
            models.answer(UNTRAINED[0], PROMPT, VIDEOS, 1.0, KEYS, flag)
    assert len(steps.done) == layer_calls and not flag.exists()


def test_a_stopped_question_is_not_kept_and_can_be_asked_again(models, steps) -> None:
    stops = Stops()
    with stops.running("visitor", ANSWERING) as flag:
        steps.at[7] = lambda: stops.stop("visitor")
        with pytest.raises(Stopped):
            models.answer(UNTRAINED[0], PROMPT, VIDEOS, 1.0, KEYS, flag)
    steps.at.clear()
    with stops.running("visitor", ANSWERING) as flag:
        again = models.answer(UNTRAINED[0], PROMPT, VIDEOS, 1.0, KEYS, flag)
    assert len(steps.done) == 7 + 2 + 2 * 24  # the whole of it: once the video, then two layers for each token
    fresh = Models(UNTRAINED[:1], frames=4)
    assert again == fresh.answer(UNTRAINED[0], PROMPT, VIDEOS, 1.0, KEYS)
    model = answers._LOADED[UNTRAINED[0]].model
    assert not any(layer._forward_pre_hooks for layer in model.model.language_model.layers)


def test_who_waits_for_another_visitors_answer_can_stop_waiting(models, steps) -> None:
    stops, held, stopped = Stops(), threading.Event(), threading.Event()
    steps.at[5] = lambda: (held.set(), stopped.wait(20))
    first = threading.Thread(target=models.answer, args=(UNTRAINED[0], prompt_of_text("First?"), VIDEOS, 1.0, KEYS))
    first.start()
    assert held.wait(20)
    with stops.running("second", ANSWERING) as flag:
        assert stops.stop("second") == 1
        with pytest.raises(Stopped):
            models.answer(UNTRAINED[0], PROMPT, VIDEOS[:1], 1.0, KEYS[:1], flag)
    assert first.is_alive()
    stopped.set()
    first.join(20)


def test_a_stop_hits_one_visitor_and_one_kind() -> None:
    stops = Stops()
    a, b = (stops.running(visitor, ANSWERING) for visitor in "ab")
    with a as answering, stops.running("a", TESTING) as testing, b as other:
        assert stops.stop("a", ANSWERING) == 1
        assert (answering.exists(), testing.exists(), other.exists()) == (True, False, False)
        assert stops.stop("c") == 0 and stops.stop("a") == 2 and testing.exists() and not other.exists()
    assert not answering.exists() and not testing.exists() and stops.stop("a") == 0


def test_the_buttons_stop_what_the_page_runs(tmp_path, monkeypatch) -> None:
    told = []
    monkeypatch.setattr("gradio.Info", lambda text, **named: told.append(text))
    demo = boxes_demo(tmp_path)
    events, visitor = QuestionEvents(demo), SimpleNamespace(session_hash="visitor")
    events.stop_answering(visitor)
    flags = []
    asked = ("", "fixed", "fixed", False, [], [], "boxes-0001", "", "chosen", [2], 2, "gaussian", 0.5, 0, 0)
    monkeypatch.setattr(demo.models, "answer", lambda *_: pytest.fail("stopped before it began"))
    assert list(events.answer(visitor, *asked)) == []

    def slow(name, prompt, videos, fps, keys, stop=None):
        flags.append(stop)
        events.stop_testing(visitor)  # of another kind
        assert not stop.exists()
        (events.stop_answering if len(flags) == 1 else events.leave)(visitor)
        assert stop.exists()
        raise Stopped

    monkeypatch.setattr(demo.models, "answer", slow)
    for _ in range(2):
        demo.stops.renew("visitor", ANSWERING)
        assert list(events.answer(visitor, *asked)) == []
    assert told == ["Stopped.", "Nothing is running.", "Stopped.", "Nothing is running."]
    assert len(set(flags)) == 2 and not any(flag.exists() for flag in flags)


def test_stop_also_ends_what_has_not_begun_until_something_newer_is_asked() -> None:
    stops = Stops()
    stops.refuse("a", ANSWERING)
    assert stops.refused("a", ANSWERING) and not stops.refused("a", TESTING) and not stops.refused("b", ANSWERING)
    stops.renew("a", ANSWERING)
    assert not stops.refused("a", ANSWERING)
    with stops.running("a", ANSWERING) as flag:
        stops.renew("a", ANSWERING)
        assert flag.exists()
    stops.refuse("a", ANSWERING)
    stops.leave("a")
    assert not stops.refused("a", ANSWERING)
