"""Answers as values for the page, curves and indices as HTML. Every text that goes into HTML is escaped here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ocr_hf.vsi_bench.tasks import UNITS

from .checkpoints import UNTRAINED, short
from .findings import change_in_words
from .question_prompt import Answer, QuestionPrompt

if TYPE_CHECKING:
    from .probing import Point

TASK_NAMES = {
    "object_counting": "Object count",
    "object_abs_distance": "Absolute distance",
    "object_size_estimation": "Object size",
    "room_size_estimation": "Room size",
    "object_rel_distance": "Relative distance",
    "object_rel_direction_easy": "Relative direction (easy)",
    "object_rel_direction_medium": "Relative direction (medium)",
    "object_rel_direction_hard": "Relative direction (hard)",
    "obj_appearance_order": "Appearance order",
    "route_planning": "Route planning",
    "planted_lock": "Shelf of the planted lock",
}
UNIT_TEXT = {"": "", "m": " m", "cm": " cm", "m2": " m²"}
NO_CURVE = '<div class="empty"><span>Press Measure: the curve takes some fifteen answers per model.</span></div>'
NO_TEST = (
    "Forty shelves, two edits each: does the answer follow the lamp, and not the paint? Takes half a minute or more."
)
NO_LOCK = (
    '<div class="empty"><span>No former query-lock index yet. It takes three answers to each question: as it is, with '
    "noise on the objects it names, and with noise on as many other pixels.</span></div>"
)
_FORMER = (
    '<p class="quiet">The former index can\'t tell a locked model from one that must see the named objects to answer; '
    "the measure of ocr-hf (<code>docs/measure.md</code>) can.</p>"
)
_CHANGES = {"unread": "no valid answer on either", "no": "same answer", "yes": "answer changed"}
NO_FINDINGS = '<div class="empty"><span>Every question that you ask in this visit becomes a row here.</span></div>'


def untrained_note(names: Sequence[str]) -> str:
    """Return the note on models with random weights, or ""."""
    if not any(name in UNTRAINED for name in names):
        return ""
    return (
        "Untrained model: its weights are random, so its answers are noise and say nothing about any method. Start the "
        "demo with --model to ask a real one."
    )


@dataclass(frozen=True, eq=False)
class Compared:
    """One model's answers to one question on both videos.

    prompts, answers : of the left video and of the right one; frames : how many the model saw of each
    """

    name: str
    frames: int
    prompts: tuple[QuestionPrompt, QuestionPrompt]
    answers: tuple[Answer, Answer]

    @property
    def change(self) -> str:
        """What `change_in_words` says, or "unread" where neither answer can be read."""
        if not (self.answers[0].valid or self.answers[1].valid):
            return "unread"
        return change_in_words(self.prompts[1], *self.answers)


@dataclass(frozen=True, eq=False)
class Writing:
    """What a model that is still writing has written about each video; the rest as of `Compared`."""

    name: str
    frames: int
    prompts: tuple[QuestionPrompt, QuestionPrompt]
    texts: Sequence[str]


def answers_value(
    question: str,
    compared: Sequence[Compared],
    titles: tuple[str, str],
    link: str,
    edited: bool = False,
    expected: Sequence[str] = (),
    writing: Writing | None = None,
) -> str:
    """Return JSON for the bars beside the videos. The page shows every text in it as text.

    titles : of the two videos; link : of the choice that was asked about
    edited : the right video shows an edited room, so what counts is whether the model noticed
    expected : models in order, also those that have yet to answer; () where all have
    writing : the model after those in `compared`, which is at it
    """
    asked = [*compared, *([writing] if writing else [])]
    first = asked[0].prompts[1]
    value = {
        "question": question,
        "kind": TASK_NAMES.get(first.question_type or "", "Your question"),
        "truth": _truth(asked[0].prompts),
        "titles": list(titles),
        "warning": untrained_note([one.name for one in asked]),
        "link": link,
        "expected": [short(name) for name in expected or [one.name for one in compared]],
        "models": [
            {
                "name": short(one.name),
                "seen": f"saw {one.frames} frames",
                "change": one.change,
                "words": _noticed(one) if edited else _CHANGES.get(one.change, f"answer moved ({one.change})"),
                "sides": [side_of(prompt, answer) for prompt, answer in zip(one.prompts, one.answers, strict=True)],
                "options": _options(one),
                "note": _note(one),
            }
            for one in compared
        ]
        + ([_written(writing)] if writing else []),
    }
    return json.dumps(value)


def _written(one: Writing) -> dict[str, Any]:
    letters = one.prompts[1].extraction == "official"  # else it thinks first, and has no bars
    return {
        "name": short(one.name),
        "seen": f"saw {one.frames} frames",
        "change": "no",
        "words": "is writing",
        "sides": [{"value": f"{printable(text)[-300:]} …", "badge": "", "mood": "", "raw": ""} for text in one.texts],
        # As many as the answer will have, so that its bars move from here
        "options": [
            {"text": printable(option), "right": [False, False], "shares": [0.0, 0.0]}
            for option in (one.prompts[1].options if letters else ())
        ],
        "note": "",
    }


def no_answers_value(question: str, link: str = "") -> str:
    """Return JSON for the bars before there is an answer."""
    told = {"question": question, "kind": "", "truth": "", "titles": ["", ""], "warning": "", "link": link}
    return json.dumps({**told, "expected": [], "models": []})


def _noticed(one: Compared) -> str:
    before, after = (prompt.ground_truth for prompt in one.prompts)
    if not after:
        return "no answer is right any more"
    if before == after:
        return "kept its answer" if one.change == "no" else "moved without reason"
    if one.change in ("no", "unread"):
        return "did not notice"
    return "followed" if one.answers[1].score == 1.0 else "noticed, but wrong"


def _truth(prompts: tuple[QuestionPrompt, QuestionPrompt]) -> str:
    told = [_worded(prompt, prompt.ground_truth) for prompt in prompts if prompt.ground_truth is not None]
    if not told:
        return ""
    return f"Right: {told[0]}" if len(set(told)) == 1 else f"Right: {told[0]}, now {told[1]}"


def _worded(prompt: QuestionPrompt, answer: str) -> str:
    """Return an answer with its option's words, as "D. shoes", or with its unit."""
    if answer == "":
        return "none"
    unit = UNIT_TEXT.get(UNITS.get(prompt.question_type or "") or "", "")
    option = next((option for option in prompt.options if option[:1] == answer[:1].upper()), None)
    return option or f"{answer}{unit}"


