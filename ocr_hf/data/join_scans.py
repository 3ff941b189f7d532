"""Joining recipes of scans with the user's own copy of them: an ocr-vsi folder, made here, or kept in the cache."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from pathlib import Path
from typing import Any

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import OnClip, build_folder
from ocr_hf.data.build_lock import FolderBusyError
from ocr_hf.data.scan_recipes import read_recipes
from ocr_hf.data.scans_source import LEFT_OUT, forget_scans, recipe_files, scan_folders
from ocr_hf.data.schema import RECIPES, FormatError, holds_recipes

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

    A second process waits for the first; a run that was killed is continued. Where scans are added to the copy later,
    another folder is made.

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
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "ocr_vsi_joined" / _key(recipes, Path(root))
    while True:
        try:
            manifest = build_folder(config, folder, resume=True)
            break
        except FolderBusyError:
            time.sleep(WAIT_S)
    reasons = manifest["statistics"]["skipped_clips"]
    missing = [f"{reason} ({count})" for reason, count in reasons.items() if not reason.endswith(LEFT_OUT)]
    if missing:
        told = "; ".join(missing)
        warnings.warn(f"{name}: clips left out: {told}", stacklevel=3)
    return folder


def _key(recipes: Path, root: Path) -> str:
    """Return a name for what recipes and a copy make: another for other recipes, another place, other scans in it."""
    import ocr_hf

    digest = hashlib.sha256(f"{ocr_hf.__version__} {root.resolve()}".encode())
    for path in recipe_files(recipes):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    names = frozenset(read_recipes(recipes).scene_names.values())
    for name, folders in sorted(scan_folders(root, names).items()):
        digest.update(f"{name} {len(folders)}\n".encode())
    return digest.hexdigest()[:16]
