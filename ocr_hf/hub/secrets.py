"""Looking for keys and tokens in files that are about to become public."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch

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
MEDIA = (".mp4", ".png", ".jpg", ".jpeg", ".webm", ".safetensors", ".glb", ".npz")
"""Compressed or random bytes: a match in them is a coincidence, and searching gigabytes of weights is slow."""

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
        name = file.path.rpartition("/")[2]
        if any(fnmatch(name.lower(), pattern) for pattern in NAMES):
            yield f"{file.path} looks like a file of secrets; remove it, or rename it if it is not"
        elif not name.lower().endswith(MEDIA):
            yield from _find_in(file, patterns)


def _find_in(file: LocalFile, patterns: dict[str, re.Pattern[bytes]]) -> Iterator[str]:
    unseen, position, tail = dict(patterns), 0, b""
    with open(file.source, "rb") as stream:
        while unseen and (block := stream.read(_BLOCK)):
            text = tail + block
            for what in list(unseen):
                if match := unseen[what].search(text):
                    # One finding per file and kind: it is reason enough to refuse, and the rest of the file is read
                    # faster.
                    del unseen[what]
                    where = position - len(tail) + match.start()
                    yield f"{file.path}, byte {where}: this looks like {what}; remove it and revoke it"
            position += len(block)
            tail = text[-_OVERLAP:]
