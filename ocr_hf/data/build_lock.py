"""One build at a time into one folder, and folders that can't be built into refused before any work.

The lock is a hidden file beside the folder, `.NAME.lock`, that names the host and process which hold it. The system
releases it when the process ends in whatever way, so a killed build leaves nothing to clear up. Clocks are not asked:
they differ from host to host.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocr_hf.data.build_config import BuildConfig

BYTES_PER_PIXEL = 0.02
"""Of a stored frame, at least: H.264 of our rooms takes 0.1 and more. Less free space than that can't be enough."""


class FolderBusyError(ValueError):
    """Another build holds the output folder."""


def final_folder(out: str | os.PathLike) -> Path:
    """Return the folder that `out` leads to, through links, where a build can rename its finished work to.

    Raises:
        ValueError: `out` is a mount point, or the root of the file system, or its path has a wildcard.
    """
    folder = Path(os.path.realpath(out))
    if wildcards := set("[*?") & set(str(folder)):
        raise ValueError(
            f"{folder} has '{min(wildcards)}' in its path, which load_dataset would read as a wildcard, and find "
            "nothing; choose another --out"
        )
    if os.path.ismount(folder):
        raise ValueError(
            f"{out} is a mount point, which nothing can be renamed to; name a folder in it, as {folder / 'ocr-vsi'}"
        )
    return folder


def check_space(config: BuildConfig, out: Path, done_bytes: int = 0) -> None:
    """Raise OSError where the disk can't hold even the least that the build will write.

    done_bytes : what an interrupted build has written already
    """
    pixels = config.num_scenes * config.clips_per_scene * config.frames * config.width * config.height
    least = int(2 * pixels * BYTES_PER_PIXEL) - done_bytes  # vanilla and noisy
    free = shutil.disk_usage(out.parent).free
    if free < least:
        raise OSError(
            f"{out.parent} has {free / 1e6:.1f} MB free and the build writes at least {least / 1e6:.1f} MB; free some "
            "space or choose another --out",
        )


@contextmanager
def build_lock(out: Path) -> Iterator[None]:
    """Hold the lock of a folder while the block runs.

    out : as `final_folder` gives it
    Raises FolderBusyError where another process holds it, OSError where the folder beside can't be written to.
    """
    path = out.with_name(f".{out.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _take(path, out)
    except OSError as error:
        raise OSError(
            f"can't write in {path.parent} ({error.strerror or error}), where {out.name} is made; choose another --out"
        ) from error
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _take(path: Path, out: Path) -> int:
    import fcntl

    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(handle)
            os.close(handle)
            raise FolderBusyError(
                f"{out} is being built by {holder[0]}; wait until it is done, or choose another --out"
            ) from None
        except OSError as error:
            # Some network file systems know no locks; what the file says must do there
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                os.close(handle)
                raise
        # Whoever held it removed the file and then let go: what was locked here may be no file of this name any more
        if not path.exists() or os.fstat(handle).st_ino != path.stat().st_ino:
            os.close(handle)
            continue
        words, host = _holder(handle)
        if host not in (None, socket.gethostname()):
            os.close(handle)
            raise FolderBusyError(
                f"{out} is being built by {words}, as {path} says; if that process is gone, remove the file, else wait "
                "or choose another --out"
            )
        return handle


def _holder(handle: int) -> tuple[str, str | None]:
    """Return (who holds a lock in words, its host); the host is None where nobody is named."""
    try:
        named = json.loads(os.pread(handle, 1000, 0))
        return f"process {int(named['pid'])} on {named['host']}", str(named["host"])
    except (ValueError, KeyError, TypeError):
        return "another process", None
