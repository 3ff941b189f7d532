"""What the hub keeps on disk: blobs by SHA-256, and per repository its settings, commits and references.

    ROOT/blobs/<sha256>
    ROOT/repos/<models|datasets|spaces>/<namespace>/<name>/repo.json          settings, branches, tags
    ROOT/repos/.../commits/<commit>.json                                      tree, parent, message, date

A commit is written before the branch that points to it, each by temporary file and rename, so a killed server leaves
either the old state or the new one. The server is one event loop and never awaits inside a change: no locks are needed.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from .errors import Refusal, revision_not_found

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
PLURALS = {kind: plural for plural, kind in KINDS.items()}

# The attributes file with which every repository on the Hub starts: it decides what is stored as a large file.
_LARGE = "7z arrow bin ckpt glb gz jpg model mp4 npy npz onnx parquet pickle pkl ply png pt pth safetensors tar zip"
GITATTRIBUTES = "".join(f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in _LARGE.split()).encode()


@dataclass(frozen=True)
class RepoId:
    """A repository's kind (`model`, `dataset`, `space`) and full name."""

    kind: str
    namespace: str
    name: str

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def url_path(self) -> str:
        """Path of the repository's page: models live at the root, the others under their plural."""
        return self.full_name if self.kind == "model" else f"{PLURALS[self.kind]}/{self.full_name}"


@dataclass(frozen=True)
class Entry:
    """One file of a tree: content hash, size in bytes, git object id (of the pointer file if `lfs`)."""

    sha256: str
    size: int
    oid: str
    lfs: bool


Tree = dict[str, Entry]


def git_oid(content: bytes) -> str:
    """Git's id of a blob, which the client recomputes to skip files that did not change."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write JSON by temporary file and rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value))
    os.replace(temporary, path)


class Store:
    """All repositories and blobs under one folder."""

    def __init__(self, root: Path):
        self.root = Path(root)
        (self.root / "blobs").mkdir(parents=True, exist_ok=True)

    # Blobs

    def blob_path(self, sha256: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise Refusal(422, f"{sha256!r} is not a SHA-256")
        return self.root / "blobs" / sha256

    def has_blob(self, sha256: str) -> bool:
        return self.blob_path(sha256).exists()

    def put_blob(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        with self.incoming_blob() as incoming:
            incoming.write(content)
        self.keep_blob(Path(incoming.name), sha256)
        return sha256

    def incoming_blob(self):
        """An open temporary file beside the blobs, for `keep_blob`."""
        return tempfile.NamedTemporaryFile(dir=self.root, prefix="incoming-", delete=False)

    def keep_blob(self, incoming: Path, sha256: str) -> None:
        os.replace(incoming, self.blob_path(sha256))

    def regular_entry(self, content: bytes) -> Entry:
        return Entry(self.put_blob(content), len(content), git_oid(content), lfs=False)

    def large_entry(self, sha256: str) -> Entry:
        """Entry of an uploaded large file; refused if its content never arrived."""
        if not self.has_blob(sha256):
            raise Refusal(422, f"LFS pointer to {sha256}, which was never uploaded")
        size = self.blob_path(sha256).stat().st_size
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return Entry(sha256, size, git_oid(pointer.encode()), lfs=True)

    # Repositories

    def folder(self, repo: RepoId) -> Path:
        return self.root / "repos" / PLURALS[repo.kind] / repo.namespace / repo.name

    def exists(self, repo: RepoId) -> bool:
        return (self.folder(repo) / "repo.json").exists()

    def create(self, repo: RepoId, private: bool = False, sdk: str | None = None) -> None:
        first = self._write_commit(repo, {".gitattributes": self.regular_entry(GITATTRIBUTES)}, None, "initial commit")
        self.save(repo, {"private": private, "gated": False, "sdk": sdk, "branches": {"main": first}, "tags": {}})

    def delete(self, repo: RepoId) -> None:
        shutil.rmtree(self.folder(repo))

    def load(self, repo: RepoId) -> dict:
        """Settings and references: `private, gated, sdk, branches, tags`."""
        return json.loads((self.folder(repo) / "repo.json").read_text())

    def save(self, repo: RepoId, settings: dict) -> None:
        write_json(self.folder(repo) / "repo.json", settings)

    def repos(self, kind: str) -> Iterator[RepoId]:
        for settings in sorted((self.root / "repos" / PLURALS[kind]).glob("*/*/repo.json")):
            yield RepoId(kind, settings.parent.parent.name, settings.parent.name)

    # Commits

    def resolve(self, repo: RepoId, revision: str) -> str:
        """Commit id that a branch, tag, full or short (7+) commit id stands for."""
        refs = self.load(repo)
        revision = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        if found := refs["branches"].get(revision) or refs["tags"].get(revision):
            return found
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            matches = [path.stem for path in (self.folder(repo) / "commits").glob(f"{revision}*.json")]
            if len(matches) == 1:
                return matches[0]
        raise revision_not_found(revision)

    def commit_record(self, repo: RepoId, commit: str) -> dict:
        """`tree, parent, message, date` of a commit."""
        return json.loads((self.folder(repo) / "commits" / f"{commit}.json").read_text())

    def tree(self, repo: RepoId, commit: str) -> Tree:
        return {path: Entry(**entry) for path, entry in self.commit_record(repo, commit)["tree"].items()}

    def commit(self, repo: RepoId, branch: str, changes: Mapping[str, Entry | None], message: str) -> str:
        """Apply `changes` (None deletes) on top of `branch` and move it. Paths are taken as they are."""
        settings = self.load(repo)
        parent = settings["branches"].get(branch)
        if parent is None:
            raise revision_not_found(branch)
        tree: dict[str, Entry | None] = {**self.tree(repo, parent), **changes}
        new = self._write_commit(repo, {p: e for p, e in tree.items() if e is not None}, parent, message)
        settings["branches"][branch] = new
        self.save(repo, settings)
        return new

    def _write_commit(self, repo: RepoId, tree: Tree, parent: str | None, message: str) -> str:
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        listing = {path: asdict(entry) for path, entry in sorted(tree.items())}
        record = {"tree": listing, "parent": parent, "message": message, "date": date}
        commit = hashlib.sha1(json.dumps(record).encode()).hexdigest()
        write_json(self.folder(repo) / "commits" / f"{commit}.json", record)
        return commit
