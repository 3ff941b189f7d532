"""Which measured files a model card rests on, kept inside the model's folder under `sources/`."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ocr_hf.cards.sourced import CardError
from ocr_hf.data.atomic import replacing

SOURCES = "sources"
RECORD = f"{SOURCES}/card.json"
"""Written last: what the card was rendered from, and every number in it with file and pointer."""
RESOLVED, STATE, RESULTS = "resolved_config.yaml", "trainer_state.json", "results.json"


@dataclass(frozen=True)
class CardInputs:
    """What a card is a function of, besides the files it names.

    repo, revision : for the snippet; licence : of the weights
    base_model, base_revision : Hub id, None where the base is a folder; adapter : the weights are a LoRA adapter
    datasets : Hub ids of training data
    evaluations : results.json files; stages : (resolved_config.yaml, trainer_state.json or None), in order
    """

    repo: str
    revision: str
    licence: str
    base_model: str | None
    base_revision: str | None
    adapter: bool
    datasets: tuple[str, ...]
    evaluations: tuple[str, ...]
    stages: tuple[tuple[str, str | None], ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Every source file, by its path in the folder."""
        return (*self.evaluations, *(file for stage in self.stages for file in stage if file))


def is_commit(revision: Any) -> bool:
    """Whether text is a full commit id, as the Hub's revisions are; a folder's is a hash of another form."""
    return isinstance(revision, str) and re.fullmatch(r"[0-9a-f]{40}", revision) is not None


def _is_hub_id(name: Any) -> bool:
    """Whether text is ORG/NAME rather than a path of this machine."""
    return isinstance(name, str) and bool(re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name)) and not Path(name).exists()


def gather(
    folder: Path, repo: str, evaluations: Sequence[Path], training: Sequence[Path], licence: str | None, revision: str
) -> CardInputs:
    """Copy measured files into the folder and return what the card will be rendered from.

    evaluations : folders (or results.json files) written by `ocr-hf eval`
    training : output folders of the training stages, in order; the model's own folder is the last one by itself
    Raises CardError where a file is missing or was measured on another model, or the licence isn't known.
    """
    import yaml

    shutil.rmtree(folder / SOURCES, ignore_errors=True)
    kept_results = tuple(_keep_results(folder, repo, Path(item)) for item in evaluations)
    places = [Path(item) for item in training]
    if (folder / RESOLVED).is_file() and folder.resolve() not in [place.resolve() for place in places]:
        places.append(folder)
    stages = tuple(_keep_stage(folder, place, number) for number, place in enumerate(places, 1))
    configs = [yaml.safe_load((folder / config).read_text(encoding="utf-8")) for config, _ in stages]
    base, base_revision = _base_model(folder, configs)
    adapter = (folder / "adapter_config.json").is_file()
    if adapter and base is None:
        raise CardError(f"the adapter in {folder} names no base model of the Hub; others could not load it")
    if licence is None and base is not None:
        raise CardError(f"the base model {base} has a licence of its own; say with --licence what these weights carry")
    datasets = dict.fromkeys(config.get("data", {}).get("dataset") for config in configs)
    return CardInputs(
        repo=repo,
        revision=revision,
        licence=licence or "apache-2.0",
        base_model=base,
        base_revision=base_revision,
        adapter=adapter,
        datasets=tuple(name for name in datasets if _is_hub_id(name)),
        evaluations=kept_results,
        stages=stages,
    )


def digests(folder: Path, inputs: CardInputs) -> dict[str, str]:
    """Return source file -> SHA-256; a missing file has an empty one."""
    return {
        file: hashlib.sha256((folder / file).read_bytes()).hexdigest() if (folder / file).is_file() else ""
        for file in inputs.files
    }


def inputs_to_json(inputs: CardInputs) -> dict[str, Any]:
    """The inputs as JSON values."""
    return json.loads(json.dumps(asdict(inputs)))


def inputs_from_json(values: dict[str, Any]) -> CardInputs:
    """Back from JSON values; raises CardError for others' records."""
    try:
        lists = {name: tuple(values[name]) for name in ("datasets", "evaluations")}
        return CardInputs(**{**values, **lists, "stages": tuple(map(tuple, values["stages"]))})
    except (KeyError, TypeError) as error:
        raise CardError(f"{RECORD} is no card's record ({error}); render the card with `ocr-hf card`") from error


def _keep_results(folder: Path, repo: str, place: Path) -> str:
    path = place / RESULTS if place.is_dir() else place
    if not path.is_file():
        raise CardError(f"{place} holds no {RESULTS}; give the folder that `ocr-hf eval` wrote")
    settings = json.loads(path.read_text(encoding="utf-8")).get("settings", {})
    _check_same_model(folder, repo, settings, path)
    name = re.sub(r"[^\w.-]+", "-", f"{Path(str(settings.get('data'))).name}-{settings.get('split')}").strip("-")
    kept, number = f"{SOURCES}/{name}/{RESULTS}", 1
    while (folder / kept).exists():
        number += 1
        kept = f"{SOURCES}/{name}-{number}/{RESULTS}"
    _copy(path, folder / kept)
    return kept


def _check_same_model(folder: Path, repo: str, settings: dict[str, Any], path: Path) -> None:
    """A folder was evaluated if its hash is in the results; a repository if its name is."""
    from ocr_hf.vsi_bench.provenance import model_revision

    measured = str(settings.get("model_revision"))
    if measured.startswith("blake2b:"):
        here = model_revision(SimpleNamespace(source=str(folder), revision=None, model=None))  # type: ignore[arg-type]
        if measured != here:
            raise CardError(f"{path} was measured on weights {measured}, {folder} holds {here}; evaluate this model")
    elif settings.get("model") != repo:
        raise CardError(f"{path} was measured on {settings.get('model')}, the card is for {repo}; evaluate this model")


def _keep_stage(folder: Path, place: Path, number: int) -> tuple[str, str | None]:
    if not (place / RESOLVED).is_file():
        raise CardError(f"{place} holds no {RESOLVED}; give the output folder of a training run")
    target = f"{SOURCES}/training-{number}"
    config = RESOLVED  # a run's own folder has it already
    if place.resolve() != folder.resolve():
        config = f"{target}/{RESOLVED}"
        _copy(place / RESOLVED, folder / config)
    states = [*place.glob(f"checkpoint-*/{STATE}"), *place.glob(STATE)]
    if not states:
        return config, None
    newest = max(states, key=lambda path: json.loads(path.read_text(encoding="utf-8")).get("global_step", 0))
    _copy(newest, folder / target / STATE)
    return config, f"{target}/{STATE}"


def _base_model(folder: Path, configs: list[dict[str, Any]]) -> tuple[str | None, str | None]:
    """(Hub id, revision) of what the first stage started from, or of an adapter's base; None for a local folder."""
    if (folder / "adapter_config.json").is_file():
        adapter = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        base, revision = adapter.get("base_model_name_or_path"), adapter.get("revision")
    else:
        model = configs[0].get("model", {}) if configs else {}
        base, revision = model.get("model_name_or_path"), model.get("model_revision")
    return (base, revision) if _is_hub_id(base) else (None, None)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
