"""Endpoints that move bytes: files by address, and the Git LFS protocol for uploads."""

import hashlib
from math import ceil
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from . import xet
from .context import Hub, parameter, repo_of
from .errors import Refusal, entry_not_found

LFS_JSON = "application/vnd.git-lfs+json"


async def resolve(hub: Hub, request: Request) -> Response:
    """A file of a revision: small ones from here, large ones by redirect to a signed address on the storage origin."""
    repo, path = repo_of(request), parameter(request, "path")
    hub.guard.may_read(request, repo, contents=True)
    commit = hub.store.resolve(repo, parameter(request, "revision"))
    headers = {"X-Repo-Commit": commit}
    entry = hub.store.tree(repo, commit).get(path)
    if entry is None:
        raise entry_not_found(path, headers)
    headers |= {"X-Linked-Size": str(entry.size), "Accept-Ranges": "bytes"}
    if entry.lfs:
        headers["X-Linked-Etag"] = f'"{entry.sha256}"'
        headers |= xet.headers_of(hub, request, entry.sha256, commit)
        return RedirectResponse(hub.signed("get", entry.sha256), 302, headers=headers)
    headers |= {"ETag": f'"{entry.oid}"', "Content-Disposition": f"inline; filename*=UTF-8''{_file_name(path)}"}
    return FileResponse(hub.store.blob_path(entry.sha256), headers=headers, media_type="application/octet-stream")


def _file_name(path: str) -> str:
    return quote(PurePosixPath(path).name)


async def download(hub: Hub, request: Request) -> Response:
    sha256 = hub.check_signature("get", request)
    headers = {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"}
    return FileResponse(hub.store.blob_path(sha256), headers=headers, media_type="application/octet-stream")


async def lfs_batch(hub: Hub, request: Request) -> Response:
    """Tells a client where to send large files; those that are here already need no sending."""
    repo, body = repo_of(request), await request.json()
    hub.guard.may_write(request, repo)
    objects = []
    for wanted in body["objects"]:
        sha256, size = wanted["oid"], wanted["size"]
        answer = {"oid": sha256, "size": size, "authenticated": True}
        if not hub.store.has_blob(sha256):
            verify = {"href": f"{hub.url}/{repo.url_path}.git/info/lfs/verify"}
            answer["actions"] = {"upload": _upload_action(hub, sha256, size), "verify": verify}
        objects.append(answer)
    return JSONResponse({"transfer": "basic", "objects": objects}, media_type=LFS_JSON)


def _upload_action(hub: Hub, sha256: str, size: int) -> dict:
    if size <= hub.part_bytes:
        return {"href": hub.signed("put", sha256), "header": {}}
    hub.uploads[sha256] = {}
    parts = range(1, ceil(size / hub.part_bytes) + 1)
    addresses = {str(part): hub.signed("put", sha256, part=str(part)) for part in parts}
    return {"href": hub.signed("complete", sha256), "header": {"chunk_size": str(hub.part_bytes), **addresses}}


async def upload(hub: Hub, request: Request) -> Response:
    """Receive a blob, or one part of it, by way of a temporary file; what doesn't match its hash is not kept."""
    sha256 = hub.check_signature("put", request)
    digest, size = hashlib.sha256(), 0
    incoming = hub.store.incoming_blob()
    try:
        with incoming:
            async for chunk in request.stream():
                digest.update(chunk)
                size += len(chunk)
                incoming.write(chunk)
        part = request.query_params.get("part")
        if part is None and digest.hexdigest() != sha256:
            raise Refusal(400, f"The content's SHA-256 is {digest.hexdigest()}, not {sha256}")
        hub.store.keep_blob(Path(incoming.name), digest.hexdigest())
    finally:
        Path(incoming.name).unlink(missing_ok=True)
    if part is not None:
        hub.uploads.setdefault(sha256, {})[int(part)] = digest.hexdigest()
    return Response(headers={"ETag": f'"{digest.hexdigest()}"'})


async def complete(hub: Hub, request: Request) -> Response:
    """Join the parts of a blob."""
    sha256 = hub.check_signature("complete", request)
    body, parts, digest = await request.json(), hub.uploads.pop(sha256, {}), hashlib.sha256()
    if sorted(parts) != [part["partNumber"] for part in body["parts"]]:
        raise Refusal(400, f"Parts {sorted(parts)} arrived, {[p['partNumber'] for p in body['parts']]} were announced")
    with hub.store.incoming_blob() as joined:
        for number in sorted(parts):
            content = hub.store.blob_path(parts[number]).read_bytes()
            digest.update(content)
            joined.write(content)
    if digest.hexdigest() != sha256:
        Path(joined.name).unlink()
        raise Refusal(400, f"The joined parts' SHA-256 is {digest.hexdigest()}, not {sha256}")
    hub.store.keep_blob(Path(joined.name), sha256)
    return JSONResponse({})


async def verify(hub: Hub, request: Request) -> Response:
    body = await request.json()
    hub.guard.may_write(request, repo_of(request))
    path = hub.store.blob_path(body["oid"])
    if not path.exists() or path.stat().st_size != body["size"]:
        raise Refusal(404, f"{body['oid']} of {body['size']} bytes is not here")
    return JSONResponse({})
