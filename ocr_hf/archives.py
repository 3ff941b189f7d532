"""Files inside a zip archive, read one at a time into memory: nothing is extracted, so nothing lands on the disk."""

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
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)
"""What zipfile raises for damage: RuntimeError for an encrypted member, NotImplementedError for a compression that it
lacks, OSError and ValueError for places in the file that can't be."""


class ArchiveError(ValueError):
    """An archive that is damaged or can't be trusted; the message names the file, the member and what to do."""


class ZipArchive:
    """A zip archive whose names were all checked when it was opened.

    In a `with` block it is kept open, which spares reading its directory again for each of many members.

    path : of the file
    max_member_bytes : a member that claims or turns out to hold more is refused; None = MAX_MEMBER_BYTES
    where : how messages call the file; None = by its path

    Raises ArchiveError for a file that is no zip archive, more than MAX_MEMBERS members, a name that leaves the
    archive's own folder (absolute, "..", a drive, a link) or stands in it twice. Raises FileNotFoundError where there
    is no file.
    """

    def __init__(self, path: str | os.PathLike, max_member_bytes: int | None = None, where: str | None = None) -> None:
        self.path = Path(path)
        self._where = str(self.path) if where is None else where
        self._most = max_member_bytes
        self._kept: zipfile.ZipFile | None = None
        try:
            with zipfile.ZipFile(self.path) as archive:
                infos = archive.infolist()
        except FileNotFoundError:
            raise
        except _UNREADABLE as error:
            raise ArchiveError(f"{self._where} is not a readable zip archive ({error}); download it again") from error
        if len(infos) > MAX_MEMBERS:
            raise ArchiveError(f"{self._where} has {len(infos):,} members, more than {MAX_MEMBERS:,}; don't use it")
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            _check_name(self._where, info)
            if info.is_dir():
                continue
            if info.filename in self._members:
                raise ArchiveError(f"{self._where} holds '{info.filename}' twice; download it again")
            self._members[info.filename] = info

    def __enter__(self) -> ZipArchive:
        self._kept = zipfile.ZipFile(self.path)
        return self

    def __exit__(self, *_: object) -> None:
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files in the archive."""
        return tuple(self._members)

    def read(self, name: str) -> bytes:
        """Return one member's bytes; raise ArchiveError if it is damaged, encrypted or larger than it may be."""
        info = self._members[name]
        most = MAX_MEMBER_BYTES if self._most is None else self._most
        if info.file_size > most:
            raise ArchiveError(
                f"{self._where}: '{name}' claims {info.file_size:,} bytes, more than {most:,}; a zip bomb?"
            )
        try:
            if self._kept is not None:
                return self._unpacked(self._kept, info, most)
            with zipfile.ZipFile(self.path) as archive:
                return self._unpacked(archive, info, most)
        except ArchiveError:
            raise
        except _UNREADABLE as error:
            raise ArchiveError(f"{self._where}: '{name}' can't be unpacked ({error}); download it again") from error

    def _unpacked(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
        pieces, size = [], 0
        with archive.open(info) as member:
            while piece := member.read(_CHUNK):
                size += len(piece)
                # The directory's size is only a claim, so what really comes out is counted.
                if size > min(info.file_size, most):
                    raise ArchiveError(f"{self._where}: '{info.filename}' unpacks to more than it claims; a zip bomb?")
                pieces.append(piece)
        return b"".join(pieces)


def _check_name(where: str, info: zipfile.ZipInfo) -> None:
    name = info.filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    # Nothing is extracted, but names are compared with those of other files; both slashes, since Windows made some
    leaves = name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\x00" in name
    # Zip keeps the Unix mode in the upper 16 bits
    if leaves or stat.S_ISLNK(info.external_attr >> 16):
        raise ArchiveError(f"{where}: member '{name}' points outside the archive; don't use this file")
