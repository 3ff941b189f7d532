"""What the demo's threads have freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from tests.spaces.ocr_demo_rooms import SPACE

EIGHT_THREADS = """
import sys, threading
import numpy as np
sys.path.insert(0, {space!r})
from room_demo.memory import give_back_freed_memory

def resident():
    return int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) / 1024

def work():
    all_there.wait()
    for _ in range(3):
        films = [np.ones(20 * 2**20, np.uint8) for _ in range(4)]
        kept.append(bytearray(300_000))  # behind them, so that they can't be cut off the arena's end
        del films

if {told}:
    assert give_back_freed_memory()
kept, all_there, before = [], threading.Barrier(8), resident()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set")
def test_threads_keep_none_of_the_memory_that_they_have_freed() -> None:
    grown = {}
    for told in (False, True):
        code = EIGHT_THREADS.format(space=str(SPACE), told=told)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        grown[told] = float(done.stdout)
    assert grown[True] < 32 and grown[False] > 128  # MiB, of 640
