"""Files of a model, from a folder or the Hub, and why one can't be loaded, in a sentence with the way out."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

_IMPORTING = Lock()


class ModelLoadError(ValueError):
    """A model that cannot be loaded, with the cause and the way out."""


def import_transformers() -> None:
    """Import transformers, one thread at a time; call it before anything is imported from there where threads may meet.

    While it is imported, transformers puts another module into its own place. A thread that asks for it meanwhile is
    left with the first one, and is told "cannot import name" of whatever it wants from it.
    """
    with _IMPORTING:
        import transformers  # noqa: F401


def model_file(source: str | Path, name: str, revision: str | None = None) -> Path | None:
    """Return where a file of a model is, fetched into the cache for a Hub id; None where there is no such file.

    A repository that is missing or out of reach has no file either: reading the model's configuration says so.
    """
    # Seconds sooner: transformers takes that long to be imported
    if Path(source).is_dir():
        found = Path(source) / name
        return found if found.is_file() else None
    import_transformers()
    from transformers.utils import cached_file

    try:
        found = cached_file(str(source), name, revision=revision)
    except OSError:
        return None
    return Path(found) if found is not None else None


def why_unreachable(source: str, revision: str | None, error: BaseException) -> str | None:
    """Return what keeps a Hub model from being fetched, as one sentence; None where the Hub isn't the reason.

    transformers wraps what the Hub's client raised; the chain of causes is searched for it.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"'{source}'" + (f" at revision '{revision}'" if revision else "")
    for cause in _chain(error):
        # Before RepositoryNotFoundError, of which it is a kind
        if isinstance(cause, GatedRepoError):
            return f"{where} is gated; accept its terms on its page, then log in with `hf auth login`"
        if isinstance(cause, RevisionNotFoundError):
            return f"{where} does not exist, though the repository does; its page lists branches and tags"
        if isinstance(cause, RepositoryNotFoundError):
            return f"{where} is no folder, and no model on the Hub that your token sees; check the name, or log in"
        if isinstance(cause, OfflineModeIsEnabled | LocalEntryNotFoundError):
            return f"{where} is not in the cache and the Hub can't be reached; go online once, or name a folder"
    return None


def _chain(error: BaseException):
    seen = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
