"""A Space or metric as it is after a push, on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from ocr_hf.hub.push_plan import Kind, plan_push


def write_pushed(kind: Kind, folder: Path, out: Path) -> Path:
    """Write the files that a push of a folder sends, and return where they are."""
    plan = plan_push(kind, folder, f"org/{folder.name}")  # what was rewritten for it is there as long as it is
    for file in plan.files:
        (out / file.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.source, out / file.path)
    return out
