"""Predictions that somebody else's harness wrote: rows in the columns of any, paired with the questions.

Imports nothing of the package: the metric's Space carries a byte copy of this file. Files become rows in
`prediction_files.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

PREDICTION_COLUMNS = ("prediction", "predictions", "pred", "pred_answer", "response", "output", "model_output")
"""Names under which the model's text is looked for, in this order; then "answer", where it isn't the truth."""
_TEXTS = (*PREDICTION_COLUMNS, "filtered_resps", "answer")
_TRUTHS = ("answer", "target", "gt")
"""Names of the truth where no column is called `ground_truth`."""
_RECORDED = ("MRA:.5:.95:.05", "accuracy", "hit", "score")
"""Names under which harnesses record a question's score, 0 to 1."""


@dataclass(frozen=True)
class Run:
    """Columns of equal length, one entry per scored question.

    ids are None where the rows have none; pruned and scenes are None unless every row has them. unanswered holds the
    ids of questions without a prediction: they are the last rows, with None for the prediction, or none of the rows
    where they are left out. recorded holds the scores, 0 to 1, that the harness itself wrote beside the answers, None
    for a row without one, and is None where the file has none. elsewhere counts answers to questions that aren't asked.
    """

    predictions: tuple[object, ...]
    references: tuple[object, ...]
    question_types: tuple[str, ...]
    ids: tuple[object, ...] | None
    pruned: tuple[bool, ...] | None
    scenes: tuple[str, ...] | None
    unanswered: tuple[object, ...] = ()
    recorded: tuple[float | None, ...] | None = None
    looks_like: str = "rows"
    elsewhere: int = 0


def pair(
    rows: Sequence[Mapping],
    questions: Iterable[Mapping] | None = None,
    missing: str = "zero",
    others: Collection[Mapping] = (),
) -> Run:
    """Join predictions with their questions, or take `question_type` and `ground_truth` from the rows.

    Rows are joined on `id`; those of a harness that writes none, on scene and question. An empty prediction is kept:
    it scores 0. Of a predictions.parquet that `ocr-hf eval` wrote, the rows that an audit changed are passed over.

    Args:
        rows: As `read_rows` returns them, of any harness that `docs/evaluation.md` lists.
        questions: What is asked; without it the rows must bring types and truths.
        missing: What a question without a row does: "zero" scores 0, "leave-out" is not among the rows.
        others: Questions of the benchmark that aren't asked; their answers are passed over and counted.

    Raises:
        ValueError: There are no rows, no column holds the model's text, an id has two answers or no question, or a
            type or truth is missing.
    """
    rows = [row for row in rows if row.get("audit") in (None, "vanilla")]
    if not rows:
        raise ValueError("there are no predictions; give at least one row")
    kind = looks_like(rows[0])
    plain = [_plain(row) for row in rows]
    column = next((name for name in _TEXTS if name in plain[0]), None)
    # VLMEvalKit and EASI write the truth into `answer`
    if column is None or (column == "answer" and _has_truth_in_answer(plain[0])):
        raise ValueError(
            f"this looks like {kind} and lacks the model's text; its first row has {', '.join(map(str, rows[0]))}; "
            f"name the column '{PREDICTION_COLUMNS[0]}'"
        )
    for number, row in enumerate(plain):
        if column not in row:
            raise ValueError(f"row {number} has no '{column}'; give every question one, null for no answer")
    merged = [{**_named(row, column), "prediction": _text(row[column])} for row in plain]
    unanswered: tuple[object, ...] = ()
    asked = len(merged)
    if questions is not None:
        merged, unanswered, asked = _join(merged, list(questions), missing, others)
    _check_ids(merged)
    for name in ("question_type", "ground_truth"):
        absent = next((number for number, row in enumerate(merged) if row.get(name) is None), None)
        if absent is not None:
            raise ValueError(
                f"row {absent} has no '{name}': this looks like {kind}; add the column, or the questions to join on "
                "'id' (--data nyu-visionx/VSI-Bench)"
            )
    recorded = tuple(row.get("recorded") for row in merged)
    return Run(
        predictions=tuple(row["prediction"] for row in merged),
        references=tuple(str(row["ground_truth"]) for row in merged),
        question_types=tuple(row["question_type"] for row in merged),
        ids=_complete(merged, lambda row: row.get("id")),
        pruned=_complete(merged, _pruned),
        scenes=_complete(merged, _scene),
        unanswered=unanswered,
        recorded=None if all(score is None for score in recorded) else recorded,
        looks_like=kind,
        elsewhere=len(rows) - asked,
    )


