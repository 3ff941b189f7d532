"""What the first row of a data set costs over HTTP, counted by the server; for a test and a benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.hub_server.launch import RunningHub

SIZES = {"video_bytes": 1_050_000, "footprints": 600, "questions": 60}
"""Those of a build of 32 frames at 392x280: 2.1 MB of video and 57 kB of metadata a clip."""

OURS = """
from ocr_hf.data.load import load
from ocr_hf.data.video import read_frames

row = next(iter(load("org/ocr-vsi", "{config}", split="train", streaming=True)))
shape = read_frames(row["vanilla"], [0])[0].shape
"""
PLAIN = """
from datasets import load_dataset

row = next(iter(load_dataset("org/ocr-vsi", "{config}", split="train", streaming=True){decode}))
shape = row["vanilla"][0].shape
"""
TIMED = """
import json, os, sys, time
import datasets, torch

start = time.perf_counter()
{source}
print(json.dumps({{"seconds": time.perf_counter() - start, "id": row["id"], "pixels": shape[-1] * shape[-2]}}))
sys.stdout.flush()
os._exit(0)  # pyarrow may still read ahead, and dislikes being stopped by the interpreter's end
"""
WAYS = {
    "load, pairs": OURS.format(config="pairs"),
    "load, recipes": OURS.format(config="recipes"),
    "load_dataset, pairs, decode(num_threads=1)": PLAIN.format(config="pairs", decode=".decode(num_threads=1)"),
    "load_dataset, pairs": PLAIN.format(config="pairs", decode=""),
}
"""Plain streaming reads the metadata twice and decodes 64 rows ahead in `datasets` 5.2: measured, held to nothing."""


@dataclass(frozen=True)
class FirstRow:
    """Seconds until the first row and its first frame were there, bytes and videos that the server sent for them.

    id : of the row; pixels : of a frame, or of a frame's rows and channels
    """

    seconds: float
    sent: int
    videos: int
    id: int
    pixels: int

    def told(self, way: str, total: int) -> str:
        """A line to print; total : bytes of the data set."""
        return (
            f"{way}: first row after {self.seconds:.2f} s, {self.sent / 1e6:.1f} of {total / 1e6:.1f} MB "
            f"({100 * self.sent / total:.2f} %), {self.videos} videos opened"
        )


def first_row(hub: RunningHub, client: Callable[[str], str], way: str) -> FirstRow:
    """Stream the first row of `org/ocr-vsi` in one of WAYS, in a process of its own.

    client : runs Python source against the hub and returns what it prints
    """
    hub.traffic.clear()
    row = json.loads(client(TIMED.format(source=WAYS[way])))
    return FirstRow(row["seconds"], hub.traffic.sent(), hub.traffic.requests(r"GET .*\.mp4"), row["id"], row["pixels"])
