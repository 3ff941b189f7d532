"""A lock that is a file: whoever holds it is named in it, and the system releases it when the process ends.

A killed process leaves nothing to clear up. Clocks are not asked: they differ from host to host.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LockedError(Exception):
    """Another process holds the lock; the message says which.

    elsewhere : only what the file says of another host tells so, and nobody here can know whether that process lives
    """

    def __init__(self, holder: str, elsewhere: bool) -> None:
        super().__init__(holder)
        self.elsewhere = elsewhere


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a lock while the block runs; its file is removed at the end.

    path : of the file; its folder is made where there is none
    Raises LockedError where another process holds it, OSError where the folder can't be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _take(path)
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _take(path: Path) -> int:
    import fcntl

    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder, _ = _holder(handle)
            os.close(handle)
            raise LockedError(holder, elsewhere=False) from None
        except OSError as error:
            # Some network file systems know no locks; what the file says must do there
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                os.close(handle)
                raise
        # Whoever held it removed the file and then let go: what was locked here may be no file of this name any more
        if not path.exists() or os.fstat(handle).st_ino != path.stat().st_ino:
            os.close(handle)
            continue
        holder, host = _holder(handle)
        if host not in (None, socket.gethostname()):
            os.close(handle)
            raise LockedError(holder, elsewhere=True)
        return handle


def _holder(handle: int) -> tuple[str, str | None]:
    """Return (who holds a lock in words, its host); the host is None where nobody is named."""
    try:
        named = json.loads(os.pread(handle, 1000, 0))
        return f"process {int(named['pid'])} on {named['host']}", str(named["host"])
    except (ValueError, KeyError, TypeError):
        return "another process", None
