"""One build at a time into one folder, and folders that can't be built into refused before any work.

The lock is a hidden file beside the folder, `.NAME.lock`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.file_lock import LockedError, file_lock

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
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(path))
        except LockedError as error:
            told = f"{out} is being built by {error}"
            if error.elsewhere:
                told += f", as {path} says; if that process is gone, remove the file, else wait or choose another --out"
            else:
                told += "; wait until it is done, or choose another --out"
            raise FolderBusyError(told) from None
        except OSError as error:
            raise OSError(
                f"can't write in {path.parent} ({error.strerror or error}), where {out.name} is made; choose another "
                "--out"
            ) from error
        yield
