"""The machine-readable side of a model card: YAML metadata with model-index, and `.eval_results/`."""

from __future__ import annotations

from typing import Any

from ocr_hf.cards.source_files import CardInputs, is_commit
from ocr_hf.cards.sourced import Sourced
from ocr_hf.cards.values import MISSING_ANSWERS, SETTINGS, data_name, plain

TAGS = ("object-centric-3d-rollout", "vsi-bench", "spatial-reasoning", "video", "grpo")

ENTRY = ("split", "data_revision")
"""Settings that have a field of their own in the Hub's format of results."""


def metadata(inputs: CardInputs, results: list[Sourced]) -> Any:
    """Return the `ModelCardData` of a model with these results."""
    from huggingface_hub import ModelCardData

    relation = "adapter" if inputs.adapter else "finetune"
    # The Hub links an entry to the data set of its id. A folder's name would link to a stranger's, or to nothing; what
    # was measured on a folder is in the card's text.
    known = [result for result in results if is_commit(plain(result.settings.get("data_revision")))]
    return ModelCardData(
        language="en",
        license=inputs.licence,
        library_name="peft" if inputs.adapter else "transformers",
        pipeline_tag="video-text-to-text",
        base_model=inputs.base_model,
        base_model_relation=relation if inputs.base_model else None,
        datasets=list(inputs.datasets) or None,
        tags=list(TAGS),
        # huggingface_hub demands a name where there are results, and writes it as a stray key where there are none
        model_name=inputs.repo.rpartition("/")[2] if known else None,
        eval_results=[_index_entry(result) for result in known] or None,
    )


def _index_entry(result: Sourced) -> Any:
    from huggingface_hub import EvalResult

    settings, data = result.settings, str(plain(data_name(result)))
    benchmark = data if "task_titles" in result else "VSI-Bench"
    return EvalResult(
        task_type="video-text-to-text",
        dataset_type=data,
        dataset_name=data,
        dataset_split=plain(settings.get("split")),
        dataset_revision=plain(settings.get("data_revision")),
        metric_type="vsi_bench",
        metric_name=f"{benchmark} ({', '.join([*_headline(result), *_reservations(result)])})",
        metric_value=plain(result.overall),
        metric_args=_stated(settings),
    )


def _headline(result: Sourced) -> list[str]:
    return [f"{plain(result.average)} average", f"{plain(result.extraction)} extraction"]


def _reservations(result: Sourced) -> list[str]:
    """What keeps a score from being that of the whole split: a limit, and questions without an answer."""
    limit = plain(result.settings.get("limit"))
    counts = {name: plain(result[name]) for name in MISSING_ANSWERS if name in result}
    done = "left out" if "unanswered" in result and plain(result["unanswered"]) != "zero" else "scored 0"
    found = [f"only {plain(result.n):,} questions (limit {limit})"] if limit is not None else []
    words = {"n_unanswered": "without an answer", "n_errors": "with a video that can't be read"}
    return found + [f"{count:,} {words[name]}, {done}" for name, count in counts.items() if count]


def _stated(settings: Sourced) -> dict[str, Any]:
    return {name: plain(settings.get(name)) for name in SETTINGS if settings.get(name) is not None}


def eval_results(results: list[Sourced]) -> dict[str, str]:
    """Return path -> YAML in the Hub's newer format, one file per data set; for data sets of the Hub only."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries: dict[str, list[Any]] = {}
    for result in results:
        settings = result.settings
        data, revision = settings.data.value, plain(settings.get("data_revision"))
        if not is_commit(revision):
            continue
        notes = [*_reservations(result), *_headline(result)]
        # The entry itself has the split and the data's revision
        notes += [f"{name} {value}" for name, value in _stated(settings).items() if name not in ENTRY]
        entry = EvalResultEntry(
            dataset_id=data,
            task_id=str(plain(settings.get("split"))),
            value=plain(result.overall),
            dataset_revision=revision,
            notes=", ".join(notes),
        )
        entries.setdefault(f".eval_results/{data.rpartition('/')[2].lower()}.yaml", []).append(entry)
    texts = {path: eval_result_entries_to_yaml(found) for path, found in entries.items()}
    return {path: yaml.safe_dump(text, sort_keys=False) for path, text in texts.items()}
