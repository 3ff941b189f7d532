"""Looking for keys and tokens in files that are about to become public."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from typing import BinaryIO

from ocr_hf.hub.check_model import MAX_HEADER_BYTES
from ocr_hf.hub.repo_files import LocalFile

PATTERNS = {
    "a Hugging Face token": rb"\bhf_[A-Za-z0-9]{30,}",
    "an AWS access key": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})",
    "an API key": rb"\b(?:sk|rk)-[A-Za-z0-9][A-Za-z0-9_-]{30,}",
    "a Slack token": rb"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a Google API key": rb"\bAIza[0-9A-Za-z_-]{35}\b",
    "a private key": rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
}
NAMES = (".env", ".env.*", "*.pem", "*.p12", "id_rsa", "id_ed25519", ".netrc", ".pypirc", "*.kdbx", "credentials")
MEDIA = (".mp4", ".png", ".jpg", ".jpeg", ".webm", ".glb", ".npz")
"""Compressed or random bytes: a match in them is a coincidence. So are weights, but for a safetensors file's header."""
MAX_UNPACKED = 1 << 30
"""Bytes of a gzip file that are unpacked and searched; whatever unpacks to more is refused unread."""

_BLOCK = 1 << 20
_OVERLAP = 256
"""Longer than any pattern needs to match, so that a key across two blocks is seen."""


def find_secrets(files: Iterable[LocalFile], own_token: str | None = None) -> Iterator[str]:
    """Yield a sentence for each file that seems to hold a secret; the secret itself isn't repeated.

    own_token : the token in use, which must not be published whatever it looks like
    """
    # The patterns ask for lengths that placeholders in documentation ("hf_xxx") don't reach
    patterns = {what: re.compile(pattern) for what, pattern in PATTERNS.items()}
    if own_token:
        patterns["the token you are logged in with"] = re.compile(re.escape(own_token.encode()))
    for file in files:
        name = file.path.rpartition("/")[2].lower()
        if any(fnmatch(name, pattern) for pattern in NAMES):
            yield f"{file.path} looks like a file of secrets; remove it, or rename it if it is not"
        elif name.endswith(MEDIA):
            continue
        elif name.endswith(".gz"):
            yield from _find_unpacked(file, patterns)
        else:
            with open(file.source, "rb") as stream:
                text = _header(stream) if name.endswith(".safetensors") else stream
                yield from _find_in(text, file.path, patterns)


def _header(stream: BinaryIO) -> BinaryIO:
    """A safetensors file's header, whose metadata is free text: trainers write their settings there."""
    start = stream.read(8)
    length = struct.unpack("<Q", start.ljust(8, b"\0"))[0]  # forged, it reads no more than a header may have
    return io.BytesIO(start + stream.read(min(length, MAX_HEADER_BYTES)))


def _find_unpacked(file: LocalFile, patterns: dict[str, re.Pattern[bytes]]) -> Iterator[str]:
    try:
        with gzip.open(file.source) as stream:
            yield from _find_in(_Capped(stream, MAX_UNPACKED), f"{file.path}, unpacked", patterns)
    except _TooLongError:
        yield f"{file.path} unpacks to more than {MAX_UNPACKED} bytes, too many to search for secrets; push it unpacked"
    except (OSError, EOFError, zlib.error) as error:
        yield f"{file.path} can't be unpacked and searched for secrets ({error}); remove it or pack it again"


class _TooLongError(ValueError):
    """A packed file is larger than what is searched."""


class _Capped:
    """A stream that raises once more than `limit` bytes were read: small files can unpack to any size."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream, self._left = stream, limit

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise _TooLongError
        return block


def _find_in(stream: BinaryIO | _Capped, path: str, patterns: dict[str, re.Pattern[bytes]]) -> Iterator[str]:
    unseen, position, tail = dict(patterns), 0, b""
    while unseen and (block := stream.read(_BLOCK)):
        text = tail + block
        for what in list(unseen):
            if match := unseen[what].search(text):
                # One finding per file and kind: it is reason enough to refuse, and the rest of the file is read faster.
                del unseen[what]
                where = position - len(tail) + match.start()
                yield f"{path}, byte {where}: this looks like {what}; remove it and revoke it"
        position += len(block)
        tail = text[-_OVERLAP:]
