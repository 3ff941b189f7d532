"""A revision's files and their checksums, as the Hub states them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_hf.hub.backoff import patiently

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Tree = dict[str, tuple[str, int]]
"""Path -> (SHA-256 of a large file or git's SHA-1 of a small one, size in bytes)."""


def repo_tree(api: HfApi, repo: str, repo_type: str, revision: str) -> Tree:
    """Return every file of a revision."""
    from huggingface_hub.hf_api import RepoFile

    entries = patiently(lambda: list(api.list_repo_tree(repo, recursive=True, revision=revision, repo_type=repo_type)))
    files = [entry for entry in entries if isinstance(entry, RepoFile)]
    return {file.path: (file.lfs.sha256 if file.lfs else file.blob_id, file.size) for file in files}


def file_matches(path: Path, checksum: str, size: int) -> bool:
    """Whether a local file is the one that a tree's checksum and size describe."""
    if not path.is_file() or path.stat().st_size != size:
        return False
    digest = hashlib.sha256() if len(checksum) == 64 else hashlib.sha1(b"blob %d\0" % size)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == checksum
