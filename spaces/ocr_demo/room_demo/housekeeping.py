"""Removing what nobody needs any more: uploads and edited rooms after two hours, but not those of stories; tables; and
beyond a size the videos asked for longest ago."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from pathlib import Path

from .clip import ClipStore
from .findings import exports
from .rooms import Rooms

logger = logging.getLogger(__name__)
UPLOAD_SECONDS = 2 * 3600.0
EXPORT_SECONDS = 600.0
"""Gradio has its own copy of an exported table as soon as it is shown."""
MOST_BYTES = 2 * 2**30
EVERY_SECONDS = 300.0


def sweep(
    rooms: Rooms, now: float | None = None, upload_seconds: float = UPLOAD_SECONDS, most: int = MOST_BYTES
) -> int:
    """Remove old uploads, edited rooms and tables, and beyond `most` bytes the oldest videos; return how many."""
    now = time.time() if now is None else now
    removed = 0
    for folder in (*rooms.store.media.glob("upload-*"), *rooms.store.media.glob("edit-*")):
        if folder.name not in rooms.kept and now - folder.stat().st_mtime > upload_seconds:
            forget(rooms, folder.name)
            removed += 1
    for folder in exports().iterdir():
        if now - folder.stat().st_mtime > EXPORT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed + _trim(rooms.store, most)


def forget(rooms: Rooms, clip_id: str) -> None:
    """Remove a clip's files and drop it from memory."""
    shutil.rmtree(rooms.store.clips / clip_id, ignore_errors=True)
    shutil.rmtree(rooms.store.media / clip_id, ignore_errors=True)
    rooms.forget(clip_id)


def _trim(store: ClipStore, most: int) -> int:
    made: list[tuple[float, int, Path]] = []
    for pattern in ("*/noisy-*.mp4", "*/noisy-map-*.png"):
        for path in store.media.glob(pattern):
            status = path.stat()
            made.append((status.st_mtime, status.st_size, path))
    total, removed = sum(size for _, size, _ in made), 0
    for _, size, path in sorted(made):
        if total <= most:
            break
        path.unlink(missing_ok=True)
        total, removed = total - size, removed + 1
    return removed


def sweep_regularly(rooms: Rooms) -> threading.Thread:
    """Sweep every five minutes in the background; return the thread."""

    def work() -> None:
        while True:
            time.sleep(EVERY_SECONDS)
            try:
                sweep(rooms)
            except OSError:
                logger.exception("the sweep failed; it is tried again")

    thread = threading.Thread(target=work, name="sweep", daemon=True)
    thread.start()
    return thread
