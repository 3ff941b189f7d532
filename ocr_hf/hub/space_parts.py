"""What a Space brings along besides code: checkpoints and rooms that lie elsewhere in a checkout.

A Space says so in `brings.json`: a folder of the Space -> where it is, relative to the Space. What isn't there is left
out, and the plan says what the page does without it. Folders below `models` are checkpoints.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocr_hf.hub.repo_files import LocalFile, list_files, path_problem

FILE = "brings.json"
MODELS = "models"
_OF_VISITORS = ("upload-", "edit-", "set-")
"""Clips of the demo that are nobody else's business: what visitors uploaded and edited, and data sets."""
_MADE_ON_DEMAND = ("noisy-", "view-")


def with_parts(
    folder: Path, files: tuple[LocalFile, ...], metadata: Mapping[str, Any], given: Mapping[str, Path]
) -> tuple[tuple[LocalFile, ...], tuple[str, ...], tuple[str, ...]]:
    """Add to a Space's files what it brings along.

    Args:
        folder: of the Space.
        files: of that folder.
        metadata: of its README; models in `preload_from_hub` or in its `models` count as brought.
        given: folder of the Space -> where it is; goes before `brings.json`.

    Returns:
        The files in order of their paths, notes for the plan, and findings: what keeps these parts from being pushed.

    Raises:
        ValueError: `brings.json` is no JSON object of texts, or leads out of the Space.
    """
    wanted = {name: (folder / source).resolve() for name, source in _read(folder).items()}
    wanted |= {name: Path(source).resolve() for name, source in given.items()}
    if not wanted:
        return files, (), ()
    added, notes, findings = [], [], []
    for name, source in wanted.items():
        if problem := path_problem(name):
            raise ValueError(f"'{name}' {problem}; name a folder of the Space, as models/locked")
        if not source.is_dir():
            if name in given:
                findings.append(f"{name}: '{source}' is not a folder; give the folder that is to be brought along")
            else:
                notes.append(f"{name} isn't brought along: it isn't there; --bring {name}=FOLDER says where it is")
            continue
        found, wrong = _checkpoint(name, source) if name.split("/")[0] == MODELS else _rooms(source)
        added += [replace(file, path=f"{name}/{file.path}") for file in found]
        findings += [f"{name}: {finding}" for finding in wrong]
        notes.append(f"{name}: {len(found)} files, {sum(file.size for file in found) / 1e6:.1f} MB")
    taken = {file.path for file in added}
    kept = [file for file in files if file.path not in taken]
    return tuple(sorted([*kept, *added], key=lambda file: file.path)), tuple(notes), tuple(findings)


def untrained_finding(files: Iterable[LocalFile], metadata: Mapping[str, Any], brings: bool) -> str | None:
    """Return why a page would answer with random weights, None where it has a checkpoint or is no such page.

    brings : whether the Space says that it brings checkpoints along
    """
    if not brings or metadata.get("preload_from_hub"):
        return None
    if any(file.path.startswith(f"{MODELS}/") and file.path.endswith("/config.json") for file in files):
        return None
    return (
        "no checkpoint is brought along, so the page would answer with random weights; give one by "
        "--bring models/locked=FOLDER, name one in README.md's preload_from_hub, or push it so with --untrained"
    )


def says_what_it_brings(folder: Path) -> bool:
    """Return whether a Space has a `brings.json`."""
    return (folder / FILE).is_file()


def _read(folder: Path) -> dict[str, str]:
    if not says_what_it_brings(folder):
        return {}
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{FILE} of {folder.name} is no JSON ({error}); correct it") from error
    if not isinstance(told, dict) or not all(isinstance(source, str) for source in told.values()):
        raise ValueError(f"{FILE} of {folder.name} must map folders of the Space to folders, both as text")
    return told


def _checkpoint(name: str, source: Path) -> tuple[list[LocalFile], list[str]]:
    from ocr_hf.hub.check_model import check_model, is_training_state

    found, findings = list_files(source)
    # The card's own material is the model repository's business, and pickles of a trainer nobody's
    files = [file for file in found if not is_training_state(file.path) and "/" not in file.path]
    files = [file for file in files if file.path != "README.md"]
    return files, [*findings, *check_model(files)]


def _rooms(source: Path) -> tuple[list[LocalFile], list[str]]:
    found, findings = list_files(source)
    files = []
    for file in found:
        kind, *rest = file.path.split("/")
        ours = kind in ("clips", "media") and len(rest) == 2 and not rest[0].startswith((*_OF_VISITORS, "."))
        if ours and not rest[1].startswith(_MADE_ON_DEMAND):
            files.append(file)
    if not files:
        findings = (*findings, f"'{source.name}' holds no filmed rooms; make them with app.py --film --cache FOLDER")
    return files, list(findings)
