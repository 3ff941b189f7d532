"""One model out of several parts: an adapter and its base, or the weights that FSDP left one file a process."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_hf.data.atomic import new_folder, write_json
from ocr_hf.models.adapters import CONFIG, WEIGHTS, adapter_base
from ocr_hf.models.load_model import check_config, load_model, load_processor
from ocr_hf.models.model_files import ModelLoadError, model_file
from ocr_hf.models.sharded import PARTS, has_parts, read_parts

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

RECORD = "merged_from.json"
_HASHES = "sha256"
"""Entry of a record: file of the adapter -> its SHA-256."""


def merge(
    source: str | Path, out: Path, revision: str | None = None, dtype: str = "auto", keep_adapter: bool = False
) -> Path:
    """Write a whole model that loads by its folder alone; return the folder, which appears when it is complete.

    Args:
        source: An adapter, or a checkpoint whose weights FSDP left in parts; a folder, or for an adapter a Hub id.
        out: New folder.
        revision: Of an adapter on the Hub.
        dtype: What an adapter is added in, and the result stored in.
        keep_adapter: Of an adapter in parts, write the adapter alone, not added to its base.

    Raises:
        ModelLoadError: The source is neither, its base can't be loaded, or weights are missing.
        FileExistsError: Something is at `out`.
    """
    folder = Path(source)
    with new_folder(out) as staging:
        if has_parts(folder):
            parts = read_parts(folder)
            if not (folder / CONFIG).is_file():
                _write_model(folder, parts, staging)
            elif keep_adapter:
                _write_adapter(folder, parts, staging)
            else:
                adapter = staging / "adapter"
                adapter.mkdir()
                _write_adapter(folder, parts, adapter)
                write_merged(adapter, staging, dtype=dtype)
                shutil.rmtree(adapter)
        elif keep_adapter:
            raise ModelLoadError(
                f"'{source}' holds no weights in parts, so that nothing is left to do; use it as it is"
            )
        elif adapter_base(str(source), revision) is None:
            raise ModelLoadError(
                f"'{source}' is no adapter and holds no weights in parts (a complete {PARTS}, as FSDP leaves it in "
                "checkpoint-N), so that there is nothing to merge; a whole model is used as it is"
            )
        else:
            write_merged(source, staging, revision, dtype)
    return out


def write_merged(source: str | Path, folder: Path, revision: str | None = None, dtype: str = "auto") -> None:
    """Write an adapter, added to its base's weights, as a whole model with its processor.

    Raises ModelLoadError for what can't be loaded.
    """
    # A model without video can have been trained on text
    loaded = load_model(source, revision, dtype=dtype, device="cpu", needs_video=False)
    # In a distributed run transformers writes on rank 0 alone, but each machine has a folder of its own
    loaded.model.should_save_on_this_rank = lambda is_main_process: True
    loaded.model.save_pretrained(folder)
    loaded.processor.save_pretrained(folder)


def merged_folder(
    source: str | Path, revision: str | None, out: Path, dtype: str = "auto", resumed: bool = False
) -> Path:
    """Return `out`, holding base and adapter as one model with its processor; made if it isn't there.

    A trainer may load its model several times (the reference of a KL term), so it needs a name to load, not a model in
    memory. The folder appears when it is complete; one of another adapter, or of what the adapter was before it was
    trained again, is replaced.

    Args:
        source: An adapter, a folder or a Hub id.
        revision: Of an adapter on the Hub.
        out: The folder.
        dtype: What the adapter is added in, and the result stored in.
        resumed: Keep what a run began from though the adapter was trained again since, with a warning: its
            checkpoints, and the reference of its KL term, belong to that.

    Raises:
        ModelLoadError: The source can't be loaded, or is no adapter.
    """
    base, base_revision = adapter_base(str(source), revision) or (None, None)
    record = {
        "adapter": str(source),
        "revision": revision,
        "base": base,
        "base_revision": base_revision,
        "dtype": dtype,
        # A path, or a branch on the Hub, says nothing of what is there by now
        _HASHES: {name: _sha256(model_file(source, name, revision)) for name in (CONFIG, WEIGHTS)},
    }
    if _is_merged(out, record):
        return out
    if resumed and _is_merged(out, record, whatever=_HASHES):
        logger.warning(
            "the adapter '%s' is another than this run began from; the run goes on from that one, which is kept in %s "
            "(another output_dir starts a run from the new one)",
            source,
            out,
        )
        return out
    staging = out.with_name(f"{out.name}.{socket.gethostname()}.{os.getpid()}.incomplete")
    shutil.rmtree(staging, ignore_errors=True)
    write_merged(source, staging, revision, dtype)
    write_json(staging / RECORD, record)
    # Another machine that shares the disk may have been faster, and read its folder by now: only one of another adapter
    # makes way. A folder can be renamed only to a name that is free or an empty folder.
    while not _is_merged(out, record):
        try:
            os.replace(staging, out)
        except OSError:
            if _is_merged(out, record):
                break
            if not out.is_dir():
                raise
            former = out.with_name(f"{staging.name}.former")
            os.replace(out, former)
            shutil.rmtree(former)
    shutil.rmtree(staging, ignore_errors=True)
    return out


def _sha256(path: Path | None) -> str | None:
    if path is None:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_merged(folder: Path, record: dict[str, Any], whatever: str | None = None) -> bool:
    """Whether a folder holds what a record says; `whatever` : an entry that may be any, or missing."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    same = isinstance(found, dict) and found | {whatever: None} == record | {whatever: None}
    # Versions before 0.2 could leave a folder without its weights, on any machine but the first
    return same and (folder / "config.json").is_file()


def _write_model(checkpoint: Path, weights: dict[str, torch.Tensor], out: Path) -> None:
    """Write weights under their published names, with the configuration and processor of their checkpoint."""
    import torch
    from transformers import AutoModelForImageTextToText

    config = check_config(checkpoint)
    # Without memory of its own: the weights take the place of what it would be filled with
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config, dtype=next(iter(weights.values())).dtype)
    unknown = model.load_state_dict(weights, strict=False, assign=True).unexpected_keys
    model.tie_weights()
    missing = [name for name, value in model.named_parameters() if value.is_meta]
    if missing or unknown:
        raise ModelLoadError(
            f"the parts in {checkpoint} aren't the weights of its config.json: {len(missing)} are missing "
            f"({', '.join(missing[:2])}) and {len(unknown)} too many ({', '.join(unknown[:2])}); take the config.json "
            "of the run that wrote them"
        )
    model.save_pretrained(out)
    load_processor(checkpoint, config=config, needs_video=False).save_pretrained(out)


def _write_adapter(checkpoint: Path, weights: dict[str, torch.Tensor], out: Path) -> None:
    """Write an adapter as PEFT would have."""
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in weights.items()}, out / WEIGHTS, metadata={"format": "pt"})
    shutil.copy(checkpoint / CONFIG, out / CONFIG)
    load_processor(checkpoint, needs_video=False).save_pretrained(out)
