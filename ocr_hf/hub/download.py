"""Fetching a repository: one pinned commit, every byte checked, all of it or nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_hf.data.atomic import write_json
from ocr_hf.hub.backoff import with_retries
from ocr_hf.hub.hub_errors import HubError, RefusedError, explained
from ocr_hf.hub.push_plan import REPO_TYPES, Kind
from ocr_hf.hub.repo_files import PULL_RECORD, Tree, file_matches, path_problem, repo_tree

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SPARE_BYTES = 64 << 20
"""Left free on the disk, so that a pull doesn't fill it up."""


@dataclass(frozen=True)
class Pulled:
    """A fetched folder: where, of which commit, its files and their bytes, and what was left out."""

    folder: Path
    commit: str
    files: tuple[str, ...]
    bytes: int
    left_out: tuple[str, ...]


def pull(
    kind: Kind,
    repo: str,
    out: Path,
    api: HfApi,
    *,
    revision: str = "main",
    without: Sequence[str] = (),
    notify: Callable[[str], None] = lambda text: None,
) -> Pulled:
    """Fetch a revision of a repository into a new folder.

    revision : branch, tag or commit; it is resolved to a commit once, and only that is fetched
    without : patterns of paths not to fetch, as "*.bin"; "folder/" is all that is in it

    Files are gathered in `OUT.incomplete` and checked against the commit's checksums; then the folder gets its name. A
    broken pull resumes there. A second pull of the same commit checks the files and fetches nothing.
    Raises RefusedError for a repository that is unsafe (paths that lead out of it, pickles in a model) or whose files
    don't match their checksums, HubError for what the Hub or the disk refuses, FileExistsError where `out` is something
    else.
    """
    out = Path(out)
    without = [f"{pattern}*" if pattern.endswith("/") else pattern for pattern in without]
    action = f"pull {repo}"
    repo_type = REPO_TYPES[kind]
    with explained(action):
        # Resolved once: a branch that moves during the download would otherwise mix files of two commits.
        commit = with_retries(lambda: api.repo_info(repo, revision=revision, repo_type=repo_type)).sha
        tree = repo_tree(api, repo, repo_type, commit)
    wanted, left_out = _select(kind, repo, tree, without)
    done = Pulled(out, commit, tuple(sorted(wanted)), sum(size for _, size in wanted.values()), left_out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        _check_existing(out, done, wanted)
        notify(f"{out} already holds commit {commit[:8]}, checked")
        return done
    staging = out.with_name(out.name + ".incomplete")
    with explained(action):
        _check_space(staging, done.bytes)
        notify(f"fetching {len(wanted)} files, {done.bytes / 1e6:.1f} MB, of commit {commit[:8]}")
        _fetch(api, repo, repo_type, commit, staging, ignored_patterns(tree, wanted, without))
        _check_content(kind, repo, staging, wanted)
        # huggingface_hub's notes on the download, by which it resumes
        shutil.rmtree(staging / ".cache", ignore_errors=True)
        _remove_strangers(staging, wanted)
        checksums = {path: checksum for path, (checksum, _) in sorted(wanted.items())}
        write_json(staging / PULL_RECORD, {"repo": repo, "kind": kind, "commit": commit, "files": checksums})
        if out.exists():
            # os.replace can't put a folder over an existing one on every system.
            out.rmdir()  # empty, as was just seen
        os.replace(staging, out)
        if kind == "dataset":
            _record_place(out, wanted)
    return done


def _select(kind: Kind, repo: str, tree: Tree, without: Sequence[str]) -> tuple[Tree, tuple[str, ...]]:
    """Return (what to fetch, paths left out); raise RefusedError for names that are unsafe whatever the content."""
    wanted = {path: entry for path, entry in tree.items() if not any(fnmatch(path, pattern) for pattern in without)}
    wanted.pop(".gitattributes", None)
    findings = [f"{path!r} {problem}" for path in sorted(wanted) if (problem := path_problem(path))]
    folded: dict[str, str] = {}
    for path in sorted(wanted):
        # On file systems that ignore case the second file would overwrite the first, after its checksum was checked.
        if (other := folded.setdefault(path.lower(), path)) != path:
            findings.append(f"{other!r} and {path!r} are one file on some systems")
    if kind == "model":
        from ocr_hf.hub.check_model import forbidden_by_name, is_training_state

        wanted = {path: entry for path, entry in wanted.items() if not is_training_state(path)}
        findings += [f"{path} {reason}" for path in sorted(wanted) if (reason := forbidden_by_name(path))]
    if findings:
        raise RefusedError(f"{repo} is not fetched (to leave files out, add --without PATTERN):", findings)
    return wanted, tuple(sorted(set(tree) - set(wanted) - {".gitattributes"}))


def _check_existing(out: Path, done: Pulled, wanted: Tree) -> None:
    record = out / PULL_RECORD
    if not record.is_file():
        raise FileExistsError(f"{out} exists and was not written by `ocr-hf pull`; name another folder")
    commit = json.loads(record.read_text(encoding="utf-8")).get("commit")
    if commit != done.commit:
        raise FileExistsError(f"{out} holds commit {str(commit)[:8]}, not {done.commit[:8]}; name another folder")
    wrong = _wrong(out, wanted)
    if wrong:
        raise RefusedError(f"{out} was altered since it was pulled; remove it and pull again:", _sentences(wrong))


def _check_space(staging: Path, need: int) -> None:
    staging.mkdir(parents=True, exist_ok=True)
    # What an interrupted pull has fetched already takes no more space.
    there = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    free = shutil.disk_usage(staging).free
    if free < need - there + SPARE_BYTES:
        raise HubError(
            f"{need / 1e6:.1f} MB are to be fetched but {staging.parent} has {free / 1e6:.1f} MB free; free some space "
            "or name a folder on another disk"
        )


def ignored_patterns(tree: Tree, wanted: Tree, without: Sequence[str]) -> list[str]:
    """Return the client's patterns for what is not to be fetched: the user's, and the names that none of them covers.

    The client tries every pattern on every path. What is wanted would take as many patterns as there are files, and of
    25,000 files hours; what isn't are a few.
    """
    named = [path for path in tree if path not in wanted and not any(fnmatch(path, pattern) for pattern in without)]
    return [*without, *(re.sub(r"([\[?*])", r"[\1]", path) for path in sorted(named))]


def _fetch(api: HfApi, repo: str, repo_type: str, commit: str, staging: Path, ignored: list[str]) -> None:
    from huggingface_hub import snapshot_download

    with_retries(
        lambda: snapshot_download(
            repo,
            repo_type=repo_type,
            revision=commit,
            local_dir=staging,
            ignore_patterns=ignored,
            endpoint=api.endpoint,
            token=api.token,
        )
    )


def _check_content(kind: Kind, repo: str, staging: Path, wanted: Tree) -> None:
    wrong = _wrong(staging, wanted)
    if kind == "model":
        from ocr_hf.hub.check_model import is_pickle

        wrong |= {path: "is a pickle by its content" for path in wanted.keys() - wrong if is_pickle(staging / path)}
    if wrong:
        for path in wrong:  # so that the next pull fetches it anew
            (staging / path).unlink(missing_ok=True)
        raise RefusedError(f"{repo} is refused; these files were not kept:", _sentences(wrong))
    if kind == "dataset":
        from ocr_hf.data.schema import MANIFEST, read_manifest

        if (staging / MANIFEST).is_file():  # other data sets may be pulled too
            read_manifest(staging)


def _record_place(out: Path, wanted: Tree) -> None:
    from ocr_hf.data.place import PLACE, record_place
    from ocr_hf.data.schema import MANIFEST

    if MANIFEST in wanted and PLACE not in wanted:  # other data sets may be pulled too
        record_place(out)


def _wrong(folder: Path, wanted: Tree) -> dict[str, str]:
    """Path -> what is wrong with it."""
    return {
        path: "does not match its checksum: it was altered in transit or on the Hub"
        for path, (checksum, size) in wanted.items()
        if not file_matches(folder / path, checksum, size)
    }


def _sentences(wrong: dict[str, str]) -> list[str]:
    return [f"{path} {what}" for path, what in sorted(wrong.items())]


def _remove_strangers(staging: Path, wanted: Tree) -> None:
    """Remove files of another commit, left by a pull that was interrupted before the branch moved on."""
    # Deepest first: a folder is looked at after its files are gone
    for path in sorted(staging.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(staging).as_posix() not in wanted:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
