"""The values that the template of a model card shows, each with its source file."""

from __future__ import annotations

import re
from typing import Any

from ocr_hf.cards.measure_values import BLIND, measure_values
from ocr_hf.cards.source_files import CardInputs, is_commit
from ocr_hf.cards.sourced import Figure, Literal, Renderer, Shown, Sourced
from ocr_hf.cards.stages import is_ocr, last_part
from ocr_hf.vsi_bench.prompts import build_prompt
from ocr_hf.vsi_bench.tasks import TASKS

SMALL = 100_000_000
"""Parameters below which a model is called a small reference checkpoint."""
AUDITS = {
    "text_only": "no video",
    "black": "black frames",
    "shuffled": "frames in random order",
    "repeat": "the same again, in other batches",
    "queried_erased": "queried objects erased",
    "queried_noised": "queried objects noised",
    "context_noised": "as many context pixels noised",
}
SETTINGS = (
    "split",
    "limit",
    "missing",
    "frames",
    "fps",
    "max_frames",
    "frames_as",
    "min_pixels",
    "max_pixels",
    "prompt",
    "max_new_tokens",
    "batch_size",
    "dtype",
    "attention",
    "strength",
    "seed",
    "data_revision",
    "model_revision",
    "base_revision",
)
"""Of results.json: without these a score means nothing. Average and extraction are named beside them."""
MISSING_ANSWERS = ("n_unanswered", "n_errors")
"""Counts of results.json: questions without an answer, and questions whose video could not be read."""


def identity(
    inputs: CardInputs, given: Sourced, renderer: Renderer, results: list[Sourced], configs: list[Sourced]
) -> dict[str, Any]:
    """Names, base model, size, method; `given` are the inputs as sourced values."""
    settings = results[0].settings if results else None
    parameters = settings.get("parameters") if settings else None
    libraries = settings.get("libraries") if settings else None
    names = [name for name in ("ocr-hf", "transformers", "torch") if libraries and name in libraries]
    versions = [Shown(f"{name} {renderer.show(libraries[name])}") for name in names]
    base = Literal("none on the Hub: a small Qwen-VL of this toolkit, trained from random weights")
    if inputs.base_model:
        base = renderer.listed(given.base_model, *([given.base_revision] if inputs.base_revision else []))
    return {
        "repo": given.repo,
        "revision": given.revision,
        "adapter": inputs.adapter,
        "trained_with_ocr": any(map(is_ocr, configs)),
        "base": base,
        "base_id": given.base_model,
        "base_revision": given.base_revision or "main",
        "datasets": _data_names(inputs, given, renderer),
        "parameters": parameters,
        "small": parameters is not None and parameters.value < SMALL,
        "toolkit": renderer.listed(*versions) if versions else Literal("ocr-hf"),
    }


def _data_names(inputs: CardInputs, given: Sourced, renderer: Renderer) -> Any:
    if inputs.datasets:
        return renderer.listed(*given.datasets)
    return Literal("data sets made by `ocr-hf build`, listed below" if inputs.data else "a local data set")


def snippet(results: list[Sourced], configs: list[Sourced], usage: Sourced | None) -> dict[str, Any]:
    """Prompt, frames and answer length: as the model was evaluated, else as `ocr_hf.json` says or as it was trained."""
    row = {"question_type": "object_counting", "question": "How many chair(s) are in this room?"}
    style = frames = longest = size = None
    if results:
        settings = results[0].settings
        style, frames, longest = (settings.get(name) for name in ("prompt", "frames", "max_new_tokens"))
        size = _size(settings)
    elif usage:
        style, frames = usage.get("prompt"), usage.get("frames") or usage.get("num_frames")
    elif configs:
        training = configs[-1].get("training") or configs[-1].get("config")
        style = configs[-1].get("data", "prompt") or configs[-1].get("data", "prompt_style")
        names = ("frames", "num_frames", "max_completion_length")
        frames, earlier, longest = (training.get(name) if training else None for name in names)
        frames = frames or earlier
    return {
        "question": Literal(build_prompt(row, style.value if style else "official")),
        "frames": frames or Literal("32"),
        "max_new_tokens": longest or Literal("64"),
        "size": size,
    }


def _size(settings: Sourced) -> dict[str, Any] | None:
    """Bounds on the pixels of a frame, where the evaluation set other ones than the model's processor."""
    least, most = settings.get("min_pixels"), settings.get("max_pixels")
    if least is None and most is None:
        return None
    own = settings.get("frame_pixels")
    return {
        # 28 x 28, one merged token, and transformers' own upper bound for Qwen2-VL's frames, 768 of them
        "shortest_edge": least or (own.get("shortest_edge") if own else None) or Literal("784"),
        "longest_edge": most or (own.get("longest_edge") if own else None) or Literal("602112"),
    }


