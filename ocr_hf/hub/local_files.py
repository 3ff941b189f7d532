"""Which files of a folder would be pushed, and which paths a repository may contain."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

IGNORED_FOLDERS = {".git", ".cache", "__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache"}
IGNORED_SUFFIXES = (".tmp", ".incomplete", ".lock", ".pyc")
PULL_RECORD = ".pulled.json"
"""Written by `ocr-hf pull`: which commit a folder is. It stays on the machine."""
IGNORED_NAMES = {".DS_Store", "Thumbs.db", PULL_RECORD}

MAX_FILES = 25_000
"""The Hub takes no more large files in a commit, and a push is one commit."""
MAX_FILES_PER_FOLDER = 10_000
"""The Hub's limit."""

_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class LocalFile:
    """A file to be pushed: its path in the repository, where it is, its size in bytes."""

    path: str
    source: Path
    size: int


def list_files(folder: Path) -> tuple[tuple[LocalFile, ...], tuple[str, ...]]:
    """Return (files to push in order of their paths, findings); caches and unfinished files are passed over.

    A link that leads out of the folder is a finding: it could publish anything on the machine.
    Raises NotADirectoryError where there is no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"'{folder}' is not a folder; give the folder whose files are to be pushed")
    root, files, findings = folder.resolve(), [], []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in IGNORED_FOLDERS)
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
    """What forbids a path in a repository, None if nothing: it must stay below its folder on every system."""
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
    if len(files) > MAX_FILES:
        found.append(f"the folder holds {len(files)} files, a commit takes {MAX_FILES}; build several data sets")
    counts: dict[str, int] = {}
    for file in files:
        parent = file.path.rpartition("/")[0] or "."
        counts[parent] = counts.get(parent, 0) + 1
    for parent, count in counts.items():
        if count > MAX_FILES_PER_FOLDER:
            found.append(f"{parent} holds {count} files, the Hub takes {MAX_FILES_PER_FOLDER} a folder; spread them")
    return found
