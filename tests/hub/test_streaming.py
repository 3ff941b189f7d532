"""Looking at the first row over HTTP costs a few files, not the data set."""

import shutil

import pytest

from ocr_hf.hub.push_plan import plan_push
from ocr_hf.hub.upload import push
from tests.hub.first_row import SIZES, first_row
from tests.hub.folders import make_dataset

CLIPS = 200


@pytest.mark.slow
def test_the_first_row_of_200_clips_takes_less_than_a_twentieth_of_the_bytes(local_hub, hub_api, hub_client, tmp_path):
    folder = make_dataset(tmp_path / "ocr-vsi", CLIPS, frames=4, **SIZES)
    plan = plan_push("dataset", folder, "org/ocr-vsi")
    push(plan, hub_api())
    rows = {way: first_row(local_hub, hub_client, way) for way in ("load, pairs", "load, recipes")}
    for large in (folder, local_hub.store.root):  # half a gigabyte each
        shutil.rmtree(large)
    for way, row in rows.items():
        print(row.told(way, plan.bytes))
        assert row.id == 0 and row.pixels in (32 * 32, 3 * 32)  # channels last or first
    assert rows["load, pairs"].sent < 0.05 * plan.bytes and rows["load, recipes"].sent < 0.05 * plan.bytes
