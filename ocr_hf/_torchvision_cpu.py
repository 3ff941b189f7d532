"""Makes torchvision's CUDA wheel importable beside a CPU-only torch.

torchvision's published Linux wheels are CUDA builds. With CPU torch their compiled operators can't load, and
torchvision then fails while it registers shapes for `torchvision::nms`, which doesn't exist. Declaring the
operators' schemas beforehand is enough: the transforms that transformers' video processors use are plain torch.
Nothing happens where torch has CUDA or ROCm, where torchvision is a CPU build (its operators load), or where
torchvision is never imported.
"""

from __future__ import annotations

import re
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path

_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class _DeclareOperators(MetaPathFinder):
    """Finds torchvision as Python would, and declares the operators just before its code runs.

    Not while it is looked for: Python holds the lock of all imports then, and importing torch under it deadlocks with a
    thread that is importing torch itself.
    """

    def find_spec(self, name, path=None, target=None):  # noqa: ANN001, ANN201 (signature is the import system's)
        if name != "torchvision":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if _is_cuda_build(spec):
            run = spec.loader.exec_module

            def declare_and_run(module) -> None:  # noqa: ANN001
                _declare()
                run(module)

            spec.loader.exec_module = declare_and_run
        return spec


def _is_cuda_build(spec) -> bool:  # noqa: ANN001
    if spec is None or spec.origin is None:
        return False
    version_file = Path(spec.origin).with_name("version.py")
    return version_file.is_file() and re.search(r"__version__ = '[^']*\+cu\d", version_file.read_text()) is not None


def _declare() -> None:
    import torch

    if torch.version.cuda is not None or torch.version.hip is not None:
        return
    for operator in _OPERATORS:
        try:
            torch.library.define(f"torchvision::{operator}", _SCHEMA)
        except RuntimeError as error:  # somebody declared it before us, e.g. a working CPU build
            if "already" not in str(error) and "duplicate" not in str(error).lower():
                raise


def install() -> None:
    """Arrange for the declaration; does nothing when called again or once torchvision is imported."""
    if "torchvision" in sys.modules or any(isinstance(finder, _DeclareOperators) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _DeclareOperators())
