"""Building on many machines: the same work as datatrove pipeline blocks (extra: ocr-hf[scale]).

    from datatrove.executor import LocalPipelineExecutor      # or SlurmPipelineExecutor, RayPipelineExecutor
    from ocr_hf.data.scale import AssembleFolder, BuildClips

    clips = LocalPipelineExecutor([BuildClips(config, out)], tasks=64, workers=2, logging_dir="logs/clips")
    LocalPipelineExecutor([AssembleFolder(config, out)], tasks=1, logging_dir="logs/folder", depends=clips).run()

`out` must lie on a file system that all machines share. The bytes don't depend on the executor or the number of
tasks; a relaunch skips finished clips, and `ocr-hf build --resume` can finish what an executor started.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ocr_hf.data.assemble import assemble
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import jobs, plan_scenes
from ocr_hf.data.make_clips import build_scene
from ocr_hf.data.staging import Staging, is_complete, open_staging
from ocr_hf.registry import named_plugins, use_plugins
from ocr_hf.settings.extras import need

need("scale", "building on many machines", ["datatrove"])

from datatrove.data import Document  # noqa: E402
from datatrove.pipeline.base import PipelineStep  # noqa: E402


class BuildClips(PipelineStep):
    """Makes this task's share of the clips; passes on one document per clip, whose metadata is the clip's record."""

    name = "clips"
    type = "ocr-vsi"

    def __init__(self, config: BuildConfig, out: str | os.PathLike) -> None:
        """Open the folder, here on the submitting machine, or continue it; refuse one that holds something else."""
        super().__init__()
        self.config, self.staging = config, Staging(Path(out).absolute())
        self.plugins = named_plugins()  # other machines don't inherit this one's environment
        if not is_complete(config, self.staging.out):
            open_staging(config, self.staging.out, resume=True)

    def run(self, data: Iterable[Any] | None = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Make the clips of every `world_size`-th piece of work, from number `rank`."""
        use_plugins(self.plugins)
        yield from data or ()
        if self.staging.out.exists() or self.staging.is_assembled:
            return
        # Every task plans all the work and takes its stride of it: no queue and no coordinator.
        for plan in jobs(plan_scenes(self.config), world_size)[rank::world_size]:
            for record in build_scene(self.config, plan, self.staging):
                self.stat_update("skipped" if record.get("skipped") else "built")
                yield Document(text=record["id"], id=record["id"], metadata=record)


class AssembleFolder(PipelineStep):
    """Turns the finished clips into the data set folder; runs as one task after all of BuildClips."""

    name = "folder"
    type = "ocr-vsi"

    def __init__(self, config: BuildConfig, out: str | os.PathLike) -> None:
        super().__init__()
        self.config, self.staging = config, Staging(Path(out).absolute())
        self.plugins = named_plugins()

    def run(self, data: Iterable[Any] | None = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Write metadata, card and manifest, and give the folder its name."""
        use_plugins(self.plugins)
        yield from data or ()
        if rank == 0 and not is_complete(self.config, self.staging.out):
            manifest = assemble(self.config, plan_scenes(self.config), self.staging)
            rows = sum(split["rows"] for split in manifest["statistics"]["splits"].values())
            self.stat_update("rows", value=rows)
