"""Sending a checked folder to the Hub: resumable uploads, one atomic commit, no commit of others lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocr_hf.data.schema import RECIPES
from ocr_hf.hub.backoff import with_retries
from ocr_hf.hub.check_model import is_training_state
from ocr_hf.hub.check_named import check_named
from ocr_hf.hub.hub_errors import ConflictError, HubError, explained, first_of, status_of
from ocr_hf.hub.push_plan import PushPlan
from ocr_hf.hub.repo_files import LocalFile, Tree, file_matches, repo_tree

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

MAX_REBASES = 5


@dataclass(frozen=True)
class Pushed:
    """A finished push.

    commit : what the branch points to now
    changed : paths that this commit added, altered or (`deleted`) removed; all empty if nothing had changed
    others : paths in the repository that the folder doesn't hold; they were left alone
    load_line : Python that loads it
    """

    url: str
    commit: str
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    others: tuple[str, ...]
    load_line: str


def push(
    plan: PushPlan,
    api: HfApi,
    *,
    private: bool = False,
    revision: str = "main",
    tag: str | None = None,
    mirror: bool = False,
    message: str | None = None,
    notify: Callable[[str], None] = lambda text: None,
) -> Pushed:
    """Send the files of a plan as one commit on a branch, and return what came of it.

    private : of a repository that doesn't exist yet
    revision : the branch, made from `main` if there is none of that name
    tag : name for the new commit
    mirror : delete files of the repository that the folder doesn't hold. A data set needs this where such files
        would be loaded along with the new ones; without it that is refused.
    notify : called with a sentence about each step

    Large files are sent first and a broken push resumes: what the Hub has is not sent again. The commit comes last and
    names its parent, so it is made on exactly the state that was inspected; where somebody else has since committed
    other files, it is made on top of theirs.
    Raises HubError where the Hub refuses, the connection fails or what a model names isn't there, ConflictError if
    others changed the same files.
    """
    with explained(f"push to {plan.repo}"):
        check_named(plan, api)
        _open_repo(plan, api, private, revision)
        base = _head(plan, api, revision)
        before = _tree(plan, api, base)
        gone = _to_delete(plan, before, mirror)
        if tag:
            _check_tag(plan, api, tag, base, unchanged=_is_done(plan, gone, before))
        notify(f"uploading {len(plan.files)} files, {plan.bytes / 1e6:.1f} MB")
        operations = _upload(plan, api, revision)
        commit = _commit(plan, api, revision, base, before, operations, gone, message or f"Push {plan.kind}")
        notify("checking what arrived")
        after = _tree(plan, api, commit)
        _verify(plan, after)
        if tag:
            _tag(plan, api, tag, commit)
    ours = {file.path for file in plan.files}
    changed = tuple(sorted(path for path in ours if before.get(path) != after.get(path)))
    others = tuple(sorted(set(after) - ours - {".gitattributes"}))
    return Pushed(page_url(plan, api), commit, changed, gone, others, load_line(plan, tag or commit))


def page_url(plan: PushPlan, api: HfApi) -> str:
    """Address of the repository's page."""
    prefix = "" if plan.repo_type == "model" else f"{plan.repo_type}s/"
    return f"{api.endpoint}/{prefix}{plan.repo}"


def load_line(plan: PushPlan, revision: str) -> str:
    """Python that loads what was pushed, pinned to a revision."""
    if plan.kind == "dataset" and any(file.path == RECIPES for file in plan.files):
        return f'ocr_hf.data.load.load("{plan.repo}", revision="{revision}", scans=FOLDER)'
    if plan.kind == "dataset":
        return f'load_dataset("{plan.repo}", revision="{revision}")'
    if plan.kind == "metric":
        return f'evaluate.load("{plan.repo}", revision="{revision}")'
    if plan.kind == "space":
        return f'gradio_client.Client("{plan.repo}")'
    return f'AutoModelForImageTextToText.from_pretrained("{plan.repo}", revision="{revision}")'


def _tree(plan: PushPlan, api: HfApi, revision: str) -> Tree:
    return repo_tree(api, plan.repo, plan.repo_type, revision)


def _head(plan: PushPlan, api: HfApi, revision: str) -> str:
    return with_retries(lambda: api.repo_info(plan.repo, revision=revision, repo_type=plan.repo_type)).sha


