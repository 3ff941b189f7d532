"""Endpoints about contents: trees, commits, branches, tags."""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .context import Hub, parameter, repo_of
from .errors import Refusal, entry_not_found
from .repos import card_errors
from .store import Entry, RepoId, Tree

PAGE_ENTRIES = 1000
LARGE_FILE_BYTES = 10 << 20


def _described(path: str, entry: Entry) -> dict:
    described = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
    if entry.lfs:
        described["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": 130}
    return described


def _directory(path: str) -> dict:
    return {"type": "directory", "oid": "0" * 40, "size": 0, "path": path}


def _page(hub: Hub, request: Request, items: list) -> Response:
    """One page of a listing, with the Hub's `Link` to the next."""
    start = int(request.query_params.get("cursor", 0))
    limit = int(request.query_params.get("limit", PAGE_ENTRIES))
    headers = {}
    if start + limit < len(items):
        following = request.url.include_query_params(cursor=start + limit)
        headers["Link"] = f'<{hub.url}{request.scope["path"]}?{following.query}>; rel="next"'
    return JSONResponse(items[start : start + limit], headers=headers)


async def tree(hub: Hub, request: Request) -> Response:
    repo, revision = repo_of(request), parameter(request, "revision")
    hub.guard.may_read(request, repo)
    files = hub.store.tree(repo, hub.store.resolve(repo, revision))
    prefix = parameter(request, "path").strip("/")
    recursive = request.query_params.get("recursive", "").lower() in ("true", "1")
    items = list(_below(files, f"{prefix}/" if prefix else "", recursive))
    if prefix and not items:
        raise entry_not_found(f"{prefix} does not exist on {revision!r}")
    return _page(hub, request, items)


def _below(files: Tree, prefix: str, recursive: bool) -> Iterator[dict]:
    seen = set()
    for path, entry in sorted(files.items()):
        if not path.startswith(prefix):
            continue
        inside = path[len(prefix) :].split("/")
        for depth in range(1, len(inside) if recursive else min(2, len(inside))):
            folder = prefix + "/".join(inside[:depth])
            if folder not in seen:
                seen.add(folder)
                yield _directory(folder)
        if recursive or len(inside) == 1:
            yield _described(path, entry)


async def paths_info(hub: Hub, request: Request) -> Response:
    repo = repo_of(request)
    hub.guard.may_read(request, repo)
    files = hub.store.tree(repo, hub.store.resolve(repo, parameter(request, "revision")))
    if "json" in request.headers.get("content-type", ""):
        asked = (await request.json())["paths"]
    else:
        asked = (await request.form()).getlist("paths")
    found = []
    for path in [asked] if isinstance(asked, str) else asked:
        if path in files:
            found.append(_described(path, files[path]))
        elif any(other.startswith(f"{path.rstrip('/')}/") for other in files):
            found.append(_directory(path))
    return JSONResponse(found)


async def preupload(hub: Hub, request: Request) -> Response:
    """Says of each file whether it travels in the commit or as a large file, by the repository's `.gitattributes`."""
    repo = repo_of(request)
    hub.guard.may_write(request, repo)
    files = hub.store.tree(repo, hub.store.resolve(repo, parameter(request, "revision")))
    patterns = _large_file_patterns(hub, files)
    answers = []
    for file in (await request.json())["files"]:
        path = file["path"]
        large = file["size"] > LARGE_FILE_BYTES or any(fnmatch(PurePosixPath(path).name, p) for p in patterns)
        known = None
        if path in files:  # the client compares it with the SHA-256 of a large file, else with git's id
            known = files[path].sha256 if files[path].lfs else files[path].oid
        mode = "lfs" if large else "regular"
        answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": known})
    return JSONResponse({"files": answers})


def _large_file_patterns(hub: Hub, files: Tree) -> list[str]:
    if ".gitattributes" not in files:
        return []
    lines = hub.store.blob_path(files[".gitattributes"].sha256).read_text().splitlines()
    return [line.split()[0] for line in lines if "filter=lfs" in line]


