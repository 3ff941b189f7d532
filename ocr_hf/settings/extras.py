"""Optional dependencies, named with the line that installs them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

EXTRAS = {
    "data": ("open3d", "psutil", "shapely", "torch", "torchcodec", "trimesh"),
    "train": ("torch", "accelerate", "peft", "torchvision", "transformers", "trl"),
    "space": ("gradio",),
    "video": ("pycolmap",),
    "scans": ("scenezoo",),
    "scale": ("datatrove", "ray"),
    "view": ("rerun",),
    "xlsx": ("openpyxl",),
}


def extra_of(module: str | None) -> str | None:
    """Return the extra that brings a module (or the package that it is in), None where none does."""
    package = (module or "").partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if package in modules), None)


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
