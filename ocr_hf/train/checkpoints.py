"""Checkpoints that are whole or are not used: a manifest is written last, and resuming asks for it."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path
from typing import Any

from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, rotate_checkpoints

logger = logging.getLogger(__name__)

MANIFEST = "checkpoint.json"
"""Names every file of a checkpoint with its size; there only once all of them are written."""


def finish_checkpoint(run_folder: str | Path, state: Any, keep: int | None, topology: dict[str, Any]) -> Path:
    """Mark the checkpoint of the current step as whole, then delete the oldest ones beyond `keep`.

    Called on the main process when every process has written its files. transformers deletes before the new
    checkpoint is known to be whole; deleting here leaves a whole one whenever the run is killed.
    """
    folder = Path(run_folder) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
    files = {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    temporary = folder / f".{MANIFEST}.{os.getpid()}"
    temporary.write_text(json.dumps({"step": state.global_step, "topology": topology, "files": files}, indent=1))
    os.replace(temporary, folder / MANIFEST)
    rotate_checkpoints(
        output_dir=str(run_folder),
        save_total_limit=keep,
        best_model_checkpoint=state.best_model_checkpoint,
        use_mtime=True,
    )
    return folder


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return a checkpoint's manifest, or None where the checkpoint is not whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        whole = all((folder / name).stat().st_size == size for name, size in manifest["files"].items())
    except (OSError, ValueError, KeyError):
        return None
    return manifest if whole else None


def last_checkpoint(run_folder: str | Path) -> Path | None:
    """Return the newest whole checkpoint of a run, naming newer ones that are not whole; None where there is none."""
    pattern = re.compile(rf"{PREFIX_CHECKPOINT_DIR}-(\d+)")
    folder = Path(run_folder)
    found = {
        int(match[1]): path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.is_dir() and (match := pattern.fullmatch(path.name))
    }
    for step in sorted(found, reverse=True):
        if read_manifest(found[step]) is not None:
            return found[step]
        logger.warning("%s is not whole (the run was killed while writing it); an older one is used", found[step])
    return None


def check_topology(checkpoint: Path, topology: dict[str, Any]) -> None:
    """Raise ValueError where a run is resumed with other batch shapes than it was started with.

    The order of rows and the choice of noise follow the step; another number of processes or batch size would show
    the model some rows twice and others never, in silence.
    """
    manifest = read_manifest(checkpoint)
    if manifest is None:
        raise ValueError(f"{checkpoint} is not a whole checkpoint; resume from another one, or start anew")
    before = manifest["topology"]
    changed = [f"{name} {before.get(name)} -> {value}" for name, value in topology.items() if before.get(name) != value]
    if changed:
        raise ValueError(
            f"{checkpoint} was written with other settings ({', '.join(changed)}); resume with the same, or start a "
            "new run from its weights"
        )