def side_of(prompt: QuestionPrompt, answer: Answer) -> dict[str, str]:
    """Return one side's answer in words, whether it is right as `badge`, and `mood`: good, bad or ""."""
    badge, mood = "", ""
    if answer.score is not None:
        good = answer.score >= (1.0 if prompt.options else 0.5)
        badge = ("right" if good else "wrong") if prompt.options else f"MRA {answer.score:.1f}"
        mood = "good" if good else "bad"
    value = printable(_worded(prompt, answer.extracted))[:120] if answer.valid else ""
    raw = printable(answer.text[:2000])
    # Only where it says more than the answer itself
    return {"value": value, "badge": badge, "mood": mood, "raw": "" if raw == printable(answer.extracted) else raw}


def _options(one: Compared) -> list[dict[str, Any]]:
    if any(answer.probabilities is None for answer in one.answers):
        return []
    totals = [sum(answer.probabilities.values()) or 1.0 for answer in one.answers]
    return [
        {
            "text": printable(option),
            "right": [option[:1] == prompt.ground_truth for prompt in one.prompts],
            "shares": [
                round(answer.probabilities.get(option[:1], 0.0) / total, 4)
                for answer, total in zip(one.answers, totals, strict=True)
            ],
        }
        for option in one.prompts[1].options
    ]


def _note(one: Compared) -> str:
    """Say how much of the probability the letters hold, where that isn't nearly all."""
    if any(answer.probabilities is None for answer in one.answers):
        return ""
    least = min(sum(answer.probabilities.values()) for answer in one.answers)
    return "" if least > 0.9 else f"Letters hold {100 * least:.3g} % of the first token's probability; bars are shares."


def curve_svg(curves: Mapping[str, Sequence[tuple[str, Point]]]) -> str:
    """Return one small chart per model: how the probability of its own answer falls with the noise's strength.

    curves : model -> points as `probing.curve` yields them
    """
    charts = []
    for name, points in curves.items():
        if not points:
            continue
        letter = points[0][0]
        lines = "".join(
            f'<polyline class="{side}" points="'
            + " ".join(f"{34 + 250 * p.strength:.1f},{118 - 106 * getattr(p, side):.1f}" for _, p in points)
            + '"/>'
            for side in ("context", "queried")
        )
        last = points[-1][1]
        told = (
            f"{short(name)}: probability of its answer {letter}; with noise on what the question names it goes from "
            f"{points[0][1].queried:.2f} to {last.queried:.2f}, on as many other pixels to {last.context:.2f}"
        )
        grid = "".join(
            f'<line x1="34" x2="284" y1="{118 - 106 * v:.0f}" y2="{118 - 106 * v:.0f}"/>'
            f'<text x="28" y="{122 - 106 * v:.0f}" text-anchor="end">{v:g}</text>'
            for v in (0.0, 0.5, 1.0)
        )
        ticks = "".join(
            f'<text x="{34 + 250 * v:.0f}" y="133" text-anchor="middle">{v:g}</text>' for v in (0.0, 0.5, 1.0)
        )
        charts.append(
            f"<figure><figcaption><b>{escape(short(name))}</b> P({escape(letter)})</figcaption>"
            f'<svg viewBox="0 0 300 140" role="img" aria-label="{escape(told)}">'
            f'<g class="grid">{grid}{ticks}</g>{lines}</svg></figure>'
        )
    if not charts:
        return NO_CURVE
    return (
        f'<div class="curves">{"".join(charts)}</div><p class="quiet"><span class="key queried"></span> noise on what '
        'the question names <span class="key context"></span> on as many other pixels. A locked model\'s answer falls '
        "with the first and not with the second.</p>"
    )


