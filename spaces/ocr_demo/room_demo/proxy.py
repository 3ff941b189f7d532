"""Behind a proxy: which address a visitor's browser has to use, with the part of the path that the proxy takes off."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

# Letters, digits and -._~ alone: the prefix becomes part of addresses on the page
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


class PrefixFromProxy:
    """ASGI middleware: lets Gradio know of the path that a proxy strips, where the proxy says so.

    Gradio builds its addresses from `X-Forwarded-Host` and passes over `X-Forwarded-Prefix`. So the prefix is added to
    the host here. Where a proxy says nothing, `--root-path` does.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        """Handle one request as ASGI has it."""
        headers = dict(scope.get("headers", ()))
        prefix = headers.get(b"x-forwarded-prefix", b"").split(b",")[0].strip().decode("latin-1").rstrip("/")
        if _PREFIX.fullmatch(prefix):
            host = headers.get(b"x-forwarded-host", headers.get(b"host", b"")).split(b",")[0].strip()
            named = b"x-forwarded-host"
            kept = [(name, value) for name, value in scope["headers"] if name != named]
            scope = {**scope, "headers": [*kept, (named, host + prefix.encode())]}
        await self.app(scope, receive, send)


def files_below(url: str, folder: Path) -> Any:
    """Return a route that serves the files of a folder under a path of the app, and nothing outside the folder.

    Not a mount of StaticFiles: under a root path that the proxy has already taken off, it looks for its files in the
    wrong place.
    """
    from starlette.routing import Route
    from starlette.staticfiles import StaticFiles

    files = StaticFiles(directory=folder)

    async def serve(request: Any) -> Any:
        return await files.get_response(request.path_params["path"], request.scope)

    return Route(f"/{url}/{{path:path}}", serve)


def public_address(request: Any, root_path: str = "") -> str:
    """Return the address of the page, without a slash at its end, as the caller of an endpoint or tool reaches it.

    Args:
        request: Gradio's or Starlette's, None outside a server.
        root_path: of the app, as `launch` was given it.

    Returns:
        Such as "https://example.com/app"; "" where there is no request.
    """
    from gradio.route_utils import get_request_origin

    # Gradio wraps Starlette's request, which MCP's calls have alone
    inner = getattr(request, "request", request)
    if inner is None:
        return ""
    if root_path.startswith(("http://", "https://")):
        return root_path.rstrip("/")
    origin = get_request_origin(inner, inner.url.path)
    path = root_path.rstrip("/") or origin.path.rstrip("/")
    return f"{str(origin.copy_with(path='/')).rstrip('/')}{path}"
