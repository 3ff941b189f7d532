"""What happens when a visitor asks a model, tests the query lock, or stops either."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from . import views
from .cards import answers_html, findings_html, lock_html
from .checkpoints import short
from .clip import DemoClip
from .findings import MOST_FINDINGS, finding, lock_index, lock_row, spread, write_csv
from .handlers import make_choice
from .noise import Noise
from .problems import Problem
from .question_prompt import Answer, QuestionPrompt, prompt_of_question, prompt_of_text
from .views import Demo

NONE = "none"
"""Value of "compare with" where there is no second model."""
ANSWERING, TESTING = "answering", "testing"


class QuestionEvents:
    """The events of questions and answers, over what all visitors share."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo

    def answer(
        self, room: str, policy: str, chosen: list, count: float, mode: str, strength: float, seed: float,
        question: int | None, own_words: str, model: str, second: str, thinking: bool, findings: list, locks: list,
        request: gr.Request, progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[list[Any]]:  # fmt: skip
        """Ask one or two models on both videos; add a row to the findings."""
        choice = make_choice(room, policy, chosen, count, mode, strength, seed, question)
        models = self.demo.models
        names = [models.check(model), *([models.check(second)] if second != NONE else [])]
        progress(0.1, desc="Preparing both videos")
        _, clip, noisy = views.stage_value(self.demo, choice)
        own = (own_words or "").strip()
        picked = None if own else views.question_of(clip, question)
        text = picked.question if picked else own
        noise = views.with_queried(choice.noise, clip, question)
        words = views.noise_words(clip, noisy, noise)
        on = ", ".join(clip.name_of(i) for i in noisy.object_ids)
        kind = f"{noise.mode} {noise.strength:g}, seed {noise.seed}"
        results = []
        with self.demo.stops.running(request.session_hash, ANSWERING) as stop:
            for name in dict.fromkeys(names):
                progress(0.3 + 0.6 * len(results) / len(names), desc=f"Asking {short(name)}")
                prompt = prompt_of_question(picked, models.style(name, thinking)) if picked else prompt_of_text(own)
                answers = answer_both(self.demo, name, prompt, clip, noise, noisy.object_ids, stop)
                results.append((name, min(models.frames(name), len(clip.frames)), answers))
                findings = [*findings, finding(clip, name, prompt, text, on, kind, answers)][-MOST_FINDINGS:]
                yield [answers_html(prompt, text, results, words), findings, *shown_findings(findings, locks)]

    def test_lock(
        self,
        room: str,
        model: str,
        number: float,
        findings: list,
        locks: list,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[list[Any]]:
        """Ask some of the room's questions three times and show the index so far."""
        clip, name = self.demo.rooms.clip(room), self.demo.models.check(model)
        numbers = spread(clip.questions, int(number))
        if not numbers:
            raise Problem("No question of this room names an object, so there is nothing to test.")
        mine = [row for row in locks if (row["room"], row["model"]) != (clip.id, name)]
        with self.demo.stops.running(request.session_hash, TESTING) as stop:
            for done, index in enumerate(numbers):
                progress(done / len(numbers), desc=f"Question {done + 1} of {len(numbers)}, asked three times")
                row = lock_row(self.demo.models, name, clip, clip.questions[index], index, stop)
                mine = [*mine, *([row] if row else [])]
                yield [mine, *shown_findings(findings, mine)]

    def stop_answering(self, request: gr.Request) -> None:
        """End this visitor's question, also in the middle of an answer."""
        self._stop(request, ANSWERING)

    def stop_testing(self, request: gr.Request) -> None:
        """End this visitor's query-lock test, also in the middle of an answer; what it found so far stays."""
        self._stop(request, TESTING)

    def leave(self, request: gr.Request) -> None:
        """End whatever runs for a visitor who closed the page."""
        self.demo.stops.stop(request.session_hash)

    def _stop(self, request: gr.Request, kind: str) -> None:
        running = self.demo.stops.stop(request.session_hash, kind)
        gr.Info("Stopped." if running else "Nothing is running.", duration=3)

    def clear(self) -> list[Any]:
        """Forget this visitor's findings."""
        return [[], [], *shown_findings([], [])]


def shown_findings(findings: list, locks: list) -> list[Any]:
    """Return updates for table, index and CSV button."""
    models = list(dict.fromkeys(row["model"] for row in locks))
    some = bool(findings or locks)
    return [
        findings_html(findings),
        lock_html({name: lock_index(locks, name) for name in models}),
        gr.update(value=write_csv(findings, locks) if some else None, interactive=some),
    ]


def answer_both(
    demo: Demo,
    name: str,
    prompt: QuestionPrompt,
    clip: DemoClip,
    noise: Noise,
    object_ids: Sequence[int],
    stop: Path | None = None,
) -> tuple[Answer, ...]:
    """Return a model's answers on the vanilla and the noisy frames; `stop` is a file that ends it."""
    variant, frames = demo.videos.frames(clip, noise, object_ids)
    keys = [(clip.id, "vanilla"), (clip.id, variant)]
    return demo.models.answer(name, prompt, [clip.frames, frames], clip.fps, keys, stop)
