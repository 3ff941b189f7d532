"""The plan of a push: which files, checked before anything is sent."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

from ocr_hf.hub.card_ids import with_own_id
from ocr_hf.hub.card_metadata import CARD, read_metadata
from ocr_hf.hub.hub_errors import RefusedError
from ocr_hf.hub.repo_files import LocalFile, list_files
from ocr_hf.hub.secrets import find_secrets

Kind = Literal["dataset", "model", "metric", "space"]
KINDS: tuple[Kind, ...] = ("dataset", "model", "metric", "space")
REPO_TYPES = {"dataset": "dataset", "model": "model", "metric": "space", "space": "space"}
"""Our kind -> the Hub's repository type: a metric of `evaluate` is a Space."""


@dataclass(frozen=True)
class PushPlan:
    """A checked push.

    files : what will be in the repository afterwards; with a Space or metric, the code of `ocr_hf` that it needs too
    left_out : paths that aren't pushed: a trainer's own state
    sdk : of a Space, None otherwise
    notes : sentences on what a Space brings along, and what it does without the rest
    scratch : where the card lies as it is sent, for as long as the plan is there; None where it is the folder's own
    """

    kind: Kind
    folder: Path
    repo: str
    files: tuple[LocalFile, ...]
    left_out: tuple[str, ...]
    sdk: str | None = None
    notes: tuple[str, ...] = ()
    scratch: Path | None = field(default=None, repr=False, compare=False)

    @property
    def repo_type(self) -> str:
        return REPO_TYPES[self.kind]

    @property
    def added(self) -> tuple[LocalFile, ...]:
        """Files from outside the folder: code of `ocr_hf` that a Space or metric imports, and what it brings along."""
        places = (self.folder, self.scratch) if self.scratch else (self.folder,)
        return tuple(file for file in self.files if not any(map(file.source.is_relative_to, places)))

    @property
    def bytes(self) -> int:
        """Sum of the files' sizes."""
        return sum(file.size for file in self.files)


def plan_push(
    kind: Kind,
    folder: Path,
    repo: str,
    own_token: str | None = None,
    bring: Mapping[str, Path] | None = None,
    untrained: bool = False,
    recipes_only: bool = False,
) -> PushPlan:
    """Return what a push of a folder would send; raise RefusedError, with all reasons, for one that must not be sent.

    Makes no request to the Hub. `own_token` is looked for in the files like any other secret.

    bring : of a Space: its folder -> where that is, beside and before what `brings.json` says
    untrained : let a Space be pushed that would answer with random weights; the plan says so
    recipes_only : of a data set of scans, send how its clips are made of them, and nothing of the scans
    """
    if recipes_only:
        return _plan_recipes(kind, Path(folder), repo, own_token, bring, untrained)
    folder = Path(folder)
    if kind not in KINDS:
        raise ValueError(f"'{kind}' can't be pushed; choose one of {', '.join(KINDS)}")
    namespace, _, name = repo.partition("/")
    if not namespace or not name or "/" in name:
        raise ValueError(f"'{repo}' is not a repository name; give it as ORG/NAME, as in my-lab/ocr-vsi")
    found, findings = list_files(folder)
    left_out: tuple[str, ...] = ()
    if kind == "model":
        from ocr_hf.hub.check_model import is_training_state

        left_out = tuple(file.path for file in found if is_training_state(file.path))
    files = tuple(file for file in found if file.path not in left_out)
    if kind != "space" and (bring or untrained):
        raise ValueError(f"a {kind} brings nothing along; leave out --bring and --untrained, which are for Spaces")
    notes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    if kind in ("space", "metric"):
        from ocr_hf.hub.space_package import with_modules, with_package

        files = with_modules(files)
        if kind == "space":  # a metric is loaded without what lies beside its own files
            files = with_package(files)
    metadata, card_findings = read_metadata(folder, kind)
    if kind == "space":
        from ocr_hf.hub.space_parts import says_what_it_brings, untrained_finding, with_parts

        files, notes, parts = with_parts(folder, files, metadata, bring or {})
        if problem := untrained_finding(files, metadata, says_what_it_brings(folder)):
            if untrained:
                notes = (*notes, "THE PAGE WILL ANSWER WITH RANDOM WEIGHTS: no checkpoint is brought along.")
            else:
                parts = (*parts, problem)
    checks = _checks(kind, folder, files, metadata, name)
    findings = (*findings, *card_findings, *parts, *checks, *find_secrets(files, own_token))
    if findings:
        raise RefusedError(f"{folder} can't be pushed as a {kind}; nothing was sent:", findings)
    sdk = metadata.get("sdk") if kind in ("metric", "space") else None
    text = (folder / CARD).read_bytes().decode("utf-8")
    sent = with_own_id(text, folder, repo)
    if sent == text:
        return PushPlan(kind, folder, repo, files, left_out, sdk, notes)
    scratch = Path(mkdtemp(prefix="ocr-hf-push-"))
    card = LocalFile(CARD, scratch / CARD, (scratch / CARD).write_bytes(sent.encode()))
    files = tuple(card if file.path == CARD else file for file in files)
    plan = PushPlan(kind, folder, repo, files, left_out, sdk, notes, scratch)
    weakref.finalize(plan, shutil.rmtree, scratch, ignore_errors=True)
    return plan


def _plan_recipes(
    kind: Kind, folder: Path, repo: str, own_token: str | None, bring: Mapping[str, Path] | None, untrained: bool
) -> PushPlan:
    from ocr_hf.data.write_recipes import write_recipes

    if kind != "dataset":
        raise ValueError(f"--recipes-only goes with a dataset, not with a {kind}; leave it out")
    scratch = Path(mkdtemp(prefix="ocr-hf-push-"))
    try:
        recipes = scratch / folder.resolve().name
        write_recipes(folder, recipes)
        plan = plan_push(kind, recipes, repo, own_token, bring, untrained)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    weakref.finalize(plan, shutil.rmtree, scratch, ignore_errors=True)
    return plan


def _checks(kind: Kind, folder: Path, files: tuple[LocalFile, ...], metadata: dict, name: str) -> Iterator[str]:
    if kind == "dataset":
        from ocr_hf.cards.check import check_dataset_card
        from ocr_hf.hub.check_dataset import check_dataset

        # The card is compared with the manifest only where the folder is sound: a broken folder would add a finding for
        # every number.
        found = list(check_dataset(folder, files, metadata))
        yield from found or check_dataset_card(folder)
    elif kind == "model":
        from ocr_hf.cards.check import check_model_card
        from ocr_hf.hub.check_model import check_model

        yield from check_model(files)
        yield from check_model_card(folder)
    else:
        from ocr_hf.hub.check_space import check_metric, check_space

        yield from check_metric(files, metadata, name) if kind == "metric" else check_space(files, metadata)
