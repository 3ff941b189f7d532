"""What every handler needs: the store, the guard, the addresses, and the parts of a request."""

import functools
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from .accounts import Guard
from .errors import Refusal
from .store import KINDS, RepoId, Store

SIGNATURE_LIFETIME_S = 3600


@dataclass
class Hub:
    """State shared by the handlers.

    `url` is the API's origin, `storage_url` that of the large files: a second origin, as on the real Hub, so that
    clients must follow redirects and must not carry their token along.
    """

    store: Store
    guard: Guard
    url: str
    storage_url: str
    part_bytes: int = 64 << 20
    uploads: dict[str, dict[int, str]] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def xet(self) -> Path:
        """Where Xet's blocks are."""
        return self.store.root / "xet"

    def signed(self, action: str, sha256: str, **query: str) -> str:
        """Address on the storage origin that allows one action on one blob for an hour, without a token."""
        expires = str(int(time.time()) + SIGNATURE_LIFETIME_S)
        extra = "".join(f"&{key}={value}" for key, value in query.items())
        signature = self.sign(action, sha256, expires)
        return f"{self.storage_url}/storage/{sha256}?expires={expires}&signature={signature}{extra}"

    def check_signature(self, action: str, request: Request) -> str:
        """SHA-256 of the blob that a signed request may touch."""
        sha256, query = request.path_params["sha256"], request.query_params
        wanted = self.sign(action, sha256, query.get("expires", ""))
        if not hmac.compare_digest(wanted, query.get("signature", "")) or int(query["expires"]) < time.time():
            raise Refusal(403, "The address is not signed for this, or has expired")
        return sha256

    def sign(self, *parts: str) -> str:
        """Signature that only this hub makes."""
        return hmac.new(self._secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


Handler = Callable[[Hub, Request], Awaitable[Response]]


def bind(hub: Hub, handler: Handler):
    """A Starlette endpoint from a handler that wants the hub first."""
    return functools.partial(handler, hub)


def repo_of(request: Request) -> RepoId:
    """The repository named in the path; models have no prefix in file addresses."""
    parameters = request.path_params
    kind = KINDS[parameters.get("kind", "models")]
    return RepoId(kind, unquote(parameters["namespace"]), unquote(parameters["name"]))


def parameter(request: Request, name: str, default: str = "") -> str:
    """A decoded path parameter."""
    return unquote(request.path_params.get(name, default))
