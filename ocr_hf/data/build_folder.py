"""Building an ocr-vsi folder: plan, make the clips on any number of workers, assemble."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ocr_hf.data.assemble import assemble
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_lock import build_lock, check_space, final_folder
from ocr_hf.data.build_plan import check_workers, jobs, plan_scenes
from ocr_hf.data.staging import finished, open_staging
from ocr_hf.data.workers import make_clips

OnClip = Callable[[Mapping[str, Any]], None]


def build_folder(
    config: BuildConfig,
    out: str | os.PathLike,
    *,
    num_proc: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    on_clip: OnClip | None = None,
) -> dict[str, Any]:
    """Build an ocr-vsi data set in a folder that `datasets.load_dataset` reads.

    Until it is complete, everything is in `OUT.incomplete`. Killed at any moment, the build is continued with
    `resume=True` and ends with the same bytes. Links are followed: what is built is the folder that they lead to.

    Args:
        config: what to build; equal configs give equal bytes.
        out: the folder to make.
        num_proc: worker processes; the bytes don't depend on it. With more than one, a script needs the usual
            `if __name__ == "__main__":` guard, because workers are spawned.
        resume: take up an interrupted build of the same config, or keep a finished one.
        overwrite: build anew, whatever is there.
        on_clip: called with each clip's record as it is finished.

    Returns:
        The manifest, as in `OUT/ocr_vsi.json`: format version, config, input files with their hashes, library
        versions, and statistics of splits, questions and videos.

    Raises:
        FolderExistsError: something is in the way, and neither `resume` nor `overwrite` was given.
        FolderBusyError: another process is building this folder; its host and number are named.
        ValueError: `num_proc` is below 1, `out` is a mount point, or a scene can't be read.
        OSError: an input file is missing, the disk is full or too small, or the folder can't be written to.
        RuntimeError: a worker died.

    Example:
        >>> from ocr_hf import BuildConfig, build_folder
        >>> manifest = build_folder(BuildConfig(scenes=1, rooms=1, frames=8, width=64, height=48, seed=7), "rooms")
        >>> manifest["statistics"]["splits"]["train"]["clips"]
        1
        >>> from datasets import load_dataset
        >>> load_dataset("rooms", split="train").num_rows
        46
    """
    out = final_folder(out)
    check_workers(num_proc)
    # Before any folder is touched: scenes whose names clash end the build here.
    scenes = plan_scenes(config)
    if resume and not overwrite and (manifest := finished(config, out)):
        return manifest
    with build_lock(out):
        staging = open_staging(config, out, resume=resume, overwrite=overwrite)
        # A build killed between its manifest and the folder's final name has nothing left to render.
        if not staging.is_assembled:
            check_space(config, out, staging.written_bytes())
            for record in make_clips(config, jobs(scenes, num_proc), staging, num_proc):
                if on_clip is not None:
                    on_clip(record)
        return assemble(config, scenes, staging)
