"""A build in progress: `OUT.incomplete`, where every finished clip leaves a marker, so that it can be resumed.

A clip's files are written atomically, its marker last; a killed build loses the clips in progress and nothing else.
No coordinator is needed: any number of processes, on any number of machines, may finish clips in it (`scale.py`). One
`build_folder` at a time holds the folder's lock (`build_lock.py`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import ocr_hf
from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import ClipPlan, ScenePlan
from ocr_hf.data.place import record_place
from ocr_hf.data.schema import FORMAT_VERSION, MANIFEST, part_schema, read_manifest, stored_schema

PARTS = ".parts"
IDENTITY = "build.json"
CHOSEN_AT_THE_END = ("debias",)
"""Options that finished clips don't depend on: a build that is continued may change them until it is assembled."""


class FolderExistsError(ValueError):
    """The output folder holds something already."""


@dataclass(frozen=True)
class Staging:
    """The folder of a build in progress."""

    out: Path

    @property
    def root(self) -> Path:
        """Where files are until the build is complete."""
        return self.out.with_name(self.out.name + ".incomplete")

    @property
    def parts(self) -> Path:
        """Rows and markers of finished clips."""
        return self.root / PARTS

    @property
    def is_assembled(self) -> bool:
        """True if only the folder's name is not final yet."""
        return (self.root / MANIFEST).is_file()

    def written_bytes(self) -> int:
        """Size of all that finished clips have left so far."""
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())

    def is_done(self, clip: ClipPlan) -> bool:
        """True if the clip was finished (or skipped for a reason)."""
        return self._marker(clip).is_file()

    def finish(self, clip: ClipPlan, rows: Mapping[str, list[dict[str, Any]]], record: Mapping[str, Any]) -> None:
        """Store a clip's rows, by config, and mark it as finished; its videos must be written already.

        Rows of `pairs` have the columns of `recipes`, too.
        """
        for config, items in rows.items():
            if items:
                schema = part_schema("altered_file_names" in items[0]) if config == "pairs" else stored_schema(config)
                with replacing(self._part(clip, config)) as temporary:
                    pq.write_table(pa.Table.from_pylist(items, schema=schema), temporary, compression="zstd")
        # The marker comes last: a clip counts as done only when its videos and rows are in place under their final
        # names.
        counts = {"rows": len(rows.get("pairs", ()))} | ({"twins": len(rows["twins"])} if rows.get("twins") else {})
        write_json(self._marker(clip), {**record, "id": clip.id, **counts})

    def record(self, clip: ClipPlan) -> dict[str, Any]:
        """Return the record that `finish` stored of a clip."""
        return json.loads(self._marker(clip).read_text(encoding="utf-8"))

    def rows(self, clip: ClipPlan, columns: list[str] | None = None, config: str = "pairs") -> pa.Table:
        """Return the rows of a finished clip that has some, with all columns or with these."""
        # partitioning=None: a folder named like `seed=7` in the path would become a column.
        return pq.read_table(self._part(clip, config), columns=columns, partitioning=None)

    def unfinished(self, scenes: tuple[ScenePlan, ...]) -> list[ClipPlan]:
        """Return the clips still to be made."""
        return [clip for scene in scenes for clip in scene.clips if not self.is_done(clip)]

    def _part(self, clip: ClipPlan, config: str) -> Path:
        return self.parts / f"{clip.id}{'' if config == 'pairs' else f'.{config}'}.parquet"

    def _marker(self, clip: ClipPlan) -> Path:
        return self.parts / f"{clip.id}.json"


def identity(config: BuildConfig) -> dict[str, Any]:
    """Return what must be equal for a build to be continued."""
    generator = config.scene_source.version
    return {
        "format_version": FORMAT_VERSION,
        "ocr_hf": ocr_hf.__version__,
        **({} if generator is None else {"generator_version": generator}),
        "config": config.public(),
        "inputs": config.inputs(),
    }


