"""Checkpoints that are whole or are not used: a manifest is written last, and resuming asks for it."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path
from typing import Any

from peft import PeftModel
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
    # As transformers itself calls it, by time and not by step
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
        # A killed writer or a full disk leaves files short, which their sizes show without reading gigabytes
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
    # By number: as text, step 10 would come before step 9
    for step in sorted(found, reverse=True):
        if read_manifest(found[step]) is not None:
            return found[step]
        logger.warning("%s is not whole (the run was killed while writing it); an older one is used", found[step])
    return None


def check_topology(checkpoint: Path, topology: dict[str, Any]) -> None:
    """Raise ValueError where a run is resumed with other batch shapes than it was started with.

    The order of rows and the choice of noise follow the step; another number of processes or batch size would show
    the model some rows twice and others never, without an error.
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


def topology(args: Any) -> dict[str, Any]:
    """The settings that decide which rows a step sees; a run is resumed with the same."""
    names = (
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "steps_per_generation",
        "num_generations",
        "seed",
    )
    # SFTConfig has no generations
    return {"processes": args.world_size} | {name: getattr(args, name) for name in names if hasattr(args, name)}


class WholeCheckpoints:
    """Mix into a Trainer: checkpoints are marked whole, and resuming from one restores the weights."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        # transformers deletes old checkpoints inside super(), before the new one is whole; finish_checkpoint does later
        keep, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = keep
        # Every process writes files of its own (random states, shards of weights), which the manifest must list
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            finish_checkpoint(self._get_output_dir(trial=trial), self.state, keep, topology(self.args))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Restore the weights of a whole model.

        transformers 5.23 saves Qwen-VL under its published parameter names and reads the file back without renaming:
        no parameter fits, it warns, and training goes on from the *initial* weights (seen with Qwen2.5-VL; adapters,
        FSDP and DeepSpeed have their own formats). `from_pretrained` renames.
        """
        check_topology(Path(resume_from_checkpoint), topology(self.args))
        target = self.model if model is None else model
        if isinstance(target, PeftModel) or not hasattr(type(target), "from_pretrained"):
            return super()._load_from_checkpoint(resume_from_checkpoint, model)
        saved = type(target).from_pretrained(resume_from_checkpoint, dtype=target.dtype, use_safetensors=True)
        target.load_state_dict(saved.state_dict())
