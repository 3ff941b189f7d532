"""Retrying requests when the Hub is busy or failing, or the connection broke."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ocr_hf.hub.hub_errors import status_of

WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
RETRIED = (429, 500, 502, 503, 504)

T = TypeVar("T")


def with_retries(call: Callable[[], T]) -> T:
    """Return `call()`, retrying after each of WAITS_S while the failure may be temporary; then raise the last failure.

    The call must be safe to repeat after its first answer was lost. Where the Hub says how long to wait (RateLimit or
    Retry-After headers), that is how long.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    for wait_s in (*WAITS_S, None):
        try:
            return call()
        except HfHubHTTPError as error:
            if wait_s is None or status_of(error) not in RETRIED:
                raise
            time.sleep(_requested_wait_s(error) or wait_s)
        except httpx2.TransportError:
            if wait_s is None:
                raise
            time.sleep(wait_s)
    raise AssertionError("unreachable: the last round returns or raises")


def _requested_wait_s(error: Exception) -> float | None:
    from huggingface_hub.utils import parse_ratelimit_headers

    headers = error.response.headers  # type: ignore[attr-defined]
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds + 1.0  # the Hub rounds down
    after = headers.get("Retry-After", "")
    return float(after) if after.isdigit() else None
