"""The files of a benchmark: downloaded from the Hub, or hashed where no commit says which version they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path


def fetch_folder(repo: str, revision: str | None, patterns: Sequence[str]) -> tuple[Path, str]:
    """Return (folder, commit) of a Hub data set with the files of these patterns.

    Works offline if they were fetched before. Raises ValueError if the repository can't be downloaded.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=list(patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(
            f"data set '{repo}' can't be downloaded from the Hub ({first}); check its name, the revision and your token"
        ) from error
    # The cache keeps every snapshot in a folder named after its commit
    return Path(folder), Path(folder).name


def fetch_file(repo: str, name: str, commit: str) -> Path | None:
    """Return one file of a Hub data set, or None if the repository has no such file."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(repo, name, repo_type="dataset", revision=commit))
    except EntryNotFoundError:
        return None


def digest_files(files: Sequence[Path]) -> str:
    """Return a hash of files' contents: the revision of data that has no commit."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(file.read_bytes())
    return f"blake2b:{digest.hexdigest()}"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as `sha256sum` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