async def commit(hub: Hub, request: Request) -> Response:
    """Apply one commit, all or nothing; refuses it when `parentCommit` is no longer the branch's head."""
    repo, branch = repo_of(request), parameter(request, "revision")
    account = hub.guard.may_write(request, repo)
    if request.query_params.get("create_pr"):
        raise Refusal(400, "This hub serves no pull requests: commit to a branch")
    lines = [json.loads(line) for line in (await request.body()).splitlines() if line.strip()]
    header = next((line["value"] for line in lines if line["key"] == "header"), {})
    # From here to the store's commit nothing is awaited: concurrent commits can't interleave.
    head = hub.store.resolve(repo, branch)
    parent = header.get("parentCommit")
    if parent and not head.startswith(parent):
        raise Refusal(412, "A commit has happened since. Please refresh and try again.")
    changes = dict(_changes(hub, repo, head, lines))
    new = hub.store.commit(repo, branch, changes, header.get("summary", ""))
    url = f"{hub.url}/{repo.url_path}/commit/{new}"
    answer = {"success": True, "commitOid": new, "commitUrl": url, "hookOutput": "", "pullRequestUrl": None}
    return JSONResponse({**answer, "author": account.name})


def _changes(hub: Hub, repo: RepoId, head: str, lines: Iterable[dict]) -> Iterator[tuple[str, Entry | None]]:
    files = hub.store.tree(repo, head)
    for line in lines:
        key, value = line["key"], line["value"]
        if key == "header":
            continue
        path = _checked_path(value["path"].rstrip("/") if key == "deletedFolder" else value["path"])
        if key == "file":
            yield path, _regular_file(hub, path, value["content"])
        elif key == "lfsFile":
            yield path, hub.store.large_entry(value["oid"])
        elif key == "deletedFile":
            if path not in files:
                raise entry_not_found(f"A file with this name doesn't exist: {path}")
            yield path, None
        elif key == "deletedFolder":
            yield from ((other, None) for other in files if other.startswith(f"{path}/"))
        else:
            raise Refusal(400, f"Unknown operation {key!r}")


def _regular_file(hub: Hub, path: str, encoded: str) -> Entry:
    try:
        content = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise Refusal(400, f"{path} is not valid base64") from error
    if len(content) > LARGE_FILE_BYTES:
        raise Refusal(400, f"{path} is larger than 10 MiB and must be sent as a large file")
    if path == "README.md" and (errors := card_errors(content.decode(errors="replace"))):
        raise Refusal(400, f"Invalid metadata in README.md: {errors[0]['message']}")
    return hub.store.regular_entry(content)


def _checked_path(path: str) -> str:
    parts = path.split("/")
    if not path or path.startswith("/") or "\\" in path or any(part in ("", ".", "..", ".git") for part in parts):
        raise Refusal(400, f"Invalid path {path!r}")
    return path


async def commits(hub: Hub, request: Request) -> Response:
    repo = repo_of(request)
    hub.guard.may_read(request, repo)
    current: str | None = hub.store.resolve(repo, parameter(request, "revision"))
    history = []
    while current:
        record = hub.store.commit_record(repo, current)
        author = {"user": repo.namespace}
        history.append(
            {"id": current, "title": record["message"], "message": "", "authors": [author], "date": record["date"]}
        )
        current = record["parent"]
    return _page(hub, request, history)


async def refs(hub: Hub, request: Request) -> Response:
    repo = repo_of(request)
    hub.guard.may_read(request, repo)
    kept = hub.store.load(repo)

    def described(kind: str, folder: str) -> list[dict]:
        return [{"name": n, "ref": f"refs/{folder}/{n}", "targetCommit": c} for n, c in kept[kind].items()]

    found = {"branches": described("branches", "heads"), "tags": described("tags", "tags")}
    return JSONResponse({**found, "converts": [], "pullRequests": []})


async def branch(hub: Hub, request: Request) -> Response:
    repo, name = repo_of(request), parameter(request, "reference")
    hub.guard.may_write(request, repo)
    body = json.loads(await request.body() or b"{}") if request.method == "POST" else {}
    return _change_reference(hub, repo, "branches", name, request.method, body.get("startingPoint") or "main")


async def tag(hub: Hub, request: Request) -> Response:
    """POST names the tag in the body and the commit in the path; DELETE names the tag in the path."""
    repo, reference = repo_of(request), parameter(request, "reference")
    hub.guard.may_write(request, repo)
    name = (await request.json())["tag"] if request.method == "POST" else reference
    return _change_reference(hub, repo, "tags", name, request.method, reference)


def _change_reference(hub: Hub, repo: RepoId, kind: str, name: str, method: str, revision: str) -> Response:
    kept = hub.store.load(repo)
    if method == "DELETE":
        if name == "main":
            raise Refusal(403, "The main branch cannot be deleted")
        if name not in kept[kind]:
            raise Refusal(404, f"Reference {name!r} does not exist", "RevisionNotFound")
        del kept[kind][name]
    else:
        if name in kept[kind]:
            raise Refusal(409, f"Reference already exists: {name}")
        kept[kind][name] = hub.store.resolve(repo, revision)
    hub.store.save(repo, kept)
    return JSONResponse({})
