"""Copying measured files into a model's folder, after checking that they were measured on this model."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_hf.cards.source_files import RESULTS, SOURCES, CardInputs
from ocr_hf.cards.sourced import CardError
from ocr_hf.cards.stages import LOG, RESOLVED, STATE, TRAINING
from ocr_hf.data.schema import MANIFEST, FormatError, read_manifest
from ocr_hf.models.adapters import adapter_base
from ocr_hf.models.model_files import ModelLoadError
from ocr_hf.models.usage import FILE as USAGE
from ocr_hf.vsi_bench.model_hash import folder_hash, former_hash

SAME_QUESTIONS = (
    "data_revision", "split", "limit", "frames", "fps", "max_frames", "frames_as", "min_pixels", "max_pixels", "prompt",
    "extraction", "missing", "max_new_tokens",
)  # fmt: skip
"""Settings of results.json that must be equal for two models to be compared."""


def _is_hub_id(name: Any) -> bool:
    """Whether text is ORG/NAME rather than a path of this machine."""
    return isinstance(name, str) and bool(re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name)) and not Path(name).exists()


def gather(
    folder: Path,
    repo: str,
    evaluations: Sequence[Path] = (),
    training: Sequence[Path] = (),
    data: Sequence[Path] = (),
    comparisons: Sequence[Path] = (),
    licence: str | None = None,
    revision: str = "main",
) -> CardInputs:
    """Copy measured files into the folder and return what the card will be rendered from.

    evaluations : folders (or results.json files) written by `ocr-hf eval` for this model
    training : output folders of the training stages, in order; the model's own folder is the last one by itself
    data : folders of data sets that it was trained on
    comparisons : as evaluations, of other models on the same questions as the first evaluation
    What was gathered before stays until everything new is there.
    Raises CardError where a file is missing or was measured on another model or other questions, or where the licence
    isn't known.
    """
    with tempfile.TemporaryDirectory(prefix=".card-", dir=folder) as staging:
        target = _Folder(folder, Path(staging))
        kept_results = tuple(_keep_results(target, repo, Path(item)) for item in evaluations)
        stages = tuple(_keep_stage(target, place, number) for number, place in enumerate(_stages(folder, training), 1))
        kept_data = tuple(_keep_manifest(target, Path(item), number) for number, item in enumerate(data, 1))
        own = Path(evaluations[0]) if evaluations else None
        compared = tuple(_keep_comparison(target, own, Path(item)) for item in comparisons)
        configs = [_settings(target.read(file)) for file, _ in stages if file.endswith(RESOLVED)]
        # Only now, when everything new was found and checked, does the old go.
        shutil.rmtree(folder / SOURCES, ignore_errors=True)
        if (target.staging / SOURCES).is_dir():
            os.replace(target.staging / SOURCES, folder / SOURCES)
    base, base_revision = _base_model(folder, configs)
    adapter = (folder / "adapter_config.json").is_file()
    if adapter and base is None:
        raise CardError(f"the adapter in {folder} names no base model of the Hub; name one, or others can't load it")
    if licence is None and base is not None:
        raise CardError(f"the base model {base} has a licence of its own; give that of these weights with --licence")
    rows = [config.get("data", {}) for config in configs]
    datasets = dict.fromkeys(row.get("data") or row.get("dataset") for row in rows)  # `dataset` before version 0.2
    return CardInputs(
        repo=repo,
        revision=revision,
        licence=licence or "apache-2.0",
        base_model=base,
        base_revision=base_revision,
        adapter=adapter,
        datasets=tuple(name for name in datasets if _is_hub_id(name)),
        evaluations=kept_results,
        comparisons=compared,
        stages=stages,
        data=kept_data,
        usage=USAGE if (folder / USAGE).is_file() else None,
    )


@dataclass(frozen=True)
class _Folder:
    """The model's folder, and where its new sources are gathered."""

    folder: Path
    staging: Path

    def keep(self, source: Path, kept: str) -> str:
        """Copy a file; return its path in the model's folder, with a number where the name is taken."""
        place, _, name = kept.rpartition("/")
        number = 1
        while (self.staging / kept).exists():
            number += 1
            kept = f"{place}-{number}/{name}"
        (self.staging / kept).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, self.staging / kept)
        return kept

    def read(self, kept: str) -> str:
        gathered = self.staging / kept
        return (gathered if gathered.is_file() else self.folder / kept).read_text(encoding="utf-8")


def _settings(text: str) -> dict[str, Any]:
    import yaml

    return yaml.safe_load(text)


def _results(place: Path) -> tuple[Path, dict[str, Any]]:
    path = place / RESULTS if place.is_dir() else place
    if not path.is_file():
        raise CardError(f"{place} holds no {RESULTS}; give the folder that `ocr-hf eval` wrote")
    return path, json.loads(path.read_text(encoding="utf-8")).get("settings", {})


