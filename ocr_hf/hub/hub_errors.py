"""Errors of the Hub, each explained in one sentence."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class RefusedError(ValueError):
    """A folder or repository that must not be pushed or pulled; nothing was sent or kept.

    findings : one sentence per problem, each naming its file
    """

    def __init__(self, what: str, findings: Sequence[str]):
        self.findings = tuple(findings)
        super().__init__(what + "".join(f"\n  - {finding}" for finding in findings))


class HubError(OSError):
    """The Hub refused a request or could not be reached."""


class ConflictError(HubError):
    """Somebody else changed the same files in the meantime."""


def first_of(items: Sequence[str]) -> str:
    """Return the first item and how many more there are: nobody reads an error that lists thousands."""
    return items[0] if len(items) == 1 else f"{items[0]} and {len(items) - 1} more"


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn the client library's exceptions inside the block into HubErrors that say what to do.

    action : what was attempted, as in "push to org/name"
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    try:
        yield
    except HfHubHTTPError as error:
        raise HubError(f"{action}: {_explain(error)}") from error
    except LocalTokenNotFoundError as error:
        raise HubError(f"{action}: you are not logged in; run `hf auth login` or set HF_TOKEN") from error
    except OfflineModeIsEnabled as error:
        raise HubError(f"{action}: offline mode is on; unset HF_HUB_OFFLINE") from error
    except HFValidationError as error:
        raise HubError(f"{action}: {error}; a repository is named ORG/NAME") from error
    except httpx2.TransportError as error:
        raise HubError(
            f"{action}: the connection failed ({str(error) or type(error).__name__}); run the same command again"
        ) from error
    except RuntimeError as error:  # the client wraps the failure of one file of an upload
        if _is_of_xet(error):
            raise _xet_failed(action, error) from error
        if error.__cause__ is None or not str(error).startswith("Error while uploading"):
            raise
        with explained(f"{action}: {str(error).rstrip('.')}"):
            raise error.__cause__ from None
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if not is_full and _is_of_xet(error):
            raise _xet_failed(action, error) from error
        if isinstance(error, HubError) or not is_full:
            raise
        raise HubError(
            f"{action}: the disk is full ({error}); free some space and run the same command again"
        ) from error


def _is_of_xet(error: BaseException) -> bool:
    """Whether an exception comes from `hf_xet`, whose own are Python's plain ones, without a status or an address."""
    places = {frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)}
    return not places.isdisjoint(("_upload_xet_files", "xet_get"))


def _xet_failed(action: str, error: BaseException) -> HubError:
    if isinstance(error, PermissionError):
        return HubError(f"{action}: Xet's storage refused the token ({error}); log in with `hf auth login`")
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return HubError(
        f"{action}: the transfer by Xet failed ({said}); run the same command again, or with HF_HUB_DISABLE_XET=1, "
        "which sends and fetches files without Xet"
    )


def status_of(error: BaseException) -> int | None:
    """HTTP status of a client exception, None if there was no answer."""
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None)


def _explain(error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RemoteEntryNotFoundError, RepositoryNotFoundError
    from huggingface_hub.errors import RevisionNotFoundError as NoRevision

    status = status_of(error)
    said = getattr(error, "server_message", None) or str(error).strip().splitlines()[-1]
    if isinstance(error, GatedRepoError):
        return "the repository is gated; accept its terms on its page, then log in with `hf auth login`"
    if isinstance(error, NoRevision):
        return f"there is no such revision ({said}); its page lists branches and tags"
    if isinstance(error, RemoteEntryNotFoundError):
        return f"the file is not in the repository ({said})"
    if status == 401 and "credentials" in f"{said} {error}":
        return "the token is wrong or has expired; log in with `hf auth login` or set HF_TOKEN"
    # The Hub answers 401 or 404 for a private repository, so as not to reveal that it exists; the client turns both
    # into RepositoryNotFoundError. So a wrong token has to be recognised first.
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return "there is no such repository, or it is private and your token has no access to it"
    if status == 401:
        return "you are not logged in; run `hf auth login` or set HF_TOKEN to a token that may write"
    if status == 403:
        return f"your token may not do this ({said}); use one with write access to the namespace"
    if status == 429:
        return "the Hub's rate limit outlasted every retry; wait a few minutes and run the same command again"
    if status is not None and status >= 500:
        return f"the Hub failed on every retry (HTTP {status}); run the same command again later"
    return f"HTTP {status}: {said}"
