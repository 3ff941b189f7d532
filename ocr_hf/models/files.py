"""Single files of a model, from a folder or the Hub."""

from __future__ import annotations

from pathlib import Path


def model_file(source: str | Path, name: str, revision: str | None = None) -> Path | None:
    """Return where a file of a model is, fetched into the cache for a Hub id; None where there is no such file.

    A repository that is missing or out of reach has no file either: reading the model's configuration says so.
    """
    from transformers.utils import cached_file

    try:
        found = cached_file(str(source), name, revision=revision)
    except OSError:
        return None
    return Path(found) if found is not None else None