def evaluation(results: Sourced, renderer: Renderer) -> dict[str, Any]:
    """One run of `ocr-hf eval`."""
    average = results.average.value
    chance = results.get("references", "random")
    lock = results.get("query_lock")
    settings = [(name.replace("_", " "), results.settings.get(name)) for name in SETTINGS]
    return {
        "results": results,
        "data": data_name(results),
        "interval": results.get("interval", average),
        "chance": chance.get(average) if chance else None,
        "tasks": [
            _task(results.tasks[name], name, title, chance)
            for name, title in _titles(results).items()
            if name in results.tasks
        ],
        "settings": [{"label": name, "value": renderer.listed(value)} for name, value in settings if value is not None],
        "audits": [{"title": AUDITS.get(name, name), "entry": results.audits[name]} for name in results.audits.keys()],  # noqa: SIM118
        "measure": measure_values(results, renderer),
        "lock": lock if lock and lock.get("index") is not None else None,
        "blind": _better_blind(results),
        "missing": [
            {"count": results[name], "why": "no answer" if name == "n_unanswered" else "a video that can't be read"}
            for name in MISSING_ANSWERS
            if name in results and plain(results[name])
        ],
        "missing_score_nothing": "unanswered" not in results or plain(results["unanswered"]) == "zero",
    }


def _better_blind(results: Sourced) -> list[dict[str, Any]]:
    """What answers without looking and scores more than the run: the model itself without video, and constants."""
    average = results.average.value
    found = [(f"this model with {AUDITS[name]}", results.get("audits", name)) for name in ("text_only", "black")]
    found += [(title, results.get("references", name)) for name, title in BLIND.items()]
    scores = [(title, entry.get(average)) for title, entry in found if entry is not None]
    return [
        {"title": title, "score": score}
        for title, score in scores
        if score is not None and score.value > results.overall.value
    ]


def compared_rows(name: Any, results: Sourced) -> list[dict[str, Any]]:
    """A model's rows in the comparison, one for each way in which it was asked all questions.

    A model that was trained without video is shown one like the others; what it can do is in its row without. So every
    row says what was shown, and none is left out where it was measured.
    """
    average = results.average.value
    lock = results.get("query_lock")
    shown = results.settings.get("frames") or results.settings.get("fps")
    unit = Literal("frames" if results.settings.get("frames") else "frames a second")
    rows = [
        {
            "name": name,
            "shown": {"count": shown, "unit": unit},
            "overall": results.overall,
            "interval": results.get("interval", average),
            "lock": lock if lock and lock.get("index") is not None else None,
        }
    ]
    for audit in ("text_only", "black"):
        entry = results.get("audits", audit)
        if entry is not None and average in entry:
            way = {"count": None, "unit": Literal(AUDITS[audit])}
            interval = entry.get("interval", average)
            rows.append({"name": name, "shown": way, "overall": entry[average], "interval": interval, "lock": None})
    return rows


def compared_name(place: str, results: Sourced) -> Literal:
    """What a rival is called: as the folder of its results, where its model is called so, too, else as the model.

    Results that lie in another model's folder are not shown under its name.
    """
    model = str(plain(results.settings.model))
    if place in re.split(r"[/\\]", model):
        return Literal(place)
    on_hub = is_commit(plain(results.settings.get("model_revision")))
    own = model if on_hub else str(plain(last_part(results.settings.model)))
    return Literal(f"{own} ({place})")


def trained_on(file: str, manifest: Sourced) -> dict[str, Any]:
    """A data set of the training: what is in it, who is to be named, how its clips and its noise were made."""
    statistics, config = manifest["statistics"], manifest["config"]
    # Sourced iterates over values, unlike a dictionary
    splits = [{"name": Literal(name), **_counts(statistics["splits"][name])} for name in statistics["splits"].keys()]  # noqa: SIM118
    return {"name": Literal(file.split("/")[-2]), "splits": splits, "sources": statistics["sources"], "config": config}


def _counts(split: Sourced) -> dict[str, Any]:
    return {name: split[name] for name in ("scenes", "clips", "rows")}


def _titles(results: Sourced) -> dict[str, str]:
    """Task -> title: VSI-Bench's, or those of another benchmark, which its results name."""
    own = results.get("task_titles")
    return {task.name: task.title for task in TASKS} if own is None else {name: own[name].value for name in own.keys()}  # noqa: SIM118


def _task(entry: Sourced, name: str, title: str, chance: Sourced | None) -> dict[str, Any]:
    return {
        "title": Literal(title),
        "score": entry.score,
        "interval": entry.get("interval"),
        "n": entry.n,
        "chance": chance.get("tasks", name) if chance else None,
    }


def data_name(results: Sourced) -> Any:
    """What was evaluated on: a Hub id, or the name of a folder, of which nobody needs to know where it was."""
    figure = results.settings.data
    return figure if is_commit(plain(results.settings.get("data_revision"))) else last_part(figure)


def plain(figure: Any) -> Any:
    """The value of a figure."""
    return figure.value if isinstance(figure, Figure) else figure
