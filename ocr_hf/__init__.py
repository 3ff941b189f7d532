"""ocr_hf: Object-Centric 3D Rollout (OCR) for video language models.

OCR is reinforcement learning that teaches video language models to reason about 3D scenes by perturbing
objects in 3D and training on vanilla and region-noisy videos together (Tang et al., arXiv 2511.13190).
It has nothing to do with text recognition.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what editors, type checkers and doc builders read; at run time __getattr__ does the same, lazily
    from ocr_hf.data.build_config import BuildConfig
    from ocr_hf.data.build_folder import build_folder
    from ocr_hf.data.builder import OcrVsi
    from ocr_hf.data.recorded_scene import RecordedScene
    from ocr_hf.models.load_model import load_model
    from ocr_hf.perturb.ocr_map import OCRMap
    from ocr_hf.scenes.scene import Clip, Scene
    from ocr_hf.train.config import OCRGRPOConfig, OCRSFTConfig
    from ocr_hf.train.sft_trainer import OCRSFTTrainer
    from ocr_hf.train.trainer import OCRGRPOTrainer
    from ocr_hf.vsi_bench.eval_config import EvalConfig
    from ocr_hf.vsi_bench.runner import run_evaluation
    from ocr_hf.vsi_bench.scoring import score_answers

__version__ = "0.2.0"

__all__ = [
    "BuildConfig",
    "Clip",
    "EvalConfig",
    "OCRGRPOConfig",
    "OCRGRPOTrainer",
    "OCRMap",
    "OCRSFTConfig",
    "OCRSFTTrainer",
    "OcrVsi",
    "RecordedScene",
    "Scene",
    "__version__",
    "build_folder",
    "load_model",
    "run_evaluation",
    "score_answers",
]

_MODULES = {
    "BuildConfig": "ocr_hf.data.build_config",
    "Clip": "ocr_hf.scenes.scene",
    "EvalConfig": "ocr_hf.vsi_bench.eval_config",
    "OCRGRPOConfig": "ocr_hf.train.config",
    "OCRGRPOTrainer": "ocr_hf.train.trainer",
    "OCRMap": "ocr_hf.perturb.ocr_map",
    "OCRSFTConfig": "ocr_hf.train.config",
    "OCRSFTTrainer": "ocr_hf.train.sft_trainer",
    "OcrVsi": "ocr_hf.data.builder",
    "RecordedScene": "ocr_hf.data.recorded_scene",
    "Scene": "ocr_hf.scenes.scene",
    "build_folder": "ocr_hf.data.build_folder",
    "load_model": "ocr_hf.models.load_model",
    "run_evaluation": "ocr_hf.vsi_bench.runner",
    "score_answers": "ocr_hf.vsi_bench.scoring",
}
"""Public name -> module; imported on first use, so that `import ocr_hf` takes milliseconds and no torch."""


if not TYPE_CHECKING:  # a type checker that saw it would accept any attribute

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            try:
                return getattr(import_module(_MODULES[name]), name)
            except ModuleNotFoundError as error:
                from ocr_hf.settings.extras import extra_of

                if extra := extra_of(error.name):
                    message = f"{name} needs {error.name}, which isn't installed; pip install 'ocr-hf[{extra}]'"
                    raise ModuleNotFoundError(message, name=error.name) from error
                raise
        raise AttributeError(f"module 'ocr_hf' has no attribute '{name}'; its public names are {', '.join(_MODULES)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
