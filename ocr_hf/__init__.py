"""ocr_hf: Object-Centric 3D Rollout (OCR) for video language models.

OCR is reinforcement learning that teaches video language models to reason about 3D scenes by perturbing
objects in 3D and training on vanilla and region-noisy videos together (Tang et al., arXiv 2511.13190).
It has nothing to do with text recognition.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "OCRMap": "ocr_hf.perturb.ocr_map",
    "OcrVsi": "ocr_hf.data.builder",
    "OCRGRPOConfig": "ocr_hf.train.config",
    "OCRGRPOTrainer": "ocr_hf.train.trainer",
}
"""Public name -> module; loaded on first use so that `import ocr_hf` stays light."""

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'ocr_hf' has no attribute '{name}'; it has {', '.join(_PUBLIC)}")
