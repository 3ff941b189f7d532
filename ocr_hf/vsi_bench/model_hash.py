"""Which weights a folder holds: a hash of every byte that loading the model reads.

Hashing runs in as many threads as there are files and cores (`hashlib` lets other threads run). The hash of a large
file is kept between runs under its path, size, inode and the times of its last change, and taken again where all of
them are the same. That is safe on local file systems: the kernel sets the time of change (`st_ctime_ns`) itself, so not
even a tool that sets a file's modification time back can hide a change. It is not where that time is something else or
comes late: on Windows, on network file systems whose servers' clocks are coarse, and for a file that was changed within
the last seconds, which is therefore hashed anew. `OCR_HF_HASH_ALL=1` hashes everything anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ocr_hf.data.atomic import write_json

READ = (".safetensors", ".json", ".jinja", ".txt", ".model")
"""Endings of the files that loading reads: weights, configurations, tokenizer and chat templates."""
TEMPLATES = "additional_chat_templates"
KEPT_FROM = 16 * 1024**2
"""Bytes from which a file's hash is kept; smaller ones take less time than looking them up is worth."""
SETTLED_S = 5.0
"""A file that changed less long ago may change once more within the same tick of the file system's clock."""
HASH_ALL = "OCR_HF_HASH_ALL"
_EDGE = 1 << 20


def folder_hash(folder: Path) -> str:
    """Return `sha256:` and a hash of the names and all bytes of a model's files (see `READ`).

    The card, its sources and what training leaves in other folders don't count.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix in READ and path.is_file())
    files += sorted((folder / TEMPLATES).glob("*.jinja"))
    digest = hashlib.sha256()
    for path, content in zip(files, file_hashes(files), strict=True):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return f"sha256:{digest.hexdigest()[:32]}"


def file_hashes(files: Iterable[Path]) -> list[str]:
    """Return the SHA-256 of each file, in hexadecimal digits; those of large files may be kept from before."""
    files = list(files)
    place = _kept_place()
    kept = {} if os.environ.get(HASH_ALL) or sys.platform == "win32" else _read_kept(place)
    keys = [_key(path) for path in files]
    missing = [number for number, key in enumerate(keys) if key not in kept]
    found: dict[str, str] = {}
    if missing:
        with ThreadPoolExecutor(min(len(missing), os.cpu_count() or 1)) as pool:
            hashes = pool.map(_hash, [files[number] for number in missing])
            found = {keys[number]: content for number, content in zip(missing, hashes, strict=True)}
    new = {keys[number]: found[keys[number]] for number in missing if _may_be_kept(files[number], keys[number])}
    if new:
        _write_kept(place, new)
    return [kept.get(key) or found[key] for key in keys]


def former_hash(folder: Path) -> str:
    """Return the hash by which results before version 0.3 name a folder: sizes, and the first and last MiB of files.

    Two models that differ only in between share it, so it is computed only to recognise such results.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".safetensors", ".json") or not path.is_file():
            continue
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}:".encode())
        with path.open("rb") as file:
            digest.update(file.read(_EDGE))
            if size > _EDGE:
                file.seek(max(size - _EDGE, _EDGE))
                digest.update(file.read())
    return f"blake2b:{digest.hexdigest()}"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key(path: Path) -> str:
    found = path.stat()
    return f"{path.resolve()}|{found.st_size}|{found.st_ino}|{found.st_mtime_ns}|{found.st_ctime_ns}"


def _may_be_kept(path: Path, key: str) -> bool:
    """Return whether a file is large, was left alone for some time, and did not change while it was hashed."""
    found = path.stat()
    is_settled = time.time() - max(found.st_mtime, found.st_ctime) > SETTLED_S
    return found.st_size >= KEPT_FROM and is_settled and _key(path) == key


def _kept_place() -> Path:
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "ocr-hf" / "file_hashes.json"


def _read_kept(place: Path) -> dict[str, str]:
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
        return kept if isinstance(kept, dict) else {}
    except (OSError, ValueError):
        return {}  # only a short cut: without it everything is hashed


def _write_kept(place: Path, new: dict[str, str]) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Earlier states of the same files are of no use any more
        paths = {key.split("|")[0] for key in new}
        others = {key: value for key, value in _read_kept(place).items() if key.split("|")[0] not in paths}
        write_json(place, others | new)
    except OSError:
        pass  # a home that can't be written to costs time, not the run
