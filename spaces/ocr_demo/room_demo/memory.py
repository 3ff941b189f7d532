"""Memory for a page that is up for weeks: what threads have freed goes back to the system."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""glibc's names for what `mallopt` sets (malloc.h)."""
ARENAS = 2
MAPPED_FROM_BYTES = 4 * 2**20
"""Larger than one frame's arrays, which come and go by the thousand; smaller than a film's."""
KEPT_FREE_BYTES = 16 * 2**20


def give_back_freed_memory() -> bool:
    """Set this process's allocator, before threads are started; return whether it is one that can be set (glibc's).

    As it comes, glibc gives each thread an arena of its own, and lays arrays of up to 32 MiB into it. What is freed
    there stays with the process: with the page's forty threads, hundreds of MiB.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS, musl, Windows
        return False
    settings = ((M_ARENA_MAX, ARENAS), (M_MMAP_THRESHOLD, MAPPED_FROM_BYTES), (M_TRIM_THRESHOLD, KEPT_FREE_BYTES))
    return all([mallopt(name, value) == 1 for name, value in settings])
