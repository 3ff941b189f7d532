"""What a shell completes of a command, without importing PyTorch: a key press can't wait for that."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from ocr_hf.settings.command_options import command_of, options
from ocr_hf.settings.names import RENAMED, flag
from ocr_hf.settings.run_command import load

TRAINING = {
    "sft": ("ocr_hf/train/config.py", "trl/trainer/sft_config.py"),
    "grpo": ("ocr_hf/train/config.py", "ocr_hf/train/grpo.py", "trl/trainer/grpo_config.py"),
}
SHARED = ("trl/trainer/base_config.py", "trl/trainer/model_config.py", "transformers/training_args.py")
"""Files whose dataclasses hold the options of training. Importing them takes ten seconds, reading them none."""
OTHER = {"sft": ("OCRGRPOConfig",), "grpo": ("OCRSFTConfig",)}
"""Classes in those files that belong to the other command."""


def completing_command(target: str, name: str) -> TyperCommand:
    """Return a command whose options a shell can list.

    Args:
        target: `module:function`, as `run_command.run` takes it.
        name: Of the command.
    """
    if name not in TRAINING:
        return command_of(load(target), name)
    fields = declared_fields(TRAINING[name] + SHARED, OTHER[name])
    parameters = [
        inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(field))
        for field in fields
    ]

    def nothing() -> None:
        """Only complete."""

    nothing.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command_of(options(list, plugins=True)(nothing), name)


def _option(name: str) -> Any:
    return Annotated[str | None, typer.Option(flag(name))]


def declared_fields(files: Iterable[str], without: Iterable[str] = ()) -> list[str]:
    """Return the names of the fields that the dataclasses in Python files declare, without importing them.

    Args:
        files: Paths below the folders in which packages are installed.
        without: Classes that are left out.
    """
    found: dict[str, None] = {}
    for file in files:
        package, _, rest = file.partition("/")
        spec = find_spec(package)
        path = Path((spec.submodule_search_locations or [""])[0], rest) if spec else Path(rest)
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
        for kind in (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name not in without):
            for node in kind.body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
                    found[node.target.id] = None
    return [name for name in found if name not in RENAMED]
