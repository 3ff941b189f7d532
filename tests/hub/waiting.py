"""Retries without their waits."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

RETRYING = ("ocr_hf.hub.backoff", "huggingface_hub.utils._http", "huggingface_hub.file_download")


def skip_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Take the waiting out of every retry, ours and the client library's; return the list of what it was."""
    waited: list[float] = []
    clock = SimpleNamespace(sleep=waited.append, time=time.time, monotonic=time.monotonic)
    for module in RETRYING:
        monkeypatch.setattr(f"{module}.time", clock)
    return waited