def tally_text(tries: Sequence[Mapping[str, Any]]) -> str:
    """Return Markdown that says how often each model noticed an edit, and how often it kept still when it had to."""
    if not tries:
        return "Every edit counts here: does the model notice what changes the answer, and only that?"
    rows = [
        "| model | followed edits that change the answer | kept its answer where nothing changes |",
        "|---|---|---|",
    ]
    for name in dict.fromkeys(row["model"] for row in tries):
        mine = [row for row in tries if row["model"] == name]
        cells = []
        for changes in (True, False):
            of_kind = [row for row in mine if row["changes"] == changes]
            good = sum(row["good"] for row in of_kind)
            cells.append(f"{good} of {len(of_kind)} ({100 * good / len(of_kind):.0f} %)" if of_kind else "none yet")
        rows.append(f"| {short(name)} | {cells[0]} | {cells[1]} |")
    return "\n".join([*rows, "", "*The first column is sensitivity, the second specificity.*"])


def lock_text(scores: Mapping[str, Mapping[str, tuple[int, int, float, float]]], asked: int, of: int) -> str:
    """Return Markdown for the test of the lock.

    scores : as `shelf_probe.lock_scores` returns them; asked, of : shelves so far, and of the whole test
    """
    rows = [
        "| model | right as it is | follows the lamp to another section | keeps its answer under new paint |",
        "|---|---|---|---|",
    ]
    for name, parts in scores.items():
        cells = [f"{good} of {most} ({low:.0f} to {high:.0f} %)" for good, most, low, high in parts.values()]
        rows.append(f"| {short(name)} | {' | '.join(cells)} |")
    so_far = "" if asked >= of else f"**{asked} of {of} shelves so far.** "
    return "\n".join(
        [
            *rows, "",
            f"{so_far}*Shelves that no story shows and no model was trained on. The second and third figure count "
            "where the answer was right before the edit and after it (sensitivity, specificity); in brackets 95 % "
            "intervals.*",
        ]
    )  # fmt: skip


def findings_html(findings: Sequence[Mapping[str, str]]) -> str:
    """Return the table of a visit's findings, latest first."""
    if not findings:
        return NO_FINDINGS
    columns = ("Room", "Model", "Question", "Noise on", "Vanilla", "Noisy", "Correct", "Changed")
    head = "".join(f"<th>{name}</th>" for name in columns)
    rows = []
    for row in reversed(findings):
        cells = []
        for name in columns:
            text = escape(printable(row[name]))
            if name == "Question":
                text += f"<small>{escape(TASK_NAMES.get(row['Task'], row['Task']))}</small>"
            elif name == "Noise on":
                text += f"<small>{escape(row['Noise'])}</small>"
            elif name == "Changed":
                text = f'<span class="badge{"" if row[name] == "no" else " moved"}">{text}</span>'
            cells.append(f"<td>{text}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="findings"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def lock_html(results: Mapping[str, Mapping | None]) -> str:
    """Return the former query-lock index of each model with its parts, its interval, and what it can't tell."""
    cards = []
    for name, result in results.items():
        if result is None:
            continue
        if result["index"] is None:
            note = f"{result['n_unmatched']} questions had too little context to compare"
            cards.append(_figure(short(name), "–", note))
            continue
        low, high = result["interval"] or (None, None)
        interval = f"95 %: {low:.1f} to {high:.1f}" if low is not None else "no interval: needs questions of two rooms"
        span = (
            f'<span style="left:{(low + 100) / 2:.1f}%;width:{max(0.5, (high - low) / 2):.1f}%"></span>'
            if low is not None
            else ""
        )
        scale = f'<div class="scale">{span}<i style="left:{(result["index"] + 100) / 2:.1f}%"></i></div>'
        cards.append(_figure(f"Former query-lock index · {short(name)}", f"{result['index']:+.1f}", interval, scale))
        cards.append(
            _figure(
                "Answers that change",
                f"{result['change_queried']:.0f} % / {result['change_context']:.0f} %",
                f"noise on named objects / on as many other pixels; {result['n']} questions, {result['rooms']} rooms",
            )
        )
    if not cards:
        return NO_LOCK
    note = untrained_note(list(results))
    warning = f'<div class="warn">{escape(note)}</div>' if note else ""
    return f'{warning}<div class="lock">{"".join(cards)}</div>{_FORMER}'


def _figure(name: str, figure: str, note: str, extra: str = "") -> str:
    return (
        f'<div class="card"><div class="name">{escape(name)}</div><div class="figure">{escape(figure)}</div>{extra}'
        f'<div class="note">{escape(note)}</div></div>'
    )


def printable(text: str) -> str:
    """Return text without control characters and surrogates, which browsers show as nothing or as boxes."""
    return "".join(c if c.isprintable() else " " for c in text).replace("\ufffd", "·").strip()
