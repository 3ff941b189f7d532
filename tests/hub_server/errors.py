"""Refusals, worded and coded as the Hub's, because the client library chooses its exception by `X-Error-Code`."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refusal(Exception):
    """A request that the hub turns down.

    Args:
        status: HTTP status.
        message: text for people; sent in the body and in `X-Error-Message`.
        code: the Hub's error code (`RepoNotFound`, `RevisionNotFound`, `EntryNotFound`, `GatedRepo`), empty if none.
        headers: further response headers.
    """

    def __init__(self, status: int, message: str, code: str = "", headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}


async def answer_refusal(request: Request, refusal: Exception) -> Response:
    """Starlette exception handler that turns a `Refusal` into the Hub's error response."""
    assert isinstance(refusal, Refusal)
    # Header values are latin-1 on one line; the body carries the full text.
    short = refusal.message.encode("latin-1", "replace").decode("latin-1").replace("\n", " ")
    headers = {"X-Error-Message": short, **refusal.headers}
    if refusal.code:
        headers["X-Error-Code"] = refusal.code
    return JSONResponse({"error": refusal.message}, refusal.status, headers=headers)


def repo_not_found(logged_in: bool) -> Refusal:
    """The Hub answers 401 to strangers and 404 to those logged in, so that private names can't be probed."""
    return Refusal(404 if logged_in else 401, "Repository not found", "RepoNotFound")


def revision_not_found(revision: str) -> Refusal:
    return Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(path: str, headers: dict[str, str] | None = None) -> Refusal:
    return Refusal(404, f"Entry not found: {path}", "EntryNotFound", headers)
