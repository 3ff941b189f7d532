"""The local Hub for every test of this folder."""

from tests.hub_server.fixture import hub_api, hub_client, local_hub  # noqa: F401
