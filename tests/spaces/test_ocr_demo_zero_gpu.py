"""ZeroGPU: the time that is asked for follows the work, and nothing but plain values goes to the GPU's process.

`spaces` does its work on ZeroGPU machines only. A stand-in does here what it does there to a function: it calls the
duration with the arguments, pickles them into another process and the result back, and turns exceptions into its own.
"""

from __future__ import annotations

import importlib.util
import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from ocr_hf.settings.run_command import call
from tests.spaces.ocr_demo_rooms import SPACE, boxes_demo

from room_demo import answers  # isort: skip
from room_demo.question_prompt import prompt_of_question, prompt_of_text  # isort: skip
from room_demo.question_events import ANSWERING  # isort: skip
from room_demo.checkpoints import UNTRAINED  # isort: skip
from room_demo.findings import lock_row  # isort: skip
from room_demo.stopping import Stopped, Stops  # isort: skip

VIDEOS = list(np.random.default_rng(0).integers(0, 255, (2, 4, 56, 56, 3), dtype=np.uint8))
KEYS = [("a", "vanilla"), ("a", "noisy")]


def copy_of(name: str, path) -> ModuleType:
    """Import a file once more, under another name, so that its decorators run again."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # its dataclasses look for their module there
    spec.loader.exec_module(module)
    return module


class StandIn(ModuleType):
    """`spaces` as a ZeroGPU machine has it."""

    def __init__(self) -> None:
        super().__init__("spaces")
        self.asked_s: list[int] = []

    def GPU(self, duration):  # noqa: N802 (the name is theirs)
        def decorate(task):
            def on_gpu(*args):
                self.asked_s.append(duration(*args))
                try:
                    return pickle.loads(pickle.dumps(task(*pickle.loads(pickle.dumps(args)))))
                except Exception as error:
                    raise RuntimeError(f"ZeroGPU worker error: {type(error).__name__}") from None

            return on_gpu

        return decorate


@pytest.fixture
def zero(monkeypatch, tmp_path):
    """(the stand-in, the demo's module as imported on ZeroGPU, its models)"""
    spaces = StandIn()
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setenv("OCR_DEMO_TINY", "0.2M")
    module = copy_of("room_demo.answers_on_zero", SPACE / "room_demo" / "answers.py")
    return spaces, module, module.Models(UNTRAINED[:1], frames=4, cache=tmp_path)


def test_the_duration_is_computed_from_videos_and_tokens(zero, tmp_path) -> None:
    spaces, module, models = zero
    clip = boxes_demo(tmp_path / "demo").rooms.clip("boxes")
    question = clip.questions[0]
    expected = []
    for style, tokens in (("official", 16), ("thinking", 256)):
        models.answer(UNTRAINED[0], prompt_of_question(question, style), VIDEOS, 1.0, KEYS)
        expected.append(module.seconds_needed(2, tokens))
    models.answer(UNTRAINED[0], prompt_of_text("What?"), VIDEOS[:1], 1.0, KEYS[:1])
    lock_row(models, UNTRAINED[0], clip, question, 0)
    assert spaces.asked_s == [*expected, module.seconds_needed(1, 48), module.seconds_needed(3, 16)]
    assert len(set(spaces.asked_s)) == 4 and all(type(each) is int for each in spaces.asked_s)
    models.answer(UNTRAINED[0], prompt_of_question(question), VIDEOS, 1.0, KEYS)  # kept: no GPU is asked for
    assert len(spaces.asked_s) == 4


def test_longer_work_asks_for_more_and_never_beyond_two_minutes() -> None:
    needed = answers.seconds_needed
    assert needed(2, 16) < needed(3, 16) < needed(3, 256) <= 120


def test_answers_are_those_of_any_machine_and_a_stop_reaches_the_gpus_process(zero) -> None:
    _, _, models = zero
    here = answers.Models(UNTRAINED[:1], frames=4, cache=models._cache)
    assert models.answer(UNTRAINED[0], prompt_of_text("What?"), VIDEOS, 1.0, KEYS) == here.answer(
        UNTRAINED[0], prompt_of_text("What?"), VIDEOS, 1.0, KEYS
    )
    stops = Stops()
    with stops.running("visitor", ANSWERING) as flag:
        stops.stop("visitor")
        with pytest.raises(Stopped):  # and no "worker error"
            models.answer(UNTRAINED[0], prompt_of_text("Why?"), VIDEOS, 1.0, KEYS, flag)


def test_elsewhere_the_function_is_left_alone() -> None:
    spaces = pytest.importorskip("spaces")
    assert answers.generate.__module__ == "room_demo.answers" and not hasattr(answers.generate, "zerogpu")

    def task() -> None: ...

    assert spaces.GPU(duration=lambda: 1)(task) is task  # the arguments that `on_gpu` uses exist


def test_every_model_is_loaded_before_the_page_starts(zero, monkeypatch, tmp_path) -> None:
    """Workers are forks of the first process: what isn't loaded there is loaded again for every question."""
    app = copy_of("ocr_demo_app", SPACE / "app.py")
    monkeypatch.setattr(answers, "_LOADED", {})
    demo = boxes_demo(tmp_path / "demo")
    models = answers.Models(UNTRAINED, frames=4, cache=tmp_path / "models")
    started = []
    page = SimpleNamespace(
        launch=lambda **named: started.append((sorted(answers._LOADED), named["server_name"])),
        block_thread=lambda: started.append("waiting"),
    )
    monkeypatch.setattr(app, "make_demo", lambda options: type(demo)(demo.rooms, demo.videos, models))
    monkeypatch.setattr(app, "build", lambda demo: page)
    monkeypatch.setattr(app, "sweep_regularly", lambda rooms: None)
    call(app.main, [], "app.py")
    assert started == [(sorted(UNTRAINED), "127.0.0.1"), "waiting"]
