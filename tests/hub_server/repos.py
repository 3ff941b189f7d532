"""Endpoints about repositories as a whole: who am I, create, delete, settings, information, listings, card checks."""

import json
import re

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .context import Hub, parameter, repo_of
from .errors import Refusal
from .store import KINDS, RepoId

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


async def whoami(hub: Hub, request: Request) -> Response:
    account = hub.guard.member(request)
    token = {"displayName": "local", "role": account.role}
    orgs = [{"type": "org", "name": org, "roleInOrg": account.role} for org in account.orgs]
    user = {"type": "user", "id": account.name, "name": account.name, "fullname": account.name, "isPro": False}
    return JSONResponse({**user, "orgs": orgs, "auth": {"type": "access_token", "accessToken": token}})


async def _named_repo(hub: Hub, request: Request) -> tuple[RepoId, dict]:
    body = await request.json()
    account = hub.guard.member(request)
    repo = RepoId(body.get("type") or "model", body.get("organization") or account.name, body["name"])
    if not (NAME.fullmatch(repo.name) and NAME.fullmatch(repo.namespace)) or ".." in repo.name:
        raise Refusal(400, f"Invalid repo name: {repo.full_name!r}")
    hub.guard.may_write_to(request, repo.namespace)
    return repo, body


async def create(hub: Hub, request: Request) -> Response:
    repo, body = await _named_repo(hub, request)
    url = f"{hub.url}/{repo.url_path}"
    if hub.store.exists(repo):
        message = f"You already created this {repo.kind} repo"
        return JSONResponse({"error": message, "url": url}, 409, headers={"X-Error-Message": message})
    private = bool(body.get("private")) or body.get("visibility") == "private"
    hub.store.create(repo, private, body.get("sdk"))
    return JSONResponse({"url": url, "name": repo.full_name, "id": repo.full_name})


async def delete(hub: Hub, request: Request) -> Response:
    repo, _ = await _named_repo(hub, request)
    hub.guard.may_write(request, repo)
    hub.store.delete(repo)
    return JSONResponse({})


async def settings(hub: Hub, request: Request) -> Response:
    repo, body = repo_of(request), await request.json()
    hub.guard.may_write(request, repo)
    kept = hub.store.load(repo)
    if "visibility" in body:
        kept["private"] = body["visibility"] == "private"
    kept.update({key: body[key] for key in ("private", "gated") if key in body})
    hub.store.save(repo, kept)
    return JSONResponse({"private": kept["private"], "gated": kept["gated"]})


async def auth_check(hub: Hub, request: Request) -> Response:
    hub.guard.may_read(request, repo_of(request), contents=True)
    return JSONResponse({})


async def auth_check_write(hub: Hub, request: Request) -> Response:
    hub.guard.may_write(request, repo_of(request))
    return JSONResponse({})


async def info(hub: Hub, request: Request) -> Response:
    repo = repo_of(request)
    hub.guard.may_read(request, repo)
    commit = hub.store.resolve(repo, parameter(request, "revision", "main"))
    return JSONResponse(_describe(hub, repo, commit, with_blobs="blobs" in request.query_params))


async def listing(hub: Hub, request: Request) -> Response:
    query, found = request.query_params, []
    for repo in hub.store.repos(KINDS[request.path_params["kind"]]):
        try:
            hub.guard.may_read(request, repo)
        except Refusal:
            continue
        described = _describe(hub, repo, hub.store.resolve(repo, "main"))
        if (
            query.get("author", repo.namespace) == repo.namespace
            and query.get("search", "").lower() in repo.full_name.lower()
            and set(query.getlist("filter")) <= set(described["tags"])
        ):
            found.append(described)
    return JSONResponse(found)


async def validate_yaml(hub: Hub, request: Request) -> Response:
    body = await request.json()
    errors = card_errors(body.get("content", ""))
    return JSONResponse({"errors": errors, "warnings": []}, 400 if errors else 200)


def card_errors(content: str) -> list[dict[str, str]]:
    """What is wrong with a README's metadata block, in the form of the Hub's validator."""
    try:
        card_metadata(content)
    except (yaml.YAMLError, ValueError) as error:
        return [{"message": str(error)}]
    return []


def card_metadata(content: str) -> dict:
    """The YAML block at the head of a README, {} without one."""
    block = re.match(r"\s*---[ \t]*\r?\n(.*?)\r?\n---", content, re.DOTALL)
    metadata = yaml.safe_load(block.group(1)) if block else None
    if metadata is not None and not isinstance(metadata, dict):
        raise ValueError("the metadata block must be a mapping")
    return json.loads(json.dumps(metadata or {}, default=str))


def _describe(hub: Hub, repo: RepoId, commit: str, with_blobs: bool = False) -> dict:
    record, tree, kept = hub.store.commit_record(repo, commit), hub.store.tree(repo, commit), hub.store.load(repo)
    siblings = []
    for path, entry in sorted(tree.items()):
        sibling = {"rfilename": path}
        if with_blobs:
            sibling |= {"size": entry.size, "blobId": entry.oid}
            if entry.lfs:
                sibling["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": 130}
        siblings.append(sibling)
    metadata = {}
    if "README.md" in tree:
        text = hub.store.blob_path(tree["README.md"].sha256).read_text(errors="replace")
        metadata = {} if card_errors(text) else card_metadata(text)
    described = {
        "_id": f"{repo.kind}:{repo.full_name}",
        "id": repo.full_name,
        "author": repo.namespace,
        "sha": commit,
        "lastModified": record["date"],
        "createdAt": record["date"],
        "private": kept["private"],
        "gated": kept["gated"],
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": metadata.get("tags") or [],
        "cardData": metadata,
        "siblings": siblings,
    }
    if repo.kind == "model":
        described |= {"modelId": repo.full_name, "pipeline_tag": metadata.get("pipeline_tag")}
        if "library_name" in metadata:
            described["library_name"] = metadata["library_name"]
    if repo.kind == "space":
        described["sdk"] = kept["sdk"]
    return described