def is_complete(config: BuildConfig, out: Path) -> bool:
    """True if `out` holds exactly this data set; raise FolderExistsError if it holds anything else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / MANIFEST).is_file():
        raise FolderExistsError(f"{out} exists and is not an ocr-vsi data set; choose another --out")
    _compare(read_manifest(out), identity(config), out)
    return True


def finished(config: BuildConfig, out: Path) -> dict[str, Any] | None:
    """Return the manifest of `out` if it holds exactly this data set, None if nothing is there; see `is_complete`."""
    if not is_complete(config, out):
        return None
    with suppress(OSError):  # a finished folder on a read-only disk is none the worse
        record_place(out)
    return read_manifest(out)


def open_staging(config: BuildConfig, out: Path, *, resume: bool = False, overwrite: bool = False) -> Staging:
    """Return the staging folder for a build into `out`, new or resumed.

    resume : continue an interrupted build of the same config
    overwrite : throw away what an earlier build left at `out`
    Raises FolderExistsError where something is there and neither is given, or where a build of another config is.
    """
    staging = Staging(out)
    wanted = identity(config)
    if overwrite:
        _discard(staging)
    if out.exists() and not out.is_dir():
        raise FolderExistsError(f"{out} is a file; choose another --out")
    if not resume and out.exists() and any(out.iterdir()):
        raise FolderExistsError(f"{out} exists; add --resume to keep what is there, --overwrite to build it anew")
    # The second while clips are made; the first is written last, and says what was assembled.
    begun = next((file for name in (MANIFEST, IDENTITY) if (file := staging.root / name).is_file()), None)
    if begun is not None:
        if not resume:
            raise FolderExistsError(
                f"{staging.root} holds an unfinished build; add --resume to continue it, --overwrite to start anew"
            )
        found = json.loads(begun.read_text(encoding="utf-8"))
        _compare(found, wanted, staging.root, free=() if staging.is_assembled else CHOSEN_AT_THE_END)
        if not staging.is_assembled and found != wanted:
            write_json(staging.root / IDENTITY, wanted)
    # Hidden leftovers (an empty .parts, the temporary file of a start that was killed) are no reason to refuse.
    elif staging.root.exists() and any(not item.name.startswith(".") for item in staging.root.iterdir()):
        raise FolderExistsError(f"{staging.root} exists and is not an unfinished build; move it away")
    else:
        staging.parts.mkdir(parents=True, exist_ok=True)
        write_json(staging.root / IDENTITY, wanted)
    return staging


def _compare(found: Mapping[str, Any], wanted: Mapping[str, Any], where: Path, free: tuple[str, ...] = ()) -> None:
    """Raise FolderExistsError where two identities differ, other than in the options `free`."""
    # Another version of the package may render other bytes: half a build of each would be neither.
    for name in ("format_version", "ocr_hf", "generator_version", "inputs"):
        if found.get(name) != wanted.get(name):
            raise FolderExistsError(
                f"{where} was begun with {name} {found.get(name)}, this build has {wanted.get(name)}; "
                "choose another --out, or --overwrite"
            )
    before, now = found.get("config", {}), wanted["config"]
    # Both ways round: an option that is at its default may be left out of either
    names = [*now, *(name for name in before if name not in now)]
    other = [name for name in names if before.get(name) != now.get(name) and name not in free]
    if other:
        what = ", ".join(f"{name} {before.get(name)!r} (now {now.get(name)!r})" for name in other)
        raise FolderExistsError(f"{where} was begun with {what}; use the same options, another --out, or --overwrite")


def _discard(staging: Staging) -> None:
    """Remove an earlier build, but never a folder that this package didn't write."""
    for folder in (staging.out, staging.root):
        if folder.is_dir() and any(folder.iterdir()):
            # --overwrite deletes a folder, so it must be one of ours: a mistyped --out would cost the user's own files.
            if not any((folder / name).is_file() for name in (MANIFEST, IDENTITY)):
                raise FolderExistsError(
                    f"{folder} isn't removed: it has no {MANIFEST}, so `ocr-hf build` didn't write it; choose another"
                )
            shutil.rmtree(folder)
