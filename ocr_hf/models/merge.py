"""A LoRA adapter merged into its base and saved as a full model, for trainers that load a model by name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from ocr_hf.data.atomic import write_json
from ocr_hf.models.adapters import adapter_base
from ocr_hf.models.load_model import load_model

RECORD = "merged_from.json"


def merged_folder(source: str | Path, revision: str | None, out: Path, dtype: str = "auto") -> Path:
    """Return `out`, holding base and adapter as one model with its processor; made if it isn't there.

    A trainer may load its model several times (the reference of a KL term), so it needs a name to load, not a model in
    memory. The folder appears when it is complete; one of another adapter is replaced.
    Raises ModelLoadError for what can't be loaded, or is no adapter.
    """
    base, base_revision = adapter_base(str(source), revision) or (None, None)
    record = {
        "adapter": str(source),
        "revision": revision,
        "base": base,
        "base_revision": base_revision,
        "dtype": dtype,
    }
    if (out / RECORD).is_file() and json.loads((out / RECORD).read_text(encoding="utf-8")) == record:
        return out
    loaded = load_model(source, revision, dtype=dtype, device="cpu")
    staging = out.with_name(f"{out.name}.{os.getpid()}.incomplete")
    shutil.rmtree(staging, ignore_errors=True)
    loaded.model.save_pretrained(staging)
    loaded.processor.save_pretrained(staging)
    write_json(staging / RECORD, record)
    # A folder can be renamed only to a name that is free or an empty folder
    shutil.rmtree(out, ignore_errors=True)
    os.replace(staging, out)
    return out
