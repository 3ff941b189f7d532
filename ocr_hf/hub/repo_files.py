"""Files on both sides: those of a folder to push, those of a revision on the Hub, and the paths that are allowed."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_hf.data.place import PLACE
from ocr_hf.data.schema import MAX_PUSHED_FILES
from ocr_hf.hub.backoff import with_retries

if TYPE_CHECKING:
    from huggingface_hub import HfApi

IGNORED_FOLDERS = {".git", ".cache", "__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache"}
IGNORED_SUFFIXES = (".tmp", ".incomplete", ".lock", ".pyc")
PULL_RECORD = ".pulled.json"
"""Written by `ocr-hf pull`: the commit that a folder was pulled from. Never pushed."""
IGNORED_NAMES = {".DS_Store", "Thumbs.db", PULL_RECORD, PLACE}

MAX_FILES_PER_FOLDER = 10_000
"""The Hub's limit."""

Tree = dict[str, tuple[str, int]]
"""Path -> (SHA-256 of a large file or git's SHA-1 of a small one, size in bytes)."""

_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class LocalFile:
    """A file to be pushed: its path in the repository, where it is, its size in bytes."""

    path: str
    source: Path
    size: int


def list_files(folder: Path) -> tuple[tuple[LocalFile, ...], tuple[str, ...]]:
    """Return (files to push in order of their paths, findings); caches and unfinished files are skipped.

    A link that leads out of the folder is a finding: it could publish anything on the machine.
    Raises NotADirectoryError where there is no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"'{folder}' is not a folder; give the folder whose files are to be pushed")
    root, files, findings = folder.resolve(), [], []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in IGNORED_FOLDERS)
        # Links to folders are listed among the folders, and os.walk doesn't follow them
        for name in [*names, *folders]:
            source = Path(parent) / name
            path = source.relative_to(folder).as_posix()
            if source.is_symlink() and not source.resolve().is_relative_to(root):
                findings.append(f"{path} is a link to a file outside the folder; copy the file in, or remove the link")
            elif name in folders or name in IGNORED_NAMES or name.endswith(IGNORED_SUFFIXES):
                continue
            elif problem := path_problem(path):
                findings.append(f"{path!r} {problem}")
            else:
                files.append(LocalFile(path, source, source.stat().st_size))
    return tuple(sorted(files, key=lambda file: file.path)), tuple(sorted(findings + _crowds(files)))


def path_problem(path: str) -> str | None:
    """Return why a repository must not hold a path, None if it may: it must stay below its folder on every system."""
    parts = path.split("/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "is an absolute path"
    if any(part in ("", ".", "..") for part in parts):
        return "leads out of the repository's folder"
    if "\\" in path or any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "holds a backslash or control character"
    if any(_WINDOWS_DEVICES.fullmatch(part) or part.endswith((" ", ".")) for part in parts):
        return "is a name that some systems can't store"
    if ".git" in (part.lower() for part in parts):
        return "would touch a .git folder"
    return None


def _crowds(files: list[LocalFile]) -> list[str]:
    found = []
    if len(files) > MAX_PUSHED_FILES:
        found.append(f"the folder holds {len(files)} files, a commit takes {MAX_PUSHED_FILES}; build several data sets")
    counts: dict[str, int] = {}
    for file in files:
        parent = file.path.rpartition("/")[0] or "."
        counts[parent] = counts.get(parent, 0) + 1
    for parent, count in counts.items():
        if count > MAX_FILES_PER_FOLDER:
            found.append(f"{parent} holds {count} files, the Hub takes {MAX_FILES_PER_FOLDER} a folder; spread them")
    return found


def repo_tree(api: HfApi, repo: str, repo_type: str, revision: str) -> Tree:
    """Return every file of a revision."""
    from huggingface_hub.hf_api import RepoFile

    entries = with_retries(
        lambda: list(api.list_repo_tree(repo, recursive=True, revision=revision, repo_type=repo_type))
    )
    files = [entry for entry in entries if isinstance(entry, RepoFile)]
    return {file.path: (file.lfs.sha256 if file.lfs else file.blob_id, file.size) for file in files}


def file_matches(path: Path, checksum: str, size: int) -> bool:
    """Whether a local file is the one that a tree's checksum and size describe."""
    if not path.is_file() or path.stat().st_size != size:
        return False
    # The Hub states SHA-256 for LFS and Xet files. Others are git blobs: SHA-1 over the word blob, the size and the
    # content.
    digest = hashlib.sha256() if len(checksum) == 64 else hashlib.sha1(b"blob %d\0" % size)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == checksum
