"""The local Hub for every test of this folder."""

import time
from types import SimpleNamespace

import pytest

from tests.hub_server.fixture import hub_api, hub_client, local_hub  # noqa: F401


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """Takes the waiting out of every retry, ours and the client library's, and lists how long each would have been."""
    waited: list[float] = []
    clock = SimpleNamespace(sleep=waited.append, time=time.time, monotonic=time.monotonic)
    for module in ("ocr_hf.hub.backoff", "huggingface_hub.utils._http", "huggingface_hub.file_download"):
        monkeypatch.setattr(f"{module}.time", clock)
    return waited
