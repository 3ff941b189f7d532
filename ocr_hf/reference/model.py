"""The untrained reference model: Qwen2.5-VL's architecture at a width that two CPU cores can train."""

from __future__ import annotations

from pathlib import Path

from ocr_hf.models.tiny import build_tiny
from ocr_hf.reference.config import SIZE


def build_untrained(out: str | Path, seed: int = 0) -> Path:
    """Write the untrained model with tokenizer and processor; the same seed gives the same weights."""
    return build_tiny(out, SIZE, context=1024, seed=seed)
