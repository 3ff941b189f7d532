"""Joining recipes of scans with the user's own copy of them: an ocr-vsi folder, made here, or kept in the cache."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocr_hf.data.assemble import NothingBuilt
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import OnClip, build_folder
from ocr_hf.data.build_lock import FolderBusyError
from ocr_hf.data.scan_recipes import read_recipes
from ocr_hf.data.scans_source import LEFT_OUT, copy_state, forget_scans, recipe_files
from ocr_hf.data.schema import MANIFEST, RECIPES, FormatError, holds_recipes, read_manifest
from ocr_hf.data.staging import Staging

SCANS = "OCR_HF_SCANS"
"""Environment variable: the folder with the user's copy of scans, for loads that name none."""
WAIT_S = 1.0
"""Between two looks at a folder that another process makes."""


def find_recipes(source: str | os.PathLike, revision: str | None = None) -> Path:
    """Return a folder of recipes, or that of a repository's recipes in the Hub's cache.

    Args:
        source: folder or Hub id.
        revision: branch, tag or commit of the repository.

    Returns:
        The folder.

    Raises:
        FormatError: there are none.
    """
    missing = f"{source} holds no {RECIPES}; give a folder or repository of recipes of scans"
    if os.path.isdir(source):
        if not holds_recipes(source):
            raise FormatError(missing)
        return Path(source)
    source = os.fspath(source)
    if os.path.isabs(source) or source.startswith(".") or source.count("/") != 1:
        raise FormatError(f"{source}: no such folder, and no ORG/NAME of the Hub; check the name")
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        found = Path(hf_hub_download(source, RECIPES, repo_type="dataset", revision=revision))
    except RemoteEntryNotFoundError as error:
        raise FormatError(missing) from error
    # The Hub's cache keeps the file in snapshots/COMMIT: the rest is of that commit
    commit = found.parent.name
    return Path(snapshot_download(source, repo_type="dataset", revision=commit, allow_patterns=[RECIPES, "*.jsonl"]))


def join_config(recipes: str | os.PathLike, root: str | os.PathLike) -> BuildConfig:
    """Return the options by which a build makes the clips of recipes.

    Args:
        recipes: folder of recipes.
        root: folder with the user's copy of the scans.

    Returns:
        Options of source `scans`.

    Raises:
        FormatError: these are no recipes that this version can read.
        ValueError: `root` is no folder, or the recipes name something that isn't installed here.
    """
    folder = Path(recipes).absolute()
    options = read_recipes(folder).config
    forget_scans()
    return BuildConfig(**options, source="scans", root=str(Path(root).absolute()), recipes=str(folder))


def join_scans(
    source: str | os.PathLike,
    root: str | os.PathLike,
    out: str | os.PathLike,
    *,
    revision: str | None = None,
    num_proc: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    on_clip: OnClip | None = None,
) -> dict[str, Any]:
    """Make the clips that recipes name, of the user's own copy of the scans.

    Scans are converted and cut as the builder did it, and what comes out is compared with the recipes' digests. What
    the copy lacks, and what it has in another version, is left out with its reason, and the rest goes on.

    Args:
        source: folder of recipes, or Hub id.
        root: folder with the scans, as their download script leaves them or as `ocr-hf convert-scan` wrote them.
        out: the folder to make.
        revision: branch, tag or commit of the Hub repository.
        num_proc: worker processes; the bytes don't depend on it.
        resume: take up an interrupted run, or keep a finished one.
        overwrite: make it anew, whatever is there.
        on_clip: called with each clip's record as it is finished.

    Returns:
        The manifest, as of `build_folder`; `skipped_clips` of its statistics says what was left out.

    Raises:
        FormatError: these are no recipes that this version can read.
        NothingBuilt: no clip of them could be made.
        FolderExistsError, FolderBusyError, ValueError, OSError, RuntimeError: as `build_folder`.
    """
    config = join_config(find_recipes(source, revision), root)
    return build_folder(config, out, num_proc=num_proc, resume=resume, overwrite=overwrite, on_clip=on_clip)


def joined(recipes: Path, name: str, root: str | os.PathLike | None) -> Path:
    """Return the folder in the cache of `datasets` that recipes and the user's scans make, made at the first call.

    A second process waits for the first; a run that was killed is continued. Where something was left out, and scans
    or files of them are added to the copy later, another folder is made.

    Args:
        recipes: folder of recipes.
        name: what was asked for, for messages.
        root: folder with the scans; None = what `OCR_HF_SCANS` names.

    Returns:
        An ocr-vsi folder.

    Raises:
        ValueError: no scans are named.
        Others: as `join_scans`.
    """
    import datasets

    root = root or os.environ.get(SCANS)
    if not root:
        raise ValueError(
            f"{name} holds recipes of scans and no videos; name the folder with your copy of the scans: "
            f"load({name!r}, scans=FOLDER), or the environment variable {SCANS}"
        )
    config = join_config(recipes, root)
    cache, key = Path(datasets.config.HF_DATASETS_CACHE) / "ocr_vsi_joined", _key(recipes, Path(root))
    folder = _whole(cache, key) or cache / f"{key}-{copy_state(root, read_recipes(recipes))}"
    manifest = _made(config, folder, name)
    if missing := _missing(manifest):
        warnings.warn(
            f"{name}: clips left out: {'; '.join(missing)}; they are made once your copy has more files, or for the "
            f"same files once {folder} is removed",
            stacklevel=3,
        )
    return folder


def _made(config: BuildConfig, folder: Path, name: str) -> dict[str, Any]:
    """Make a folder, or wait until another process has; return its manifest."""
    told = False
    while True:
        try:
            return build_folder(config, folder, resume=True)
        except FolderBusyError as error:
            # A lock that another machine left behind is never released: whoever waits must be able to know for what
            if not told:
                warnings.warn(f"{name}: waiting, since {error}", stacklevel=4)
                told = True
            time.sleep(WAIT_S)
        except NothingBuilt as error:
            raise NothingBuilt(
                f"{name}: {error}, or complete your copy of the scans in {config.root}; for the same files remove "
                f"{Staging(folder).root}, which keeps this outcome"
            ) from error


def _missing(manifest: Mapping[str, Any]) -> list[str]:
    """Return why clips were left out that the recipes have."""
    reasons = manifest["statistics"]["skipped_clips"]
    return [f"{reason} ({count})" for reason, count in reasons.items() if not reason.endswith(LEFT_OUT)]


def _whole(cache: Path, key: str) -> Path | None:
    """Return a finished folder that lacks nothing: whatever became of the scans since, it is what the recipes name."""
    for folder in sorted(cache.glob(f"{key}-*")):
        finished = not folder.name.endswith(".incomplete") and (folder / MANIFEST).is_file()
        if finished and not _missing(read_manifest(folder)):
            return folder
    return None


def _key(recipes: Path, root: Path) -> str:
    """Return a name for recipes and the place of a copy."""
    import ocr_hf

    digest = hashlib.sha256(f"{ocr_hf.__version__} {root.resolve()}".encode())
    for path in recipe_files(recipes):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
