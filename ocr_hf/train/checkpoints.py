"""What a run leaves is whole: checkpoints are used once their manifest is there, models load on any machine."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import PeftModel
from safetensors import SafetensorError
from torch.distributed.checkpoint.api import CheckpointException
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, rotate_checkpoints

from ocr_hf.models.adapters import CONFIG, WEIGHTS
from ocr_hf.models.merge import write_merged

logger = logging.getLogger(__name__)

MANIFEST = "checkpoint.json"
"""Names every file of a checkpoint with its size; there only once all of them are written."""
ADAPTER = "_adapter"
"""Folder of output_dir for an adapter whose base is a folder of this machine; names that begin with _ aren't pushed."""
_STAGING = "_saving"


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
        if not isinstance(manifest, dict) or not all(isinstance(manifest.get(n), dict) for n in ("files", "topology")):
            return None
        # A killed writer or a full disk leaves files short, which their sizes show without reading gigabytes
        whole = all((folder / name).stat().st_size == size for name, size in manifest["files"].items())
    except (OSError, ValueError):
        return None
    return manifest if whole else None


def _not_whole(folder: Path, failures: Mapping[int, BaseException]) -> OSError:
    """Return the error of a save that some processes, rank -> cause, couldn't finish."""
    who = ", ".join(f"process {rank} ({cause})" for rank, cause in sorted(failures.items()))
    return OSError(
        f"{folder} isn't whole, because {who} couldn't write its part; free some space, and the same command "
        "with --resume_from_checkpoint auto goes on from the last whole checkpoint"
    )


