"""Answers and indices as HTML. Every text from a model, a scene or a visitor is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ocr_hf.questions.question import Question
from ocr_hf.vsi_bench.tasks import UNITS

from .checkpoints import UNTRAINED, short
from .findings import change_in_words
from .question_prompt import Answer, QuestionPrompt

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
}
UNIT_TEXT = {"": "", "m": " m", "cm": " cm", "m2": " m²"}
NO_LOCK = (
    '<div class="empty"><span>No query-lock test yet. It asks each question three times: as it is, with noise on the '
    "objects it names, and with noise on as many other pixels.</span></div>"
)
_CHANGES = {"unread": "no valid answer on either", "no": "same answer", "yes": "answer changed"}
NO_FINDINGS = '<div class="empty"><span>Every question that you ask in this visit becomes a row here.</span></div>'


def untrained_note(names: Sequence[str]) -> str:
    """Return the note on models with random weights, or ""."""
    if not any(name in UNTRAINED for name in names):
        return ""
    return (
        '<div class="warn"><b>Untrained model.</b> The tiny model has random weights: its answers are noise and say '
        "nothing about any method. Start the demo with <code>--model</code> to ask a real one.</div>"
    )


def no_answers_html(names: Sequence[str], question: Question | None = None) -> str:
    """Return what is shown before a question is asked: the question in full, and where its answers will be.

    names : of the models on offer, the default first
    """
    heading = ""
    if question is not None:
        kind = TASK_NAMES.get(question.question_type, "")
        heading = f"{escape(question.question)}<small>{kind}</small>"
    return (
        f'<div class="answers"><div class="asked">{heading}</div>{untrained_note(names[:1])}<div class="empty"><span>'
        "Both answers appear here, side by side: press <b>Ask on both videos</b>.</span></div></div>"
    )


def answers_html(
    prompt: QuestionPrompt, question: str, results: Sequence[tuple[str, int, Sequence[Answer]]], noise: str
) -> str:
    """Return the answers of each model on both videos, side by side.

    results : (model, frames it saw, (answer on the vanilla video, answer on the noisy one))
    noise : what was perturbed, in words
    """
    kind = TASK_NAMES.get(prompt.question_type or "", "Your question")
    truth = ""
    if prompt.ground_truth is not None:
        unit = UNIT_TEXT.get(UNITS.get(prompt.question_type) or "", "")
        right = next((o for o in prompt.options if o.startswith(f"{prompt.ground_truth}.")), prompt.ground_truth)
        truth = f" · correct: <b>{escape(right)}{unit}</b>"
    parts = [f'<div class="asked">{escape(question)}<small>{kind}{truth}</small></div>']
    parts.append(untrained_note([name for name, _, _ in results]))
    for name, frames, (vanilla, noisy) in results:
        change = change_in_words(prompt, vanilla, noisy)
        if not (vanilla.valid or noisy.valid):
            change = "unread"
        words = _CHANGES.get(change, f"answer moved ({change})")
        parts.append(
            f'<div class="model"><b>{escape(short(name))}</b><span class="seen">saw {frames} frames</span>'
            f'<span class="badge change" data-change="{escape(change)}">{words}</span></div><div class="row">'
            f"{_card(prompt, vanilla, 'vanilla', 'Vanilla video')}"
            f"{_card(prompt, noisy, 'noisy', f'Noisy: {noise}' if noise else 'Noisy (nothing perturbed)')}</div>"
        )
    return f'<div class="answers">{"".join(parts)}</div>'


def _card(prompt: QuestionPrompt, answer: Answer, side: str, title: str) -> str:
    unit = UNIT_TEXT.get(UNITS.get(prompt.question_type or "") or "", "")
    shown = printable(answer.extracted)[:120]
    size = " long" if len(shown) > 20 else ""
    value = f'<div class="value{size}">{escape(shown)}{unit}</div>'
    if not answer.valid:
        value = '<div class="value none">no valid answer</div>'
    raw = f'<div class="raw">As written: {escape(printable(answer.text)[:2000]) or "(empty)"}</div>'
    return (
        f'<div class="card {side}"><div class="head"><span>{escape(title)}</span>{_badge(prompt, answer)}</div>'
        f"{value}{_options(prompt, answer)}{raw}</div>"
    )


def _badge(prompt: QuestionPrompt, answer: Answer) -> str:
    if answer.score is None:
        return ""
    if prompt.options:
        return f'<span class="badge {"good" if answer.score else "bad"}">{"right" if answer.score else "wrong"}</span>'
    return f'<span class="badge {"good" if answer.score >= 0.5 else "bad"}">MRA {answer.score:.1f}</span>'


def _options(prompt: QuestionPrompt, answer: Answer) -> str:
    if answer.probabilities is None:
        return ""
    total = sum(answer.probabilities.values()) or 1.0
    rows = []
    for option in prompt.options:
        letter = option[:1]
        share = answer.probabilities.get(letter, 0.0) / total
        right = " right" if letter == prompt.ground_truth else ""
        rows.append(
            f'<div class="option{right}" title="{escape(option)}"><span class="name">{escape(option)}</span>'
            f'<span class="track"><span class="fill" style="width:{100 * share:.1f}%"></span></span>'
            f'<span class="share">{100 * share:.0f} %</span></div>'
        )
    note = f"Letters hold {100 * total:.3g} % of the first token's probability; bars are shares."
    return f'{"".join(rows)}<div class="raw">{note}</div>'


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
    """Return the query-lock index of each model with its parts and interval."""
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
        cards.append(_figure(f"Query-lock index · {short(name)}", f"{result['index']:+.1f}", interval, scale))
        cards.append(
            _figure(
                "Answers that change",
                f"{result['change_queried']:.0f} % / {result['change_context']:.0f} %",
                f"noise on named objects / on as many other pixels; {result['n']} questions, {result['rooms']} rooms",
            )
        )
    if not cards:
        return NO_LOCK
    return f'{untrained_note(list(results))}<div class="lock">{"".join(cards)}</div>'


def _figure(name: str, figure: str, note: str, extra: str = "") -> str:
    return (
        f'<div class="card"><div class="name">{escape(name)}</div><div class="figure">{escape(figure)}</div>{extra}'
        f'<div class="note">{escape(note)}</div></div>'
    )


def printable(text: str) -> str:
    """Return text without control characters and surrogates, which browsers show as nothing or as boxes."""
    return "".join(c if c.isprintable() else " " for c in text).replace("\ufffd", "·").strip()