def _keep_results(target: _Folder, repo: str, place: Path) -> str:
    path, settings = _results(place)
    _check_same_model(target.folder, repo, settings, path)
    name = re.sub(r"[^\w.-]+", "-", f"{Path(str(settings.get('data'))).name}-{settings.get('split')}").strip("-")
    return target.keep(path, f"{SOURCES}/{name}/{RESULTS}")


def _check_same_model(folder: Path, repo: str, settings: dict[str, Any], path: Path) -> None:
    """Raise CardError unless the results are of this model: by its hash for a folder, by its name for a repository."""
    if settings.get("endpoint"):
        raise CardError(
            f"{path} was measured through an endpoint, which can't say which weights it serves; evaluate {folder}"
        )
    measured = str(settings.get("model_revision"))
    # By its beginning a hash tells how it was made; results of earlier versions have the former one
    hashed = {"sha256:": folder_hash, "blake2b:": former_hash}
    make = next((make for beginning, make in hashed.items() if measured.startswith(beginning)), None)
    if make is not None:
        here = make(folder)
        if measured != here:
            raise CardError(f"{path} was measured on weights {measured}, {folder} holds {here}; evaluate this model")
    elif settings.get("model") != repo:
        raise CardError(f"{path} was measured on {settings.get('model')}, the card is for {repo}; evaluate this model")


def _keep_comparison(target: _Folder, own: Path | None, place: Path) -> str:
    path, settings = _results(place)
    if own is None:
        raise CardError(f"{place} can't be compared with anything; name this model's own results first")
    own_path, own_settings = _results(own)
    for name in SAME_QUESTIONS:
        if own_settings.get(name) != settings.get(name):
            raise CardError(
                f"{path} was measured with {name} = {settings.get(name)}, this model with {own_settings.get(name)}; "
                "only equal settings can be compared, evaluate again"
            )
    name = re.sub(r"[^\w.-]+", "-", _distinct_part(path.parent.resolve(), own_path.parent.resolve())).strip("-.")
    return target.keep(path, f"{SOURCES}/compared/{name or 'other'}/{RESULTS}")


def _distinct_part(path: Path, other: Path) -> str:
    """Return the last differing part of a path: `sft` for results/sft/rooms beside results/ours/rooms."""
    pairs = zip(reversed(path.parts), reversed(other.parts), strict=False)
    return next((mine for mine, theirs in pairs if mine != theirs), path.name)


def _stages(folder: Path, training: Sequence[Path]) -> list[Path]:
    """The folders of all stages; the model's own comes last where it isn't a copy of one that was named."""
    places = [Path(place) for place in training]
    own = folder / RESOLVED
    if own.is_file() and not any(
        place.resolve() == folder.resolve()
        or ((place / RESOLVED).is_file() and (place / RESOLVED).read_bytes() == own.read_bytes())
        for place in places
    ):
        places.append(folder)
    return places


def _keep_stage(target: _Folder, place: Path, number: int) -> tuple[str, str | None]:
    kept = f"{SOURCES}/training-{number}"
    if (place / TRAINING).is_file():
        log = target.keep(place / LOG, f"{kept}/{LOG}") if (place / LOG).is_file() else None
        return target.keep(place / TRAINING, f"{kept}/{TRAINING}"), log
    if not (place / RESOLVED).is_file():
        raise CardError(f"{place} holds no {RESOLVED} and no {TRAINING}; give the output folder of a training run")
    config = RESOLVED  # a run's own folder has it already
    if place.resolve() != target.folder.resolve():
        config = target.keep(place / RESOLVED, f"{kept}/{RESOLVED}")
    states = [*place.glob(f"checkpoint-*/{STATE}"), *place.glob(STATE)]
    if not states:
        return config, None
    newest = max(states, key=lambda path: json.loads(path.read_text(encoding="utf-8")).get("global_step", 0))
    return config, target.keep(newest, f"{kept}/{STATE}")


def _keep_manifest(target: _Folder, place: Path, number: int) -> str:
    try:
        read_manifest(place)
    except FormatError as error:
        raise CardError(str(error)) from error
    return target.keep(place / MANIFEST, f"{SOURCES}/data-{number}/{MANIFEST}")


def _base_model(folder: Path, configs: list[dict[str, Any]]) -> tuple[str | None, str | None]:
    """(Hub id, revision) of what the first stage started from, or of an adapter's base; None for a local folder."""
    if (folder / "adapter_config.json").is_file():
        try:
            base, revision = adapter_base(str(folder)) or (None, None)
        except ModelLoadError as error:
            raise CardError(str(error)) from error
    else:
        model = configs[0].get("model", {}) if configs else {}
        base = model.get("model") or model.get("model_name_or_path")  # as runs before version 0.2 called it
        revision = model.get("revision") or model.get("model_revision")
    return (base, revision) if _is_hub_id(base) else (None, None)
