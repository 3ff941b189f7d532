"""Pytest fixtures around the local Hub; import them into a `conftest.py` or a test module.

    from tests.hub_server.fixture import local_hub, hub_client  # noqa: F401

    def test_something(local_hub, hub_client):
        hub_client("from datasets import load_dataset; print(len(load_dataset('org/ocr-vsi')['train']))")

`local_hub` is a `RunningHub`: `.url`, `.environment()`, `.traffic`, `.fail(...)`, `.throttle(...)`, `.store`.
`hub_client` runs Python source in a process of its own, because the clients read address and token when imported.
`hub_api` is an `HfApi` in this process, for tests that need nothing but `huggingface_hub`.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .accounts import OWNER, Account
from .launch import RunningHub, running_hub

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def local_hub(tmp_path: Path) -> Iterator[RunningHub]:
    """A fresh, empty Hub on loopback."""
    with running_hub(tmp_path) as hub:
        yield hub


@pytest.fixture
def hub_client(local_hub: RunningHub, tmp_path: Path) -> Callable[..., str]:
    """Call with Python source (and `account=`, `cwd=`, `timeout=`, `xet=`) to run it against the hub; gives stdout."""

    def run(
        source: str, account: Account | None = OWNER, cwd: Path = tmp_path, timeout: float = 300, xet: bool = False
    ) -> str:
        environment = {**local_hub.environment(account, xet), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", source]
        done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"client failed:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def hub_api(local_hub: RunningHub, monkeypatch: pytest.MonkeyPatch):
    """Call with an account to get its `HfApi` for the hub, in this process (which is offline otherwise)."""
    from huggingface_hub import HfApi, constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)

    def api(account: Account | None = OWNER) -> HfApi:
        return HfApi(endpoint=local_hub.url, token=account.token if account else False)

    return api
