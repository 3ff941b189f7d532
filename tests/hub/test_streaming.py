"""Looking at the first row over HTTP costs a few files, not the data set."""

import json
import shutil

import pytest

from ocr_hf.hub.plan import plan_push
from ocr_hf.hub.push import push
from tests.hub.folders import make_dataset

CLIPS = 200
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


@pytest.mark.slow
def test_the_first_row_of_200_clips_takes_less_than_a_twentieth_of_the_bytes(local_hub, hub_api, hub_client, tmp_path):
    folder = make_dataset(tmp_path / "ocr-vsi", CLIPS, frames=4, **SIZES)
    plan = plan_push("dataset", folder, "org/ocr-vsi")
    push(plan, hub_api())
    shares = {}
    for way, source in WAYS.items():
        local_hub.traffic.clear()
        row = json.loads(hub_client(TIMED.format(source=source)))
        fetched, videos = local_hub.traffic.sent(), local_hub.traffic.requests(r"GET .*\.mp4")
        shares[way] = fetched / plan.bytes
        print(
            f"{way}: first row after {row['seconds']:.2f} s, {fetched / 1e6:.1f} of {plan.bytes / 1e6:.1f} MB "
            f"({100 * shares[way]:.2f} %), {videos} videos opened"
        )
        assert row["id"] == 0 and row["pixels"] in (32 * 32, 3 * 32)  # channels last or first
    for large in (folder, local_hub.store.root):  # half a gigabyte each
        shutil.rmtree(large)
    assert shares["load, pairs"] < 0.05 and shares["load, recipes"] < 0.05
