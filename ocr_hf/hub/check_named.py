"""What a model's card and adapter name must be on the Hub: data sets, bases. Asked before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ocr_hf.hub.backoff import with_retries
from ocr_hf.hub.card_metadata import read_metadata
from ocr_hf.hub.hub_errors import HubError
from ocr_hf.hub.push_plan import PushPlan

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def check_named(plan: PushPlan, api: HfApi) -> None:
    """Raise HubError where a model names something that nobody finds: an adapter's base, or an id in its card."""
    if plan.kind != "model":
        return
    _check_base(plan, api)
    for where, kind, repo, revision in dict.fromkeys(_named(plan)):
        if (at := _lacks(api, kind, repo, revision)) is not None:
            raise HubError(
                f"{where} names the {kind} '{repo}'{at}, which isn't on the Hub or not open to you; push it first, or "
                "take the name out"
            )


def _check_base(plan: PushPlan, api: HfApi) -> None:
    config = {file.path: file.source for file in plan.files}.get("adapter_config.json")
    if config is None:
        return
    named = json.loads(config.read_text(encoding="utf-8"))
    base = named["base_model_name_or_path"]
    if (at := _lacks(api, "model", base, named.get("revision"))) is not None:
        raise HubError(
            f"adapter_config.json names the base model '{base}'{at}, which isn't on the Hub or not open to you, and "
            f"without it the adapter is of no use; push the base first, or make one model of both with `ocr-hf merge "
            f"{plan.folder} OUT`"
        )


def _lacks(api: HfApi, kind: str, repo: str, revision: str | None) -> str | None:
    """None where the Hub has it, else what to say of the revision."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    info = api.model_info if kind == "model" else api.dataset_info
    try:
        with_retries(lambda: info(repo, revision=revision))
    except GatedRepoError:
        return None  # there, and who accepts its terms can load it
    except RevisionNotFoundError:
        return f" at revision '{revision}'"
    except RepositoryNotFoundError:
        return ""
    return None


def _named(plan: PushPlan) -> Iterator[tuple[str, str, str, str | None]]:
    """Yield (where, model or data set, id, revision) of everything that the card's metadata and results link to."""
    import yaml

    metadata, _ = read_metadata(plan.folder, plan.kind)
    for key, kind in (("base_model", "model"), ("datasets", "data set")):
        named = metadata.get(key) or []
        for repo in [named] if isinstance(named, str) else named:
            yield f"README.md, {key},", kind, repo, None
    for model in metadata.get("model-index") or []:
        for result in model.get("results", []):
            data = result.get("dataset", {})
            yield "README.md, model-index,", "data set", str(data.get("type")), data.get("revision")
    for file in plan.files:
        if file.path.startswith(".eval_results/"):
            for entry in yaml.safe_load(file.source.read_text(encoding="utf-8")) or []:
                data = entry.get("dataset", {})
                yield file.path, "data set", str(data.get("id")), data.get("revision")
