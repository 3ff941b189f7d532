"""The local Hub for every test of this folder."""

import pytest

from tests.hub.waiting import skip_waits
from tests.hub_server.fixture import hub_api, hub_client, local_hub  # noqa: F401


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """Takes the waiting out of every retry, ours and the client library's, and lists how long each would have been."""
    return skip_waits(monkeypatch)