def _found_no_space(error: Exception) -> bool:
    """Whether a write failed for want of space: Python says so, safetensors in its own words, torch.save hides it."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return (isinstance(error, SafetensorError) and "os error" in str(error)) or (
        # "unexpected pos" of the archive's writer, or an error of its stream, whichever comes first
        isinstance(error, RuntimeError)
        and any(words in str(error) for words in ("inline_container", "PytorchStreamWriter", "iostream"))
    )


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
    # A checkpoint of an earlier version of this package doesn't say all of them
    changed = [
        f"{name} {before[name]} -> {value}" for name, value in topology.items() if before.get(name, value) != value
    ]
    if changed:
        raise ValueError(
            f"{checkpoint} was written with other settings ({', '.join(changed)}); resume with the same, or start a "
            "new run from its weights: another output_dir with the checkpoint as its model (made whole by "
            "`ocr-hf merge` first, where parameters were sharded)"
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
    found = {name: getattr(args, name) for name in names if hasattr(args, name)}
    return {"processes": args.world_size, "sharding": _sharding(args)} | found


def _sharding(args: Any) -> str:
    """Name how parameters are spread over processes, which decides what files a checkpoint has."""
    # Asked before there is a trainer, when what a launcher was told is in the environment only
    plugin, launched = getattr(args, "fsdp_plugin_args", None), os.environ
    if plugin or launched.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        return (plugin or {}).get("state_dict_type") or launched.get("FSDP_STATE_DICT_TYPE") or "FSDP"
    if getattr(args, "deepspeed", None) or launched.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true":
        return "DeepSpeed"
    return "none"


def local_base(model: Any) -> str | None:
    """Return the folder of this machine that an adapter names as its base; None for all other models."""
    base = model.active_peft_config.base_model_name_or_path if isinstance(model, PeftModel) else None
    # What from_pretrained takes for a folder, whatever it looks like
    return base if base and Path(base).is_dir() else None


class WholeCheckpoints:
    """Mix into a Trainer: checkpoints are marked whole, resuming restores the weights, models load on any machine."""

    _in_checkpoint = False

    @property
    def _saves_parts(self) -> bool:
        """Whether a checkpoint holds the weights in parts, one file a process, and no model that could be loaded."""
        plugin = getattr(self.accelerator.state, "fsdp_plugin", None)
        return plugin is not None and "FULL_STATE_DICT" not in str(plugin.state_dict_type)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the model so that its folder, or the repository that is pushed from it, is all that loading takes.

        transformers 5.23 saves nothing here where FSDP's checkpoints are in parts; now they are put together on the
        first process. An adapter whose base is a folder of this machine is added to it, and left in `_adapter` too.
        Files appear when all are written. Every process calls this.

        Args:
            output_dir: Folder; by default the run's.
            _internal_call: Whether transformers calls it, which then pushes by itself.

        Raises:
            ModelLoadError: The base of an adapter is a folder from which it can't be loaded any more.
        """
        folder = Path(output_dir or self.args.output_dir)
        if self._in_checkpoint:
            self._save_for_resuming(folder)
            return
        staging = folder / _STAGING
        if self.args.should_save:
            shutil.rmtree(staging, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        if self.is_fsdp_enabled:
            self._save(str(staging), state_dict=self.accelerator.get_state_dict(self.model))
        else:
            super().save_model(str(staging), _internal_call=True)
        if self.args.should_save:
            self._release(staging, folder)
        self.accelerator.wait_for_everyone()
        if self.args.push_to_hub and not _internal_call:
            self.push_to_hub(commit_message="Model save", revision=self.args.hub_revision)

    def _release(self, staging: Path, folder: Path) -> None:
        """Move what was written to its place; an adapter of a folder of this machine is added to it before."""
        if local_base(self.model) is not None:
            adapter = folder / ADAPTER
            shutil.rmtree(adapter, ignore_errors=True)
            os.replace(staging, adapter)
            write_merged(adapter, staging, dtype=str(self.model.dtype).removeprefix("torch."))
            for name in (CONFIG, WEIGHTS):
                # Beside a whole model they would be loaded in its place
                (folder / name).unlink(missing_ok=True)
        # The list of several files of weights last, so that it never names one that isn't there
        for path in sorted(staging.iterdir(), key=lambda path: path.name.endswith(".index.json")):
            if path.is_dir():
                shutil.rmtree(folder / path.name, ignore_errors=True)
            os.replace(path, folder / path.name)
        staging.rmdir()

    def _save_for_resuming(self, folder: Path) -> None:
        """Save a checkpoint's model; in parts, only what `ocr-hf merge` needs beside them."""
        if not self._saves_parts:
            super().save_model(str(folder), _internal_call=True)
        elif self.args.should_save:
            self.base_of(self.model).config.save_pretrained(folder)
            if isinstance(self.model, PeftModel):
                self.model.active_peft_config.save_pretrained(folder)
            if self.processing_class is not None:
                self.processing_class.save_pretrained(folder)

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Push a checkpoint's model, unless it would load on this machine only; the whole one is pushed at the end."""
        if not self._saves_parts and local_base(self.model) is None:
            super()._push_from_checkpoint(checkpoint_folder)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self._get_output_dir(trial=trial), f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
        if self.args.should_save and folder.exists():
            # Left by a run that was killed while writing it, or whole, of one that went on from an earlier step: its
            # files must not be taken for ours, nor its manifest vouch for a mixture of both where we are killed, too
            shutil.rmtree(folder)
        self.accelerator.wait_for_everyone()
        # transformers deletes old checkpoints inside super(), before the new one is whole; finish_checkpoint does later
        keep, self.args.save_total_limit = self.args.save_total_limit, None
        self._in_checkpoint = True
        try:
            super()._save_checkpoint(model, trial)
        except CheckpointException as error:
            # torch's, of every process that failed, and no Exception: a command would end with its traceback
            raise _not_whole(folder, {rank: cause for rank, (cause, _) in error.failures.items()}) from error
        except Exception as error:
            if not _found_no_space(error):
                raise
            raise _not_whole(folder, {self.args.process_index: error}) from error
        finally:
            self._in_checkpoint = False
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
        if not self._renamed_on_disk(target):
            return super()._load_from_checkpoint(resume_from_checkpoint, model)
        self._load_renamed(target, resume_from_checkpoint)

    def _load_best_model(self) -> None:
        """Restore the best checkpoint's weights at the end of training, under the same names."""
        if not self._renamed_on_disk(self.model):
            return super()._load_best_model()
        self._load_renamed(self.model, self.state.best_model_checkpoint)

    def _renamed_on_disk(self, model: Any) -> bool:
        sharded = self.is_fsdp_enabled or self.is_deepspeed_enabled
        return not sharded and not isinstance(model, PeftModel) and hasattr(type(model), "from_pretrained")

    @staticmethod
    def _load_renamed(model: Any, folder: str) -> None:
        saved = type(model).from_pretrained(folder, dtype=model.dtype, use_safetensors=True)
        model.load_state_dict(saved.state_dict())
