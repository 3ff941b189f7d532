"""What happens when a visitor's choice is answered, measured or tested, or stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

from . import views
from .cards import Compared, Writing, answers_value, curve_svg, findings_html, lock_html, lock_text
from .checkpoints import short
from .comparing import compare, questions_of
from .findings import MOST_FINDINGS, finding, lock_index, lock_row, spread, write_csv
from .guessing import YOU, Guesses, score_text
from .handlers import ANSWERING, make_choice
from .probing import curve, draw_map, occlusion
from .problems import Problem
from .share_card import write_card
from .shelf_probe import TESTED, ask_shelves, lock_scores
from .views import Demo

TESTING, MEASURING, GUESSING, SHARING = "testing", "measuring", "guessing", "sharing"


class QuestionEvents:
    """The events of questions and answers, over what all visitors share; `controls` as `Handlers` has them."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo

    def answer(
        self, request: gr.Request, own_words: str, model: str, second: str, thinking: bool, findings: list,
        locks: list, *controls: Any,
    ) -> Iterator[list[Any]]:  # fmt: skip
        """Ask one or two models on both videos, and add a row of each to the findings.

        Where a newer choice has made this one stale, nothing is shown.
        """
        if self.demo.stops.refused(request.session_hash, ANSWERING):
            return
        choice = make_choice(*controls)
        sides = views.sides_of(self.demo, choice, video=False)
        own = (own_words or "").strip()
        text = own or questions_of(sides, choice.question)[1].question
        names = tuple(dict.fromkeys((model, second)))
        on = ", ".join(sides.right.name_of(i) for i in sides.noisy.object_ids)
        kind = f"{sides.noise.mode} {sides.noise.strength:g}, seed {sides.noise.seed}"
        if sides.edited:
            on, kind = "", views.edits_in_words(choice.edits, sides.left)
        done: list[Compared] = []
        visitor = request.session_hash
        for one in compare(self.demo, visitor, ANSWERING, names, sides, choice.question, own, thinking):
            writing = one if isinstance(one, Writing) else None
            if writing is None:
                done.append(one)
                row = finding(sides.right, one.name, one.prompts[1], text, on, kind, one.answers)
                findings = _with_row(findings, row)
            told = answers_value(text, done, sides.titles, views.link(choice), sides.edited, names, writing)
            yield [told, *([gr.skip()] * 4 if writing else [findings, *shown_findings(findings, locks)])]

    def share(
        self, request: gr.Request, own_words: str, model: str, second: str, thinking: bool, *controls: Any
    ) -> Any:
        """Draw the share card of what the page shows into a new file; the models keep the answers that they gave."""
        choice = make_choice(*controls)
        sides = views.sides_of(self.demo, choice, video=False)
        own = (own_words or "").strip()
        asked = compare(self.demo, request.session_hash, SHARING, (model, second), sides, choice.question, own,
                        thinking)  # fmt: skip
        compared = [one for one in asked if isinstance(one, Compared)]
        if not compared:
            return gr.skip()
        text = own or questions_of(sides, choice.question)[1].question
        return write_card(self.demo, choice, sides, text, compared)

    def guess(
        self, request: gr.Request, letter: str | None, story: str, guesses: Guesses, model: str, second: str,
        *controls: Any,
    ) -> list[Any]:  # fmt: skip
        """Score a visitor's guess and the models' answers about the right video; then these may be seen."""
        if not letter or not story:
            return [gr.skip()] * 4
        choice = make_choice(*controls)
        sides = views.sides_of(self.demo, choice, video=False)
        right = questions_of(sides, choice.question)[1].ground_truth
        scored = {YOU: letter == right}
        for one in compare(self.demo, request.session_hash, GUESSING, (model, second), sides, choice.question):
            if isinstance(one, Compared):
                scored[one.name] = one.answers[1].score == 1.0
        guesses = {**guesses, story: scored}
        told = "**Right.**" if scored[YOU] else f"**No: {right}.**"
        return [gr.update(visible=False), "", guesses, score_text(guesses, told)]

    def measure(self, request: gr.Request, model: str, second: str, *controls: Any) -> Iterator[list[Any]]:
        """Draw curves and maps for the question: point by point, object by object; kept, so that it is done once."""
        choice = make_choice(*controls)
        clip = self.demo.rooms.edited(choice.room, choice.edits)
        question = views.question_of(clip, choice.question)
        names = list(dict.fromkeys((model, second)))
        curves: dict[str, list] = {}
        shown: list[tuple[str, str]] = []
        with self.demo.stops.running(request.session_hash, MEASURING) as stop:
            for name in names:
                for point in curve(self.demo.models, name, clip, question, choice.question, stop):
                    curves.setdefault(name, []).append(point)
                    yield [curve_svg(curves), gr.skip()]
            for name in names:
                seen, changes = clip.seen(self.demo.models.frames(name)), {}
                for changes in occlusion(self.demo.models, self.demo.videos, name, clip, question, stop):
                    line = f"Map of {short(name)}: {len(changes)} of {len(clip.labels)} objects noised, one by one."
                    yield [f'{curve_svg(curves)}<p class="quiet">{escape(line)}</p>', gr.skip()]
                most = sorted(changes.items(), key=lambda item: -item[1])[:2]
                told = ", ".join(f"{clip.name_of(i)} {100 * value:.0f} %" for i, value in most)
                picture = draw_map(self.demo.rooms.store, clip, seen, changes)
                shown = [*shown, (str(picture), f"{short(name)}: its answer moves most without {told}")]
                yield [curve_svg(curves), shown]

    def test_pair(
        self,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[str]:
        """Show what edits of shelves tell about the pair, shelf after shelf."""
        rows: list = []
        with self.demo.stops.running(request.session_hash, TESTING) as stop:
            for done, told in enumerate(ask_shelves(self.demo.models, stop=stop), start=1):
                progress(done / TESTED, desc=f"Shelf {done} of {TESTED}")
                rows = [*rows, *told]
                if rows:
                    yield lock_text(lock_scores(rows), done, TESTED)

    def test_lock(
        self,
        everywhere: bool,
        room: str,
        model: str,
        number: float,
        findings: list,
        locks: list,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[list[Any]]:
        """Ask some questions of the room, or of every room in the list, three times, and show the index so far."""
        rooms, name = self.demo.rooms, self.demo.models.check(model)
        ids = [each for each in rooms.titles if each not in rooms.unlisted] if everywhere else [room]
        jobs = [(rooms.clip(each), index) for each in ids for index in spread(rooms.clip(each).questions, int(number))]
        if not jobs:
            raise Problem("No question of this room names an object, so there is nothing to test.")
        asked = {clip.id for clip, _ in jobs}
        mine = [row for row in locks if row["model"] != name or row["room"] not in asked]
        with self.demo.stops.running(request.session_hash, TESTING) as stop:
            for done, (clip, index) in enumerate(jobs):
                progress(done / len(jobs), desc=f"Question {done + 1} of {len(jobs)}, asked three times")
                row = lock_row(self.demo.models, name, clip, clip.questions[index], index, stop)
                mine = [*mine, *([row] if row else [])]
                yield [mine, *shown_findings(findings, mine)]

    def stop_answering(self, request: gr.Request) -> None:
        """End this visitor's question, in the middle of an answer or before it has begun."""
        self.demo.stops.refuse(request.session_hash, ANSWERING)
        # Also where nothing ran yet: what was asked for won't be answered
        gr.Info("Stopped.", duration=3)

    def stop_measuring(self, request: gr.Request) -> None:
        """End this visitor's curves and maps; what there is stays."""
        self._stop(request, MEASURING)

    def stop_testing(self, request: gr.Request) -> None:
        """End the test of this visitor's questions, also in the middle of an answer; what it found so far stays."""
        self._stop(request, TESTING)

    def leave(self, request: gr.Request) -> None:
        """End whatever runs for a visitor who closed the page."""
        self.demo.stops.leave(request.session_hash)

    def _stop(self, request: gr.Request, kind: str) -> None:
        running = self.demo.stops.stop(request.session_hash, kind)
        gr.Info("Stopped." if running else "Nothing is running.", duration=3)

    def clear(self) -> list[Any]:
        """Forget this visitor's findings."""
        return [[], [], *shown_findings([], [])]


def _with_row(findings: Sequence[Mapping[str, str]], row: Mapping[str, str]) -> list:
    """Return the findings with one more; a question asked again in the same way takes its earlier row's place."""
    same = ("Room", "Model", "Question", "Noise on", "Noise")
    kept = [old for old in findings if any(old[name] != row[name] for name in same)]
    return [*kept, row][-MOST_FINDINGS:]


def shown_findings(findings: list, locks: list) -> list[Any]:
    """Return updates for table, index and CSV button."""
    models = list(dict.fromkeys(row["model"] for row in locks))
    some = bool(findings or locks)
    return [
        findings_html(findings),
        lock_html({name: lock_index(locks, name) for name in models}),
        gr.update(value=write_csv(findings, locks) if some else None, interactive=some),
    ]
