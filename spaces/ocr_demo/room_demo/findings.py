"""What a visitor found in a row: the table, the former query-lock index, and both as CSV."""

from __future__ import annotations

import csv
import functools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_hf.questions.question import Question
from ocr_hf.vsi_bench.audits import apply_audit
from ocr_hf.vsi_bench.query_lock import answer_change, query_lock

from .answers import Models
from .checkpoints import short
from .clip import DemoClip
from .question_prompt import Answer, QuestionPrompt, prompt_of_question

COLUMNS = ("Room", "Model", "Task", "Question", "Noise on", "Noise", "Vanilla", "Noisy", "Correct", "Changed")
LOCK_STRENGTH = 1.0
"""As `ocr-hf eval` sets it for its audits."""
MOST_FINDINGS = 500
# Spreadsheets run a cell that begins with one of these
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def finding(
    clip: DemoClip,
    model: str,
    prompt: QuestionPrompt,
    question: str,
    noise_on: str,
    noise: str,
    answers: Sequence[Answer],
) -> dict[str, str]:
    """Return one row of the table: a question's answers on the vanilla and the noisy video."""
    vanilla, noisy = answers
    return {
        "Room": clip.title,
        "Model": short(model),
        "Task": prompt.question_type or "free text",
        "Question": question,
        "Noise on": noise_on or "nothing",
        "Noise": noise,
        "Vanilla": _told(vanilla, prompt),
        "Noisy": _told(noisy, prompt),
        "Correct": prompt.ground_truth or "",
        "Changed": change_in_words(prompt, vanilla, noisy),
    }


def change_in_words(prompt: QuestionPrompt, vanilla: Answer, noisy: Answer) -> str:
    """Return "no", "yes", or how far a number moved: the share of MRA's tolerances that the difference exceeds."""
    if prompt.question_type is None:
        return "no" if vanilla.extracted == noisy.extracted else "yes"
    change = answer_change(prompt.question_type, vanilla.extracted, noisy.extracted)
    return "no" if change == 0.0 else "yes" if change == 1.0 else f"{100 * change:.0f} %"


def lock_row(
    models: Models, name: str, clip: DemoClip, question: Question, number: int, stop: Path | None = None
) -> dict | None:
    """Ask a question three times (vanilla, queried objects noised, as many context pixels noised), as `ocr-hf eval`
    does for the former query-lock index; None where no sampled frame shows a queried object."""
    prompt = prompt_of_question(question, models.style(name))
    seen = clip.seen(models.frames(name))
    indices, frames = seen.indices, seen.frames
    footprints = seen.footprints.select(indices.tolist())
    if not any(footprints.areas(item).any() for item in question.queried_objects):
        return None
    row_id = f"{clip.id}/{number}"
    changed = [
        apply_audit(audit, frames, row_id, 0, LOCK_STRENGTH, footprints, question.queried_objects, indices.tolist())
        for audit in ("queried_noised", "context_noised")
    ]
    videos = [frames, *(item.frames for item in changed)]
    keys = [(row_id, audit) for audit in ("vanilla", "queried_noised", "context_noised")]
    answers = models.answer(name, prompt, videos, seen.fps, keys, stop)
    return {
        "room": clip.id,
        "model": name,
        "question_type": question.question_type,
        "question": question.question,
        "vanilla": answers[0].extracted,
        "queried": answers[1].extracted,
        "context": answers[2].extracted,
        "matched": changed[1].changed_px / max(1, changed[0].changed_px),
    }


def spread(questions: Sequence[Question], count: int) -> list[int]:
    """Return the numbers of `count` questions, one of each task in turn, that name an object."""
    by_type: dict[str, list[int]] = {}
    for number, question in enumerate(questions):
        if question.queried_objects:
            by_type.setdefault(question.question_type, []).append(number)
    turns = [numbers[i] for i in range(len(questions)) for numbers in by_type.values() if i < len(numbers)]
    return turns[:count]


def lock_index(rows: Sequence[Mapping[str, Any]], model: str) -> dict | None:
    """Return `query_lock`'s result over a model's rows, or None where there are none."""
    mine = [row for row in rows if row["model"] == model]
    if not mine:
        return None
    result = query_lock(
        [row["question_type"] for row in mine],
        [row["room"] for row in mine],
        *([row[part] for row in mine] for part in ("vanilla", "queried", "context")),
        [row["matched"] for row in mine],
    )
    return {**result, "rooms": len({row["room"] for row in mine})}


def write_csv(findings: Sequence[Mapping[str, str]], locks: Sequence[Mapping[str, Any]]) -> str:
    """Write both tables to a new file in `exports()` and return its path; no cell can start a formula."""
    path = Path(tempfile.mkdtemp(dir=exports())) / "findings.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([_cell(row[name]) for name in COLUMNS] for row in findings)
        if locks:
            names = ("room", "model", "question_type", "question", "vanilla", "queried", "context", "matched")
            writer.writerows([[], ["Former query-lock index: extracted answers"], list(names)])
            writer.writerows([_cell(row[name]) for name in names] for row in locks)
    return str(path)


@functools.cache
def exports() -> Path:
    """Return this process's folder for CSV files; Gradio copies them, and the sweep removes them."""
    return Path(tempfile.mkdtemp(prefix="ocr_demo_"))


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _told(answer: Answer, prompt: QuestionPrompt) -> str:
    if not answer.valid:
        return "(no valid answer)"
    text = answer.extracted[:60]
    if answer.score is None:
        return text
    # A share would be taken for the answer's probability, which the bars show
    return f"{text} ({('right' if answer.score == 1.0 else 'wrong') if prompt.options else f'MRA {answer.score:.1f}'})"
