"""YAML files of settings."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ocr_hf.settings.names import unknown_name


def read_config(path: str | Path, known: Collection[str] | None = None) -> dict[str, Any]:
    """Return the settings in a YAML file, under their names in Python.

    Args:
        path: The file.
        known: Names that it may hold; None for any.

    Raises:
        ValueError: The file is not a mapping of names to values, or holds a name that isn't known.
        OSError: The file can't be read.
    """
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; --config takes a YAML file of settings") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise ValueError(f"{path} is not YAML{line}; give a file of lines `name: value`") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds a {type(values).__name__}; give a file of lines `name: value`")
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if known is not None and name not in known:
            raise ValueError(f"{path}: {unknown_name(name, known)}")
        if name in found:
            raise ValueError(f"{path} gives {name} twice; remove one")
        found[name] = value
    return found
