"""Xet, the protocol by which `huggingface_hub` uploads and downloads large files where `hf_xet` is installed.

A file is cut into chunks by its content; chunks are sent in blocks ("xorbs"), then a "shard" says of which chunks of
which xorbs each file is made. A reader gets that list ("reconstruction") and fetches byte ranges of xorbs. Written
against what the real client, hf_xet 1.8, sends and accepts in version 1 of its API, which it turns to where version 2
isn't served. What arrives is put together and held against the SHA-256 that the client states, so that a misread shard
can't pass. The search for chunks that anybody sent before finds none; what was sent from the same machine, the client
knows by itself.

    ROOT/xet/xorbs/<hash>    blocks as they were sent
    ROOT/xet/files/<sha256>  the file's Xet hash and its terms, as JSON; the content is a blob like any other
"""

import hashlib
import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from .context import Hub, parameter, repo_of
from .errors import Refusal
from .store import PLURALS, write_json

LIFETIME_S = 3600
_ROW = 48
"""Bytes of every header and entry of a shard."""
_LAST = b"\xff" * 32
"""Ends each of a shard's two sections."""
_VERIFIED, _WITH_SHA256 = 1 << 31, 1 << 30


@dataclass(frozen=True)
class Term:
    """Chunks start to end (excluded) of a xorb, `size` bytes of the file."""

    xorb: str
    start: int
    end: int
    size: int


def hash_text(raw: bytes) -> str:
    """Return a hash as addresses name it: four little-endian numbers of 64 bits, in hexadecimal."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


def files_of_shard(shard: bytes) -> Iterator[tuple[str, str, tuple[Term, ...]]]:
    """Yield (Xet hash, SHA-256, terms) of each file that a shard tells of.

    Raises:
        Refusal: A file comes without its SHA-256.
    """
    at = _ROW  # behind the shard's own header
    while (row := shard[at : at + _ROW])[:32] != _LAST:
        flags, count = struct.unpack_from("<II", row, 32)
        terms = []
        for number in range(count):
            entry = shard[at + _ROW * (1 + number) :][:_ROW]
            size, start, end = struct.unpack_from("<III", entry, 36)
            terms.append(Term(hash_text(entry[:32]), start, end, size))
        at += _ROW * (1 + count + (count if flags & _VERIFIED else 0))
        if not flags & _WITH_SHA256:
            raise Refusal(400, "The shard has a file without its SHA-256")
        yield hash_text(row[:32]), hash_text(shard[at : at + 32]), tuple(terms)
        at += _ROW


def chunks_of_xorb(xorb: bytes) -> list[tuple[int, int]]:
    """Return [start, end) of each chunk's bytes in a xorb, its header of 8 bytes included."""
    found, at = [], 0
    while at + 8 <= len(xorb) and xorb[at] == 0:  # what comes behind the chunks begins with letters
        end = at + 8 + int.from_bytes(xorb[at + 1 : at + 4], "little")
        found.append((at, end))
        at = end
    return found


def chunk_content(chunk: bytes) -> bytes:
    """Return what a chunk holds: plain, LZ4, or LZ4 of bytes sorted by their place in four."""
    size = int.from_bytes(chunk[5:8], "little")
    if chunk[4] == 0:
        return chunk[8:]
    content = pyarrow.decompress(chunk[8:], size, codec="lz4", asbytes=True)
    if chunk[4] == 1:
        return content
    whole, at = bytearray(size), 0
    for place in range(4):
        count = len(range(place, size, 4))
        whole[place::4] = content[at : at + count]
        at += count
    return bytes(whole)


async def token(hub: Hub, request: Request) -> Response:
    """Where the storage is and what opens it, to who may read or write the repository."""
    repo = repo_of(request)
    if parameter(request, "right") == "write":
        hub.guard.may_write(request, repo)
    else:
        hub.guard.may_read(request, repo, contents=True)
    expires = int(time.time()) + LIFETIME_S
    secret = hub.sign(parameter(request, "right"), "xet", str(expires))
    answer = {
        "casUrl": hub.storage_url,
        "accessToken": f"{parameter(request, 'right')}.{expires}.{secret}",
        "exp": expires,
    }
    headers = {
        "X-Xet-Cas-Url": hub.storage_url,
        "X-Xet-Access-Token": answer["accessToken"],
        "X-Xet-Token-Expiration": str(expires),
    }
    return JSONResponse(answer, headers=headers)


def _check_token(hub: Hub, request: Request, *rights: str) -> None:
    words = request.headers.get("Authorization", "").removeprefix("Bearer ").split(".")
    if len(words) != 3 or words[0] not in rights or words[2] != hub.sign(words[0], "xet", words[1]):
        raise Refusal(401, "No token for this storage")
    if int(words[1]) < time.time():
        raise Refusal(401, "The token has expired")


