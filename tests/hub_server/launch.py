"""Running the hub: in a thread beside a test, or for good from the command line."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from .accounts import DEFAULT_ACCOUNTS, OWNER, Account, Guard
from .app import build_app
from .context import Hub
from .store import Store
from .wire import CuttableProtocol, Fault, RateLimit, Traffic, Wire

HOST = "127.0.0.1"


@dataclass
class RunningHub:
    """A hub that answers, with its controls in reach of the test that started it."""

    hub: Hub
    wire: Wire
    home: Path

    @property
    def url(self) -> str:
        return self.hub.url

    @property
    def store(self) -> Store:
        return self.hub.store

    @property
    def traffic(self) -> Traffic:
        return self.wire.traffic

    def fail(self, match: str, action: str = "status", **details) -> Fault:
        """Inject a fault; see `Fault`. Returned, so that a test can see how often it still waits."""
        fault = Fault(match, action, **details)
        self.wire.faults.append(fault)
        return fault

    def throttle(self, requests: int | None, window_s: float = 1.0) -> None:
        """Limit API calls, or lift the limit with None."""
        self.wire.rate_limit = None if requests is None else RateLimit(requests, window_s)

    def unserved(self) -> list[str]:
        """Requests so far for addresses that this hub does not have."""
        return [exchange.line for exchange in self.traffic.exchanges if exchange.unserved]

    def variables(self, account: Account | None = OWNER, xet: bool = False) -> dict[str, str]:
        """Environment for a client process: only what differs from the caller's."""
        variables = client_variables(self.url, account.token if account else None, xet)
        return {**variables, "HF_HOME": str(self.home)}

    def environment(self, account: Account | None = OWNER, xet: bool = False) -> dict[str, str]:
        """Whole environment for a client process (`subprocess.run(..., env=...)`).

        The Hub's address and token are read when `huggingface_hub` is imported, hence a process of its own.
        """
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))}
        return {**inherited, **self.variables(account, xet)}


def client_variables(url: str, token: str | None, xet: bool = False) -> dict[str, str]:
    """What a client needs to know before it imports `huggingface_hub`.

    xet : large files go by Xet, as they do by default where `hf_xet` is installed; else by LFS
    """
    variables = {
        "HF_ENDPOINT": url,
        "HF_HUB_DISABLE_XET": "0" if xet else "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_OFFLINE": "0",
    }
    return {**variables, "HF_TOKEN": token} if token else {**variables, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}


def prepare(root: Path, port: int = 0, accounts: tuple[Account, ...] = DEFAULT_ACCOUNTS, part_bytes: int = 64 << 20):
    """A hub with its two listening sockets (API, storage): (hub, wire, server, sockets)."""
    sockets = [socket.create_server((HOST, port)), socket.create_server((HOST, port and port + 1))]
    url, storage_url = (f"http://{HOST}:{sock.getsockname()[1]}" for sock in sockets)
    store = Store(root)
    hub = Hub(store, Guard(accounts, store), url, storage_url, part_bytes)
    wire = build_app(hub)
    quiet = {"log_level": "warning", "access_log": False, "lifespan": "off"}
    config = uvicorn.Config(wire, http=CuttableProtocol, ws="none", **quiet)
    return hub, wire, uvicorn.Server(config), sockets


@contextmanager
def running_hub(root: Path, **options) -> Iterator[RunningHub]:
    """Serve a hub from a thread of this process while the block runs. `root` holds its data and the clients' caches."""
    hub, wire, server, sockets = prepare(Path(root) / "hub", **options)
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True, name="local-hub")
    thread.start()
    # The sockets listen already: a client that comes before the loop runs just waits.
    try:
        yield RunningHub(hub, wire, Path(root) / "client")
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=10)
