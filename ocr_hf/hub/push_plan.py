"""The plan of a push: which files, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ocr_hf.hub.card_metadata import read_metadata
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
    """

    kind: Kind
    folder: Path
    repo: str
    files: tuple[LocalFile, ...]
    left_out: tuple[str, ...]
    sdk: str | None = None

    @property
    def repo_type(self) -> str:
        return REPO_TYPES[self.kind]

    @property
    def added(self) -> tuple[LocalFile, ...]:
        """Files from outside the folder: code of `ocr_hf` that a Space or metric imports."""
        return tuple(file for file in self.files if not file.source.is_relative_to(self.folder))

    @property
    def bytes(self) -> int:
        """Sum of the files' sizes."""
        return sum(file.size for file in self.files)


def plan_push(kind: Kind, folder: Path, repo: str, own_token: str | None = None) -> PushPlan:
    """Return what a push of a folder would send; raise RefusedError, with all reasons, for one that must not be sent.

    Makes no request to the Hub. `own_token` is looked for in the files like any other secret.
    """
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
    if kind in ("space", "metric"):
        from ocr_hf.hub.space_package import with_modules, with_package

        files = with_modules(files)
        if kind == "space":  # a metric is loaded without what lies beside its own files
            files = with_package(files)
    metadata, card_findings = read_metadata(folder, kind)
    checks = _checks(kind, folder, files, metadata, name)
    findings = (*findings, *card_findings, *checks, *find_secrets(files, own_token))
    if findings:
        raise RefusedError(f"{folder} can't be pushed as a {kind}; nothing was sent:", findings)
    return PushPlan(kind, folder, repo, files, left_out, metadata.get("sdk") if kind in ("metric", "space") else None)


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
