"""Push and pull by Xet, which is what the real client takes where `hf_xet` is installed: the real client, our hub."""

import errno
import json
import subprocess
import sys

import pytest

from ocr_hf.hub.hub_errors import HubError, explained
from ocr_hf.hub.push_plan import plan_push
from tests.hub.folders import make_dataset
from tests.hub.test_push import contents
from tests.hub_server.fixture import ROOT

pytest.importorskip("hf_xet", reason="the client sends by Xet only where hf_xet is installed")
CLIENT = """
import json, sys
from pathlib import Path
from huggingface_hub import HfApi
from huggingface_hub.utils import disable_progress_bars
from ocr_hf.hub.download import pull
from ocr_hf.hub.push_plan import plan_push
from ocr_hf.hub.upload import push

disable_progress_bars()
for action, *words in json.loads(sys.argv[1]):
    try:
        if action == "push":
            push(plan_push("dataset", Path(words[0]), "org/ocr-vsi"), HfApi())
        else:
            pull("dataset", "org/ocr-vsi", Path(words[0]), HfApi())
        print("done")
    except OSError as error:
        print(type(error).__name__, str(error).replace(chr(10), " "))
"""
QUICK = {"HF_XET_CLIENT_RETRY_BASE_DELAY": "10ms", "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1"}


@pytest.fixture
def client(local_hub, tmp_path):
    """Call with actions to do them in one process of the real client; returns what each printed."""

    def run(*actions: tuple[str, str]) -> list[str]:
        environment = {**local_hub.environment(xet=True), **QUICK, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", CLIENT, json.dumps(actions)]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return [line for line in done.stdout.splitlines() if line.strip()]

    return run


@pytest.mark.slow
def test_a_data_set_goes_by_xet_and_comes_back_byte_for_byte(local_hub, client, tmp_path):
    folder = make_dataset(tmp_path / "ocr-vsi", video_bytes=200_000)
    size = sum(path.stat().st_size for path in folder.rglob("*.mp4"))
    assert client(("push", "ocr-vsi")) == ["done"]
    sent = local_hub.traffic.received("POST /v1/xorbs")
    assert size <= sent < 1.1 * size + 100_000
    assert local_hub.traffic.requests("/storage/|lfs/objects") == 0  # nothing by the other way
    local_hub.traffic.clear()
    assert client(("push", "ocr-vsi"), ("pull", "copy")) == ["done", "done"]
    assert local_hub.traffic.received("POST /v1/xorbs") == 0  # nothing twice
    assert local_hub.traffic.sent("GET /xet/") >= size and local_hub.traffic.requests("/storage/") == 0
    theirs, plan = contents(tmp_path / "copy"), plan_push("dataset", folder, "org/ocr-vsi")
    assert all(theirs[file.path] == file.source.read_bytes() for file in plan.files)


@pytest.mark.slow
def test_a_push_that_broke_off_says_what_to_do_and_goes_on(local_hub, client, tmp_path):
    make_dataset(tmp_path / "ocr-vsi", video_bytes=200_000)
    local_hub.fail("POST /v1/shards", times=-1, status=503)
    (said,) = client(("push", "ocr-vsi"))
    assert said.startswith("HubError push to org/ocr-vsi") and "run the same command again" in said
    before = local_hub.traffic.received("POST /v1/xorbs")
    assert before > 1_000_000 and local_hub.traffic.requests("POST .*/commit/") == 0
    local_hub.wire.faults.clear()
    local_hub.traffic.clear()
    assert client(("push", "ocr-vsi")) == ["done"]
    # Blocks that no shard has named yet are unknown to the storage, so at worst all are sent once more
    assert local_hub.traffic.received("POST /v1/xorbs") <= before
    local_hub.traffic.clear()
    assert client(("push", "ocr-vsi")) == ["done"]
    assert local_hub.traffic.received("POST /v1/xorbs") == 0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionError("Server error: 503 Service Unavailable\n  details"), "transfer by Xet failed .Server error"),
        (
            RuntimeError("Task error: File reconstruction error"),
            "run the same command again, or with HF_HUB_DISABLE_XET=1",
        ),
        (PermissionError("401"), "refused the token .401.; log in"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
    ],
)
def test_errors_of_xet_are_worded(error, words):
    def _upload_xet_files() -> None:  # the client's function, from which they come
        raise error

    with pytest.raises(HubError, match=words), explained("push to org/thing"):
        _upload_xet_files()


def test_other_faults_keep_their_own_words():
    with pytest.raises(RuntimeError, match="^a fault$"), explained("push to org/thing"):
        raise RuntimeError("a fault")
