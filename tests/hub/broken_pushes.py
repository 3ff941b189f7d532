"""A push that is cut in the middle, and two pushes at once, as the server counts them; for a test and a benchmark."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from huggingface_hub import HfApi

from ocr_hf.hub.hub_errors import HubError
from ocr_hf.hub.push_plan import PushPlan
from ocr_hf.hub.upload import Pushed, push
from tests.hub_server.launch import RunningHub

LARGE = (".mp4", ".parquet", ".safetensors")
"""Files that go by LFS, each by itself."""


@dataclass(frozen=True)
class CutPush:
    """What went over the wire: bytes of large files.

    files, size : of the plan's large files
    cuts : how often the line broke
    first, second : bytes received by the push that broke and by the one that was run again
    whole : files that had arrived when the push broke; their bytes
    resent : bytes of those that the second push sent once more
    error : what the first push raised; done : what the second returned
    """

    files: int
    size: int
    cuts: int
    first: int
    second: int
    whole: int
    whole_bytes: int
    resent: int
    error: HubError
    done: Pushed


def cut_push(
    hub: RunningHub, api: HfApi, plan: PushPlan, after_bytes: int = 3000, look: Callable[[], object] = lambda: None
) -> CutPush:
    """Push while the line breaks whenever the middle one of the large files is sent, then mend it and push again.

    look : called between the two
    """
    large = {_sha256(file.source): file for file in plan.files if file.path.endswith(LARGE)}
    unlucky = sorted(large)[len(large) // 2]
    hub.fail(f"PUT /storage/{unlucky}", "cut_upload", after_bytes=after_bytes, times=-1)
    hub.traffic.clear()
    try:
        push(plan, api)
    except HubError as raised:
        error = raised
    else:
        raise AssertionError("the push went through a cut line")
    sent = hub.traffic.matching("PUT /storage")
    whole = {exchange.path: exchange.received for exchange in sent if exchange.status == 200}
    first = sum(exchange.received for exchange in sent)
    hub.wire.faults.clear()
    look()
    hub.traffic.clear()
    done = push(plan, api)
    again = hub.traffic.matching("PUT /storage")
    return CutPush(
        files=len(large),
        size=sum(file.size for file in large.values()),
        cuts=sum(exchange.cut for exchange in sent),
        first=first,
        second=sum(exchange.received for exchange in again),
        whole=len(whole),
        whole_bytes=sum(whole.values()),
        resent=sum(exchange.received for exchange in again if exchange.path in whole),
        error=error,
        done=done,
    )


def race(hub: RunningHub, first: Callable[[], object], second: Callable[[], object]) -> list[HubError]:
    """Run `first` in a thread; when its commit is under way, but not yet looked at, run `second`; then let it on.

    Returns what `first` raised. `hub.traffic` has all of it afterwards.
    """
    hub.traffic.clear()
    hub.fail("POST .*/commit/", "delay", seconds=1.5)
    caught = []

    def run() -> None:
        try:
            first()
        except HubError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not hub.traffic.requests("POST .*/commit/"):
        time.sleep(0.01)
    second()
    thread.join()
    return caught


def _sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