async def put_xorb(hub: Hub, request: Request) -> Response:
    """Keep a block."""
    _check_token(hub, request, "write")
    path = hub.xet / "xorbs" / parameter(request, "hash")
    body, is_new = await request.body(), not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return JSONResponse({"was_inserted": is_new})


async def put_shard(hub: Hub, request: Request) -> Response:
    """Put the shard's files together and keep those that have the SHA-256 which it states."""
    _check_token(hub, request, "write")
    for name, sha256, terms in files_of_shard(await request.body()):
        with hub.store.incoming_blob() as incoming:
            digest = hashlib.sha256()
            for content in _contents(hub.xet, terms):
                digest.update(content)
                incoming.write(content)
        if digest.hexdigest() != sha256:
            Path(incoming.name).unlink()
            raise Refusal(400, f"The file's SHA-256 is {digest.hexdigest()}, not {sha256}")
        hub.store.keep_blob(Path(incoming.name), digest.hexdigest())
        record = {"hash": name, "terms": [vars(term) for term in terms]}
        write_json(hub.xet / "files" / digest.hexdigest(), record)
        write_json(hub.xet / "names" / name, digest.hexdigest())
    return JSONResponse({"result": 1})


def _contents(xet: Path, terms: tuple[Term, ...]) -> Iterator[bytes]:
    for term in terms:
        xorb = (xet / "xorbs" / term.xorb).read_bytes()
        for start, end in chunks_of_xorb(xorb)[term.start : term.end]:
            yield chunk_content(xorb[start:end])


async def known_chunk(hub: Hub, request: Request) -> Response:
    """The search for a chunk that anybody sent before."""
    raise Refusal(404, "No such chunk")


async def reconstruction(hub: Hub, request: Request) -> Response:
    """Of which byte ranges of which xorbs a file, or a range of it, is made."""
    _check_token(hub, request, "read", "write")
    path = hub.xet / "names" / parameter(request, "hash")
    if not path.is_file():
        raise Refusal(404, "No such file")
    terms = [
        Term(**term) for term in json.loads((hub.xet / "files" / json.loads(path.read_text())).read_text())["terms"]
    ]
    wanted = request.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
    first, last = int(wanted[0]), int(wanted[2]) if wanted[2] else None
    if first >= sum(term.size for term in terms) and terms:
        raise Refusal(416, "The file ends before")
    kept, at, skipped = [], 0, 0
    for term in terms:
        if at + term.size <= first:
            at += term.size
            continue
        if last is not None and at > last:
            break
        skipped = first - at if not kept else skipped
        kept.append(term)
        at += term.size
    fetch = {name: _fetches(hub, name, [term for term in kept if term.xorb == name]) for name in {t.xorb for t in kept}}
    named = [
        {"hash": term.xorb, "unpacked_length": term.size, "range": {"start": term.start, "end": term.end}}
        for term in kept
    ]
    return JSONResponse({"offset_into_first_range": skipped, "terms": named, "fetch_info": fetch})


def _fetches(hub: Hub, xorb: str, terms: list[Term]) -> list[dict]:
    """Return the ranges of a xorb that hold the terms, with signed addresses; the client wants no two to overlap."""
    ranges: list[list[int]] = []
    for start, end in sorted((term.start, term.end) for term in terms):
        if ranges and start <= ranges[-1][1]:
            ranges[-1][1] = max(ranges[-1][1], end)
        else:
            ranges.append([start, end])
    chunks = chunks_of_xorb((hub.xet / "xorbs" / xorb).read_bytes())
    url = f"{hub.storage_url}/xet/{xorb}?signature={hub.sign('xorb', xorb)}"
    return [
        {
            "range": {"start": start, "end": end},
            "url": url,
            "url_range": {"start": chunks[start][0], "end": chunks[end - 1][1] - 1},
        }
        for start, end in ranges
    ]


async def get_xorb(hub: Hub, request: Request) -> Response:
    """A range of a block, by a signed address."""
    name = parameter(request, "hash")
    if request.query_params.get("signature") != hub.sign("xorb", name):
        raise Refusal(403, "The address is not signed for this")
    return FileResponse(hub.xet / "xorbs" / name, media_type="application/octet-stream")


def headers_of(hub: Hub, request: Request, sha256: str, commit: str) -> dict[str, str]:
    """Return what an address of a file says of its Xet storage; nothing where it came another way."""
    path = hub.xet / "files" / sha256
    if not path.is_file():
        return {}
    repo = repo_of(request)
    route = f"{hub.url}/api/{PLURALS[repo.kind]}/{repo.full_name}/xet-read-token/{commit}"
    return {"X-Xet-Hash": json.loads(path.read_text())["hash"], "X-Xet-Refresh-Route": route}
