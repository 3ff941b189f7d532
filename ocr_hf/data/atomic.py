"""Files that exist whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in the same folder that becomes `path` when the block ends well.

    Raises OSError, naming `path`, where writing fails (a full disk); then nothing is left behind and what was at
    `path` before is untouched. A killed process can leave a temporary file: hidden, named *.tmp.
    """
    path = Path(path)
    # In the same folder: os.replace is atomic only within one file system. The process id keeps workers apart.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _naming(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that becomes `path` when the block ends well, and else is removed.

    Raises FileExistsError where something is at `path`, OSError, naming `path`, where writing fails.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists; remove it, or give another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        with _naming(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raise an OSError of the block as one that names `path` and the way out."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise OSError(f"can't write {path} ({why}); free some space there or choose another folder") from error


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write a value as JSON, atomically; equal values give equal bytes."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