def without_pruned(run: Run) -> Run:
    """Return the debiased part of a run; raise ValueError unless every row says whether it is pruned."""
    if run.pruned is None:
        raise ValueError(
            "not every row has 'pruned', which marks what the debiased split leaves out; join the questions"
        )
    keep = [place for place, pruned in enumerate(run.pruned) if not pruned]

    def kept(column: tuple | None) -> tuple | None:
        return None if column is None else tuple(column[place] for place in keep)

    columns = ("predictions", "references", "question_types", "ids", "pruned", "scenes", "recorded")
    changes = {name: kept(getattr(run, name)) for name in columns}
    return replace(run, **changes, elsewhere=len(run.predictions) - len(keep))


def looks_like(row: Mapping) -> str:
    """Return what wrote a row, by its columns, in words."""
    names = set(row)
    if "doc_id" in names and names & {"filtered_resps", "resps", "doc_hash", "target"}:
        return "lmms-eval's log of samples"
    if names >= {"Type", "Count", "Score_sum"} or names >= {"metric", "value"}:
        return "VLMEvalKit's table of averages"
    if "index" in names and names & {"task_type", "pred_extracted", "judge_grade"}:
        return "EASI's table of extractions"
    if "index" in names and "candidates" in names:
        return "EASI's predictions" if "question_type" in names else "VLMEvalKit's predictions"
    if names >= {"question_type", "ground_truth", "question", "scene_name"} and not names & set(PREDICTION_COLUMNS):
        return "VSI-Bench's file of questions"
    return "answers by id" if "id" in names else "a table of another kind"


def _plain(row: Mapping) -> dict:
    """Return a row with what harnesses nest inside it: lmms-eval's records and documents."""
    nested = {name for name, item in row.items() if isinstance(item, Mapping) and "question_type" in item}
    plain: dict = {}
    for name in nested:
        plain |= row[name]
    plain |= {name: value for name, value in row.items() if name not in nested}
    if "doc_id" in row:
        # Its number in the data set that was asked, which is no id: the debiased one has numbers of its own
        plain.pop("doc_id")
    return plain


def _has_truth_in_answer(row: Mapping) -> bool:
    """Return whether `answer` is the truth: VLMEvalKit and EASI write an index and the options beside it."""
    return "index" in row and ("candidates" in row or "type" in row or "question_type" in row)


def _named(row: dict, column: str) -> dict:
    """Return a row with VSI-Bench's names for what VLMEvalKit and EASI call otherwise."""
    if _has_truth_in_answer(row):
        row = {"options": row.get("candidates"), **row, **_video_names(row)}
    row = {"question_type": row.get("type"), **row}
    if row.get("ground_truth") is None:
        row["ground_truth"] = next(
            (row[name] for name in _TRUTHS if name != column and row.get(name) is not None), None
        )
    if row.get("id") is not None:
        row["id"] = _plain_id(row["id"])
    score = next((row[name] for name in _RECORDED if _is_score(row.get(name))), None)
    return {**row, "recorded": None if score is None else float(score)}


def _video_names(row: Mapping) -> dict:
    """Return data set and scene from the column `video`: "arkitscenes/41069025", with or without .mp4 or data set."""
    if row.get("scene_name") is not None or not isinstance(row.get("video"), (str, int)):
        return {}
    parts = re.sub(r"\.mp4$", "", str(row["video"])).split("/")
    data_set = parts[-2] if len(parts) > 1 else row.get("prefix") or row.get("dataset")
    return {"scene_name": parts[-1], "dataset": data_set}


