"""The measured files that a model card rests on; they are in the model's folder under `sources/`."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ocr_hf.cards.sourced import CardError

SOURCES = "sources"
RECORD = f"{SOURCES}/card.json"
"""Written last: what the card was rendered from, and every number in it with file and pointer."""
RESULTS = "results.json"


@dataclass(frozen=True)
class CardInputs:
    """What a card is a function of, besides the files it names.

    repo, revision : for the snippet; licence : of the weights
    base_model, base_revision : Hub id, None where the base is a folder; adapter : the weights are a LoRA adapter
    datasets : Hub ids of training data; data : manifests of data sets that it was trained on
    evaluations : results.json files of this model; comparisons : of others on the questions of the first
    stages : (settings, log or None) of each stage of training, in order; see stages.py for the two kinds
    usage : the model's `ocr_hf.json`, None where it has none
    """

    repo: str
    revision: str
    licence: str
    base_model: str | None
    base_revision: str | None
    adapter: bool
    datasets: tuple[str, ...]
    evaluations: tuple[str, ...]
    comparisons: tuple[str, ...]
    stages: tuple[tuple[str, str | None], ...]
    data: tuple[str, ...]
    usage: str | None

    @property
    def files(self) -> tuple[str, ...]:
        """Every source file, by its path in the folder."""
        trained = (file for stage in self.stages for file in stage if file)
        usage = (self.usage,) if self.usage else ()
        return (*self.evaluations, *self.comparisons, *trained, *self.data, *usage)


def is_commit(revision: Any) -> bool:
    """Whether text is a full commit id, as the Hub's revisions are; a folder's is a hash of another form."""
    return isinstance(revision, str) and re.fullmatch(r"[0-9a-f]{40}", revision) is not None


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
        lists = {name: tuple(values[name]) for name in ("datasets", "evaluations", "comparisons", "data")}
        return CardInputs(**{**values, **lists, "stages": tuple(map(tuple, values["stages"]))})
    except (KeyError, TypeError) as error:
        raise CardError(f"{RECORD} is not a card's record ({error}); render the card with `ocr-hf card`") from error