def _open_repo(plan: PushPlan, api: HfApi, private: bool, revision: str) -> None:
    """Make sure repository and branch are there and may be written to, before hours of upload."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        with_retries(lambda: api.auth_check(plan.repo, repo_type=plan.repo_type, write=True))
    except RepositoryNotFoundError:
        with_retries(
            # private=None keeps the organisation's default; False would make the repository public against it
            lambda: api.create_repo(
                plan.repo, repo_type=plan.repo_type, private=private or None, exist_ok=True, space_sdk=plan.sdk
            )
        )
    if revision != "main":
        with_retries(lambda: api.create_branch(plan.repo, branch=revision, repo_type=plan.repo_type, exist_ok=True))


def _to_delete(plan: PushPlan, before: Tree, mirror: bool) -> tuple[str, ...]:
    # The Hub writes .gitattributes itself when large files are uploaded.
    others = sorted(set(before) - {file.path for file in plan.files} - {".gitattributes"})
    if mirror:
        return tuple(others)
    stale = [path for path in others if _is_loaded(plan.kind, path)]
    if stale:
        raise HubError(
            f"{plan.repo} holds {first_of(stale)} that the folder doesn't, and they would be loaded "
            "with the new files; add --mirror to delete them, or push to another --repo or --revision"
        )
    return ()


def _is_loaded(kind: str, path: str) -> bool:
    """Whether loaders of this kind pick up a file by themselves."""
    if kind == "dataset":
        return path.endswith((".parquet", ".jsonl", ".csv", ".mp4"))
    if kind == "model":
        return (
            path.endswith((".safetensors", ".index.json", ".bin"))
            and not is_training_state(path)
            or (path == "adapter_config.json")
        )
    return False


def _upload(plan: PushPlan, api: HfApi, revision: str) -> list[CommitOperationAdd]:
    from huggingface_hub import CommitOperationAdd

    operations = [CommitOperationAdd(file.path, str(file.source)) for file in plan.files]
    if plan.files:
        # Large files go first and are found by their hash: what an interrupted push has sent is not sent again. The
        # operations stay in memory because the commit may have to be repeated.
        api.preupload_lfs_files(plan.repo, operations, repo_type=plan.repo_type, revision=revision, free_memory=False)
    return operations


def _commit(
    plan: PushPlan,
    api: HfApi,
    revision: str,
    base: str,
    before: Tree,
    operations: list[CommitOperationAdd],
    gone: tuple[str, ...],
    message: str,
) -> str:
    """Make the commit on `base`, or on what others made of it, and return its id."""
    from huggingface_hub import CommitOperationDelete
    from huggingface_hub.errors import HfHubHTTPError

    parent, now = base, before
    for _ in range(MAX_REBASES):
        deletions = [CommitOperationDelete(path) for path in gone if path in now]
        try:
            # An attempt whose answer was lost may have succeeded: asking again with the same parent can't commit twice.
            done = with_retries(
                lambda parent=parent, deletions=deletions: api.create_commit(
                    plan.repo,
                    [*operations, *deletions],
                    commit_message=message,
                    repo_type=plan.repo_type,
                    revision=revision,
                    parent_commit=parent,
                )
            )
            return done.oid
        except HfHubHTTPError as error:
            # 412 Precondition Failed: the branch moved on since `parent`. Optimistic locking, as in compare-and-swap.
            if status_of(error) != 412:
                raise
        parent = _head(plan, api, revision)
        now = _tree(plan, api, parent)
        if _is_done(plan, gone, now):
            return parent
        _refuse_conflict(plan, before, now, gone)
    raise HubError(
        f"{plan.repo} was changed by others {MAX_REBASES} times during the commit; run the same command again"
    )


def _is_done(plan: PushPlan, gone: tuple[str, ...], now: Tree) -> bool:
    """Whether the repository is already as the commit would make it."""
    return not set(gone) & set(now) and all(_same(file, now) for file in plan.files)


def _refuse_conflict(plan: PushPlan, before: Tree, now: Tree, gone: tuple[str, ...]) -> None:
    same = {file.path for file in plan.files if _same(file, now)} | (set(gone) - set(now))
    ours = {file.path for file in plan.files} | set(gone)
    theirs = sorted(path for path in ours - same if before.get(path) != now.get(path))
    if theirs:
        raise ConflictError(
            f"{plan.repo}: somebody else just changed {first_of(theirs)}; look at their commit, then run the same "
            "command again to replace it or push to another --revision"
        )


def _check_tag(plan: PushPlan, api: HfApi, tag: str, base: str, unchanged: bool) -> None:
    """Refuse a tag that names another commit before anything is sent: a tag is a promise."""
    there = _tags(plan, api).get(tag)
    if there is not None and not (unchanged and there == base):
        raise HubError(f"{plan.repo} has a tag {tag} already, at commit {there[:8]}; choose another --tag")


def _tag(plan: PushPlan, api: HfApi, tag: str, commit: str) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        with_retries(lambda: api.create_tag(plan.repo, tag=tag, revision=commit, repo_type=plan.repo_type))
    except HfHubHTTPError as error:
        # 409: the tag exists. Either the answer to a first attempt was lost, or it existed before.
        if status_of(error) != 409 or _tags(plan, api).get(tag) != commit:
            raise


def _tags(plan: PushPlan, api: HfApi) -> dict[str, str]:
    refs = with_retries(lambda: api.list_repo_refs(plan.repo, repo_type=plan.repo_type))
    return {ref.name: ref.target_commit for ref in refs.tags}


def _verify(plan: PushPlan, after: Tree) -> None:
    wrong = [file.path for file in plan.files if not _same(file, after)]
    if wrong:
        raise HubError(
            f"{plan.repo} holds {first_of(wrong)} with other content than was sent; run the same command again"
        )


def _same(file: LocalFile, tree: Tree) -> bool:
    return file.path in tree and file_matches(file.source, *tree[file.path])