def _is_score(value: object) -> bool:
    try:
        return not isinstance(value, bool) and 0.0 <= float(value) <= 1.0  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _plain_id(value: object) -> object:
    """Return an id without the ".0" that tables with gaps put behind integers; "7" and 7 are one id."""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    text = re.sub(r"^(-?\d+)\.0+$", r"\1", text.strip())
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) and str(int(text)) == text else text


def _text(value: object) -> object:
    """Return the first text of a list of them, as lmms-eval logs answers, however deep; others as they are."""
    while isinstance(value, list):
        value = value[0] if value else None
    return value


def _join(
    rows: list[dict], questions: list[Mapping], missing: str, others: Collection[Mapping]
) -> tuple[list[dict], tuple[object, ...], int]:
    """Return each row with its question's columns, the ids that no row answers, and how many rows were asked for."""
    by_id: dict[object, Mapping] = {}
    for question in questions:
        key = _plain_id(question["id"])
        if key in by_id:
            raise ValueError(f"id {question['id']} names two questions; ids must be unique")
        by_id[key] = question
    known = {_plain_id(question["id"]) for question in others} | by_id.keys()
    if not any(row.get("id") is not None for row in rows):
        _add_ids(rows, [*questions, *others])
    joined: dict[object, dict] = {}
    places: dict[object, int] = {}
    for number, row in enumerate(rows):
        key = row.get("id")
        if key not in known:
            raise ValueError(f"row {number}: id {key} is none of the {len(known)} questions'; check the ids")
        if key in places:
            first = rows[places[key]]["prediction"]
            raise ValueError(
                f"row {number}: id {key} was answered before, in row {places[key]} ({first!r}, here "
                f"{row['prediction']!r}); keep one prediction per question"
            )
        places[key] = number
        if key in by_id:
            joined[key] = row | dict(by_id[key])
    if not joined:
        raise ValueError(f"none of the {len(rows)} rows answers one of the {len(by_id)} questions; check the split")
    asked, absent = len(joined), [question for key, question in by_id.items() if key not in joined]
    merged = list(joined.values())
    if missing == "zero":
        merged += [{**question, "prediction": None} for question in absent]
    return merged, tuple(question["id"] for question in absent), asked


def _add_ids(rows: list[dict], questions: list[Mapping]) -> None:
    """Give rows without ids those of the questions about the same scene in the same words."""
    ids: dict[tuple[str, str], list[object]] = {}
    for question in questions:
        key = str(question.get("scene_name")), _words(question.get("question"))
        ids.setdefault(key, []).append(_plain_id(question["id"]))
    for number, row in enumerate(rows):
        found = list(dict.fromkeys(ids.get((str(row.get("scene_name")), _words(row.get("question"))), [])))
        if row.get("scene_name") is None or row.get("question") is None or len(found) != 1:
            raise ValueError(
                f"row {number} has no 'id', and its scene and question name {len(found)} of the questions; add the "
                "column 'id'"
            )
        row["id"] = found[0]


def _words(text: object) -> str:
    return " ".join(str(text).split())


def _check_ids(rows: Sequence[Mapping]) -> None:
    """Raise ValueError for an id with two answers; rows without ids can't be told apart."""
    places: dict[object, int] = {}
    for number, row in enumerate(rows):
        key = row.get("id")
        if key is not None and key in places:
            first = places[key]
            raise ValueError(
                f"id {key} has two answers, {rows[first]['prediction']!r} in row {first} and {row['prediction']!r} in "
                f"row {number}; keep one prediction per question"
            )
        places[key] = number


def _complete(rows: list[dict], value) -> tuple | None:
    """Return `value` of every row, or None if one row has none."""
    values = tuple(value(row) for row in rows)
    return None if any(item is None for item in values) else values


def _pruned(row: dict) -> bool | None:
    value = row.get("pruned")
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    # A table has NaN for a missing flag, which bool() takes for true
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else bool(value)


def _scene(row: dict) -> str | None:
    if row.get("scene_name") is None:
        return None
    return f"{row.get('dataset') or ''}/{row['scene_name']}"
