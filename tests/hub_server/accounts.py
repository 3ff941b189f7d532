"""Who is calling, and what they may do."""

from dataclasses import dataclass

from starlette.requests import Request

from .errors import Refusal, repo_not_found
from .store import RepoId, Store


@dataclass(frozen=True)
class Account:
    """A user with one access token; `role` is the token's (`read` or `write`), `orgs` where it may write."""

    name: str
    token: str
    role: str = "write"
    orgs: tuple[str, ...] = ()

    @property
    def namespaces(self) -> tuple[str, ...]:
        return (self.name, *self.orgs)


OWNER = Account("tester", "local-write-token", orgs=("org",))
READER = Account("tester", "local-read-token", role="read", orgs=("org",))
STRANGER = Account("stranger", "local-stranger-token")
DEFAULT_ACCOUNTS = (OWNER, READER, STRANGER)


class Guard:
    """Maps a request's bearer token to an account and checks it against repositories."""

    def __init__(self, accounts: tuple[Account, ...], store: Store):
        self._by_token = {account.token: account for account in accounts}
        self._store = store

    def caller(self, request: Request) -> Account | None:
        """The account behind the token, None without one; an unknown token is refused as the Hub does."""
        header = request.headers.get("authorization")
        if header is None:
            return None
        account = self._by_token.get(header.removeprefix("Bearer "))
        if account is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return account

    def member(self, request: Request) -> Account:
        """The caller, who must be logged in."""
        account = self.caller(request)
        if account is None:
            raise Refusal(401, "Invalid username or password.")
        return account

    def may_write_to(self, request: Request, namespace: str) -> Account:
        account = self.member(request)
        if account.role != "write" or namespace not in account.namespaces:
            raise Refusal(403, f"You don't have the rights to write to the namespace {namespace!r}")
        return account

    def may_read(self, request: Request, repo: RepoId, contents: bool = False) -> None:
        """Existing and public, or the caller's. `contents`: also not gated, or the caller's."""
        account = self.caller(request)
        inside = account is not None and repo.namespace in account.namespaces
        if not self._store.exists(repo):
            raise repo_not_found(account is not None)
        settings = self._store.load(repo)
        if settings["private"] and not inside:
            raise repo_not_found(account is not None)
        if contents and settings["gated"] and not inside:
            message = f"Access to {repo.kind} {repo.full_name} is restricted and you are not in the authorized list."
            raise Refusal(401 if account is None else 403, message, "GatedRepo")

    def may_write(self, request: Request, repo: RepoId) -> Account:
        self.may_read(request, repo)
        return self.may_write_to(request, repo.namespace)
