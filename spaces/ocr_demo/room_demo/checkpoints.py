"""Which models a demo offers, what visitors know them by, what each was trained on, and loading."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .problems import Problem, without_folders

UNTRAINED = ("tiny-qwen2.5-vl", "tiny-qwen3-vl")
"""Names of the models built here with random weights."""
REFERENCE_FOLDER = Path(__file__).parent / ".." / ".." / ".." / "model_cards" / "ocr-vsi-tiny"
"""Where a checkout of the project keeps its reference checkpoint."""
PAIR = ("locked", "unlocked")
"""What the two models that stories compare are called, where nothing else is said."""
SPACE_MODELS = Path(__file__).parent / ".." / "models"
"""Where a pushed Space has its checkpoints: `ocr-hf push space` puts them there."""
LEAST_TO_SPEAK = 512
"""Hidden size below which a model only knows the answers it was trained on. Ours: the tiny ones have at most 384."""
FRAMES = 16
"""Frames for a model that doesn't say how many it was trained on."""


@dataclass(frozen=True)
class Checkpoint:
    """A model that visitors may ask.

    name : what visitors know it by; source : Hub id or folder; revision : of a Hub id, None for the newest
    """

    name: str
    source: str
    revision: str | None = None

    @property
    def untrained(self) -> bool:
        return self.name in UNTRAINED


def checkpoint(given: str) -> Checkpoint:
    """Return the model that `--model` names: a folder, or a Hub id with a revision after an @ if wanted.

    Visitors see only the last part of a folder's path.
    """
    # A folder goes before a Hub id of the same name, and before a name that is given to a source
    if Path(given).exists():
        return Checkpoint(Path(given).resolve().name, given)
    name, named, source = given.partition("=")
    if named:
        return replace(checkpoint(source), name=name)
    source, _, revision = given.partition("@")
    return Checkpoint(given, source, revision or None)


def pair_of(given: Sequence[str] = ()) -> tuple[Checkpoint, ...]:
    """Return the two models that stories compare: the locked one, then the one that looks around; () where none is.

    given : two folders or Hub ids, NAME=SOURCE to call them something else than `PAIR`. Left out: those of
        $OCR_DEMO_PAIR (a comma between); else `models/locked` and `models/unlocked` beside app.py, as a pushed Space
        has them; else `model_cards/planted-lock/locked` and `.../unlocked` of the checkout.
    Raises Problem for any other number of models than two.
    """
    named = tuple(given) or tuple(part.strip() for part in os.environ.get("OCR_DEMO_PAIR", "").split(",") if part)
    if not named:
        for folder in (SPACE_MODELS, REFERENCE_FOLDER.parent / "planted-lock"):
            found = tuple(str((folder / name).resolve()) for name in PAIR if (folder / name / "config.json").is_file())
            if len(found) == len(PAIR):
                named = found
                break
        else:
            return ()
    if len(named) != len(PAIR):
        raise Problem(f"The pair has {len(named)} models; name two: the locked one, then the one that looks around.")
    found = []
    for name, source in zip(PAIR, named, strict=True):
        told = Path(source).exists() or "=" not in source
        found.append(replace(checkpoint(source), name=name) if told else checkpoint(source))
    return tuple(found)


def speaks(model: Checkpoint) -> bool:
    """Return whether a model can be expected to answer in words; of one that can't be told, yes."""
    from ocr_hf.models.model_files import model_file

    if model.untrained:
        return False
    try:
        config = json.loads(model_file(model.source, "config.json", model.revision).read_text(encoding="utf-8"))
        return int(config.get("text_config", config)["hidden_size"]) >= LEAST_TO_SPEAK
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return True


def default_models(reference: Path = REFERENCE_FOLDER) -> tuple[str, ...]:
    """Return what is offered when no model is named.

    In this order: the models of $OCR_DEMO_MODELS (commas between); the reference checkpoint, in `models` beside app.py
    as a pushed Space has it, or in this checkout; the one that $OCR_DEMO_REFERENCE names on the Hub. An untrained
    model stands beside it for comparison, or alone in two families.
    """
    named = tuple(name.strip() for name in os.environ.get("OCR_DEMO_MODELS", "").split(",") if name.strip())
    if named:
        return named
    for folder in (SPACE_MODELS / reference.name, reference):
        if (folder / "config.json").is_file():
            return str(folder.resolve()), UNTRAINED[0]
    on_hub = os.environ.get("OCR_DEMO_REFERENCE", "").strip()
    return (on_hub, UNTRAINED[0]) if on_hub else UNTRAINED


def short(name: str) -> str:
    """Return the last part of a Hub id or path."""
    return Path(name).name


def read_usage_of(model: Checkpoint) -> Any:
    """Return the `Usage` that a model states; raise Problem where it states nonsense."""
    from ocr_hf.models.usage import Usage, read_usage
    from ocr_hf.vsi_bench.prompts import PROMPT_STYLES

    if model.untrained:
        return Usage()
    try:
        usage = read_usage(model.source, model.revision)
    except ValueError as error:
        raise _unusable(model, error) from error
    if usage.prompt not in (None, *PROMPT_STYLES):
        raise Problem(
            f"The model '{short(model.name)}' wants the prompt '{usage.prompt[:40]}', which isn't known here."
        )
    return usage


def load(model: Checkpoint, cache: Path | None = None) -> Any:
    """Return the loaded model; an untrained one is built first, in `cache`. Raises Problem for one that can't be."""
    from ocr_hf.models.load_model import load_model

    try:
        if not model.untrained:
            return load_model(model.source, model.revision)
        from ocr_hf.models.tiny import build_tiny

        folder = Path(cache or tempfile.mkdtemp(prefix="ocr_demo_")) / model.name
        if not (folder / "config.json").is_file():
            family = "qwen3_vl" if model.name == UNTRAINED[1] else "qwen2_5_vl"
            build_tiny(folder, size=os.environ.get("OCR_DEMO_TINY", "1M"), family=family)
        return load_model(folder)
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged model raises, visitors get one sentence
        raise _unusable(model, error) from error


def _unusable(model: Checkpoint, error: Exception) -> Problem:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return Problem(f"The model '{short(model.name)}' can't be loaded: {without_folders(first)[:300]}")
