"""Videos inside a zip archive, read one at a time into memory: nothing is extracted, so nothing lands on the disk."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

MAX_MEMBERS = 100_000
MAX_MEMBER_BYTES = 2 * 1024**3
"""The longest VSI-Bench video has tens of megabytes; what claims or turns out to hold more is refused."""
_CHUNK = 1 << 20


class ArchiveError(ValueError):
    """An archive that is damaged or can't be trusted; the message names the file, the member and what to do."""


class VideoArchive:
    """A zip archive whose names were all checked when it was opened.

    Raises ArchiveError for a file that is no zip archive, more than MAX_MEMBERS members, a name that leaves the
    archive's own folder (absolute, "..", a drive, a link) or stands in it twice.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        try:
            with zipfile.ZipFile(self.path) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, ValueError, EOFError) as error:
            raise ArchiveError(f"{self.path} is not a readable zip archive ({error}); download it again") from error
        if len(infos) > MAX_MEMBERS:
            raise ArchiveError(
                f"{self.path} has {len(infos):,} members, more than {MAX_MEMBERS:,}; it is not VSI-Bench"
            )
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            _check_name(self.path, info)
            if info.is_dir():
                continue
            if info.filename in self._members:
                raise ArchiveError(f"{self.path} holds '{info.filename}' twice; download it again")
            self._members[info.filename] = info

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files in the archive."""
        return tuple(self._members)

    def read(self, name: str) -> bytes:
        """Return one member's bytes; raise ArchiveError if it is damaged, encrypted or larger than it may be."""
        info = self._members[name]
        if info.file_size > MAX_MEMBER_BYTES:
            raise ArchiveError(
                f"{self.path}: '{name}' claims {info.file_size:,} bytes, more than {MAX_MEMBER_BYTES:,}; a zip bomb?"
            )
        pieces, size = [], 0
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(info) as member:
                while piece := member.read(_CHUNK):
                    size += len(piece)
                    # The directory's size is only a claim, so what really comes out is counted.
                    if size > min(info.file_size, MAX_MEMBER_BYTES):
                        raise ArchiveError(f"{self.path}: '{name}' unpacks to more than it claims; a zip bomb?")
                    pieces.append(piece)
        # zipfile raises RuntimeError for an encrypted member, NotImplementedError for a compression that it lacks
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise ArchiveError(f"{self.path}: '{name}' can't be unpacked ({error}); download it again") from error
        return b"".join(pieces)


def _check_name(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    # Nothing is extracted, but member names are compared with those of questions; both slashes, since Windows made some
    leaves = name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\x00" in name
    # Zip keeps the Unix mode in the upper 16 bits
    if leaves or stat.S_ISLNK(info.external_attr >> 16):
        raise ArchiveError(f"{path}: member '{name}' points outside the archive; don't use this file")
