"""The hub's connection to the world: every exchange counted, faults injected, requests throttled.

An ASGI layer around the application, and a uvicorn protocol that lets it reach the connection to cut it.
"""

import asyncio
import json
import re
import time
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

UNSERVED = "X-Hub-Unserved"  # response header of addresses that this hub does not have


@dataclass
class Exchange:
    """One request and its answer; bytes are those of the bodies."""

    method: str
    path: str
    query: str = ""
    received: int = 0
    sent: int = 0
    status: int = 0
    cut: bool = False
    unserved: bool = False

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Traffic:
    """What went over the wire since the last `clear()`; `match` is a regular expression searched in `METHOD /path`."""

    exchanges: list[Exchange] = field(default_factory=list)

    def matching(self, match: str = "") -> list[Exchange]:
        return [exchange for exchange in list(self.exchanges) if re.search(match, exchange.line)]

    def requests(self, match: str = "") -> int:
        return len(self.matching(match))

    def sent(self, match: str = "") -> int:
        """Bytes that clients downloaded."""
        return sum(exchange.sent for exchange in self.matching(match))

    def received(self, match: str = "") -> int:
        """Bytes that clients uploaded."""
        return sum(exchange.received for exchange in self.matching(match))

    def clear(self) -> None:
        self.exchanges.clear()


@dataclass
class Fault:
    """Something that goes wrong.

    Args:
        match: regular expression searched in `METHOD /path`.
        action: `status` answers `status` at once; `cut_upload` drops the connection after `after_bytes` of the request
            body; `cut_download` after `after_bytes` of the answer; `lose_answer` does the work and drops the connection
            before the answer; `delay` waits `seconds` first.
        times: how many matching requests are hit, -1 for all.
        skip: how many pass unharmed first.
    """

    match: str
    action: str = "status"
    times: int = 1
    skip: int = 0
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    after_bytes: int = 0
    seconds: float = 0.0

    ACTIONS = ("status", "cut_upload", "cut_download", "lose_answer", "delay")

    def __post_init__(self) -> None:
        if self.action not in self.ACTIONS:
            raise ValueError(f"fault action {self.action!r} is unknown: use one of {', '.join(self.ACTIONS)}")
        re.compile(self.match)

    def takes(self, line: str) -> bool:
        """Whether this request is hit; counts it."""
        if self.times == 0 or not re.search(self.match, line):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class RateLimit:
    """At most `requests` API calls per window of `window_s` seconds, announced in the Hub's `RateLimit` headers."""

    requests: int
    window_s: float
    _window: int = -1
    _used: int = 0

    def spend(self) -> tuple[bool, dict[str, str]]:
        """Count one call: (within the limit, headers to send)."""
        now = time.time()
        window = int(now // self.window_s)
        if window != self._window:
            self._window, self._used = window, 0
        self._used += 1
        remaining = max(0, self.requests - self._used)
        reset_s = int((window + 1) * self.window_s - now)
        headers = {
            "RateLimit": f'"api";r={remaining};t={reset_s}',
            "RateLimit-Policy": f'"fixed window";"api";q={self.requests};w={int(self.window_s)}',
        }
        return self._used <= self.requests, headers


class CuttableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol that hands its transport to the application as `scope["state"]["transport"]`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class _Cut(Exception):
    """The answer's connection was dropped on purpose."""


class Wire:
    """ASGI layer: counts, throttles, breaks; also keeps `%2F` in a path apart from `/`, as revisions need."""

    def __init__(self, app: ASGIApp):
        self.app = app
        self.traffic = Traffic()
        self.faults: list[Fault] = []
        self.rate_limit: RateLimit | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["raw_path"].decode("ascii")
        if path.startswith("/_hub/"):  # the tests' own controls are neither counted nor broken
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope["method"], path, scope["query_string"].decode("ascii"))
        self.traffic.exchanges.append(exchange)
        fault = next((fault for fault in self.faults if fault.takes(exchange.line)), None)
        counted_receive, counted_send = self._counted(scope, receive, send, exchange, fault)
        if fault and fault.action == "delay":
            await asyncio.sleep(fault.seconds)
        if fault and fault.action == "status":
            await _answer(counted_send, fault.status, "Injected fault", fault.headers)
            return
        if self.rate_limit and path.startswith("/api/"):
            allowed, headers = self.rate_limit.spend()
            if not allowed:
                await _answer(counted_send, 429, "Too Many Requests", headers)
                return
        try:
            await self.app({**scope, "path": path}, counted_receive, counted_send)
        except (ClientDisconnect, _Cut):
            exchange.cut = True

    def _counted(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange, fault: Fault | None):
        transport = scope["state"]["transport"]

        async def counted_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                exchange.received += len(message.get("body", b""))
                if fault and fault.action == "cut_upload" and exchange.received > fault.after_bytes:
                    exchange.cut = True
                    transport.abort()
                    await asyncio.sleep(0.01)  # lets uvicorn notice that the connection is gone
                    return {"type": "http.disconnect"}
            return message

        async def counted_send(message: Message) -> None:
            if fault and fault.action == "lose_answer":
                transport.abort()
                raise _Cut
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.unserved = any(key == UNSERVED.lower().encode() for key, _ in message.get("headers", []))
            elif message["type"] == "http.response.body":
                body = message.get("body", b"")
                if fault and fault.action == "cut_download" and exchange.sent + len(body) > fault.after_bytes:
                    body = body[: fault.after_bytes - exchange.sent]
                    exchange.sent += len(body)
                    exchange.cut = True
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                    transport.close()  # close, not abort: what was sent so far still arrives
                    raise _Cut
                exchange.sent += len(body)
            await send(message)

        return counted_receive, counted_send


async def _answer(send: Send, status: int, message: str, headers: dict[str, str]) -> None:
    body = json.dumps({"error": message}).encode()
    lines = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    encoded = [(key.lower().encode(), value.encode()) for key, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
