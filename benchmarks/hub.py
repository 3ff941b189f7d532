"""What the Hub costs: the first row of a large data set, a push whose line is cut, two pushes at once.

    python benchmarks/hub.py                 # 200 clips, 441 MB
    python benchmarks/hub.py --quick         # 12 clips

A Hub on loopback (tests/hub_server) speaks the real HTTP API to the real clients and counts every byte. Waits between
retries are left out. Prints what it measured; the last line is JSON.
"""

from __future__ import annotations

import os

os.environ["HF_HUB_DISABLE_XET"] = "1"  # as where hf_xet is missing; the local Hub speaks LFS
os.environ["HF_HUB_OFFLINE"] = "0"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import pytest  # noqa: E402
from huggingface_hub import HfApi  # noqa: E402
from huggingface_hub.utils.logging import set_verbosity_error  # noqa: E402

from ocr_hf.data.atomic import write_json  # noqa: E402
from ocr_hf.hub.push_plan import plan_push  # noqa: E402
from ocr_hf.hub.upload import push  # noqa: E402
from tests.hub.broken_pushes import cut_push, race  # noqa: E402
from tests.hub.first_row import SIZES, WAYS, first_row  # noqa: E402
from tests.hub.folders import make_dataset, make_metric  # noqa: E402
from tests.hub.waiting import skip_waits  # noqa: E402
from tests.hub_server.accounts import OWNER  # noqa: E402
from tests.hub_server.launch import RunningHub, running_hub  # noqa: E402


def first_rows(hub: RunningHub, root: Path, clips: int) -> dict:
    """Push a data set and stream its first row in every way; bytes are those that the server sent."""
    plan = plan_push("dataset", make_dataset(root / "ocr-vsi", clips, frames=4, **SIZES), "org/ocr-vsi")
    push(plan, HfApi(endpoint=hub.url, token=OWNER.token))

    def client(source: str) -> str:
        environment = {**hub.environment(), "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", source], env=environment, cwd=root, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the client failed: {done.stderr[-2000:]}")
        return done.stdout

    rows = {}
    for way in WAYS:
        row = first_row(hub, client, way)
        print(row.told(way, plan.bytes))
        rows[way] = {"seconds": round(row.seconds, 2), "mb": round(row.sent / 1e6, 2), "videos": row.videos}
        rows[way]["percent"] = round(100 * row.sent / plan.bytes, 2)
    return {"clips": clips, "mb": round(plan.bytes / 1e6, 1), "ways": rows}


def cut(hub: RunningHub, root: Path, clips: int) -> dict:
    """Break a push in the middle, run it again, and count what was sent twice."""
    folder = make_dataset(root / "cut", clips, frames=4, **SIZES)
    told = cut_push(hub, HfApi(endpoint=hub.url, token=OWNER.token), plan_push("dataset", folder, "org/cut"))
    print(
        f"cut push: {told.files} large files, {told.size / 1e6:.1f} MB; {told.whole} of them had arrived when it gave "
        f"up after {told.cuts} cuts; run again it sent {told.second / 1e6:.1f} MB, {told.resent} bytes of them twice"
    )
    return {
        "files": told.files,
        "mb": round(told.size / 1e6, 1),
        "files_before_the_cut": told.whole,
        "mb_sent_again": round(told.second / 1e6, 1),
        "bytes_sent_twice": told.resent,
    }


def at_once(hub: RunningHub, root: Path) -> dict:
    """Let two pushes of different files meet at the commit."""
    api, plans = HfApi(endpoint=hub.url, token=OWNER.token), []
    for name in ("one", "two"):
        folder = make_metric(root / name / "toy")
        (folder / f"{name}.txt").write_text(name)
        plans.append(plan_push("metric", folder, "org/toy"))
    lost = race(hub, *(lambda plan=plan: push(plan, api) for plan in plans))
    statuses = [exchange.status for exchange in hub.traffic.matching("POST .*/commit/")]
    files = set(api.list_repo_files("org/toy", repo_type="space"))
    commits = len(api.list_repo_commits("org/toy", repo_type="space")) - 1
    kept = {"one.txt", "two.txt"} <= files and not lost
    print(f"two pushes at once: {commits} commits, answers {statuses}, {'both are there' if kept else 'ONE WAS LOST'}")
    return {"commits": commits, "answers": statuses, "both_kept": kept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short form that only shows that it works")
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    set_verbosity_error()  # the retries of the cut push are expected
    with tempfile.TemporaryDirectory(prefix="hub_benchmark_") as folder, pytest.MonkeyPatch.context() as patch:
        skip_waits(patch)
        root = Path(folder)
        with running_hub(root) as hub:
            result = {
                "benchmark": "hub",
                "two_pushes": at_once(hub, root),
                "cut_push": cut(hub, root, 4 if options.quick else 24),
                "first_row": first_rows(hub, root, 12 if options.quick else 200),
            }
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.output, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
