"""Optional dependencies, named with the line that installs them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

EXTRAS = {
    "train": ("torch", "accelerate", "peft", "torchvision", "transformers", "trl"),
    "space": ("gradio",),
    "scale": ("datatrove", "ray"),
    "view": ("rerun",),
    "xlsx": ("openpyxl",),
}


def need(extra: str, purpose: str, modules: Iterable[str] | None = None) -> None:
    """Raise ImportError unless the modules of an extra are installed.

    Args:
        extra: As in `pip install 'ocr-hf[extra]'`.
        purpose: What needs it, as the start of the sentence.
        modules: Those needed here; by default all of the extra.
    """
    for module in EXTRAS[extra] if modules is None else modules:
        if find_spec(module) is None:
            raise ImportError(f"{purpose} needs {module}, which isn't installed; pip install 'ocr-hf[{extra}]'")
