"""What a shell completes of a command, without importing PyTorch: a key press can't wait for that."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from ocr_hf.settings.command_options import command_of


def completing_command(function: Any, name: str) -> TyperCommand:
    """Return a command with its options."""
    return command_of(function, name)
