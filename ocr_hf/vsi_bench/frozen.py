"""Benchmarks of our own, frozen by seeds and by a hash of their questions; `ocr-hf benchmark` builds and checks them.

A part is an ocr-vsi folder with the one split `test`. What is frozen stands in a record beside the module that defines
the benchmark: the hash of each part, and the questions that a debiased part leaves out.
"""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.load import scenes
from ocr_hf.data.own_sources import INSTALLED_MODELS
from ocr_hf.data.schema import METADATA
from ocr_hf.vsi_bench.debias import pruned_ids
from ocr_hf.vsi_bench.ocr_vsi_layout import PRUNED

SPLIT = "test"
HOUSE_FILES = ("house.glb", "instances.json")


@dataclass(frozen=True)
class FrozenBenchmark:
    """A benchmark whose parts are built from seeds and checked against a record.

    Args:
        name: What it is called.
        version: Raised when the same seeds give other questions; scores on different versions can't be compared.
        record: File beside this module that freezes it.
        config: Config of ocr-vsi whose rows are asked.
        hashed: Columns that the hash covers; the camera is hashed beside them, to a millimetre.
        rows: What the record calls the number of rows.
        debiased: Parts whose easy questions are found; folds are by scene, so a part with one scene has none.
    """

    name: str
    version: int
    record: str
    config: str
    hashed: tuple[str, ...]
    rows: str
    debiased: tuple[str, ...] = ()

    def build(
        self,
        out: Path,
        configs: Mapping[str, BuildConfig],
        record: Mapping[str, Any] | None,
        *,
        training: Sequence[Path] = (),
        num_proc: int = 1,
        on_clip: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> dict[str, Path]:
        """Build what is missing of the parts, check them, and return part -> folder.

        Args:
            out: Folder for the parts.
            configs: Part -> what to build.
            record: What is frozen (`read_record`); None builds without a check, to freeze what comes out.
            training: Folders of training data, none of whose scenes may be here.
            num_proc: Worker processes.
            on_clip: Called with each clip's record.

        Raises:
            ValueError: A part isn't the frozen one, or a scene is among the training data.
        """
        folders = {}
        for name, config in configs.items():
            folder = folders[name] = out / name
            build_folder(config, folder, num_proc=num_proc, resume=True, on_clip=on_clip)
            for other in training:
                check_unseen(folder, other)
            if record is not None:
                self.check(name, folder, record)
                self.mark_pruned(folder, record[name])
        return folders

    def content_hash(self, folder: Path) -> str:
        """Return the SHA-256 of what a part asks about what: rows in order, and where the camera was.

        Videos and footprints aren't in it: other builds of the codec or the ray caster give other bytes for the same
        room.
        """
        digest = hashlib.sha256()
        for item in self._content(folder):
            digest.update(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        return digest.hexdigest()

    def _content(self, folder: Path) -> Iterator[list[Any]]:
        file = pq.ParquetFile(self._metadata(folder))
        clip = None
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group, [*self.hashed, "camera_to_world"]).to_pylist():
                # Poses stand in every row of a clip; they are hashed once, rounded, because their last bits differ
                # between processors
                if row["clip_id"] != clip:
                    clip = row["clip_id"]
                    yield [clip, np.rint(1000.0 * np.array(row["camera_to_world"])).astype(int).tolist()]
                yield [row[name] for name in self.hashed]

    def describe(self, folder: Path) -> dict[str, Any]:
        """Return hash and counts of a part."""
        table = pq.read_table(self._metadata(folder), columns=["clip_id", "scene_name"])
        scenes, clips = (len(set(table[name].to_pylist())) for name in ("scene_name", "clip_id"))
        return {"sha256": self.content_hash(folder), "scenes": scenes, "clips": clips, self.rows: len(table)}

    def check(self, part: str, folder: Path, record: Mapping[str, Any]) -> None:
        """Raise ValueError where a part that was built isn't the frozen one."""
        found, wanted = self.describe(folder), record[part]
        different = [f"{name} {found[name]}, frozen {wanted[name]}" for name in found if found[name] != wanted[name]]
        if different:
            raise ValueError(
                f"{folder} is not the frozen part '{part}' of {self.name}, version {self.version} "
                f"({'; '.join(different)}), so scores on it can't be compared; use the code, the libraries "
                "(constraints.txt) and the scene files that it was frozen with"
            )

    def freeze(self, folders: Mapping[str, Path], path: Path) -> dict[str, Any]:
        """Write the record of the parts in these folders and return it."""
        record: dict[str, Any] = {}
        for part, folder in folders.items():
            record[part] = self.describe(folder)
            if self.debiased:
                table = pq.read_table(self._metadata(folder), columns=list(self.hashed))
                record[part]["pruned"] = pruned_ids(table.to_pylist()) if part in self.debiased else []
        # With an indent json puts every id on a line of its own
        text = re.sub(r"\[[\d,\s]+\]", _wrapped, json.dumps({"version": self.version, **record}, indent=1))
        with replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        return record

    def mark_pruned(self, folder: Path, entry: Mapping[str, Any]) -> None:
        """Write beside a part which questions its debiased part leaves out; `ocr-hf eval --split debiased` reads it."""
        if self.debiased:
            write_json(folder / PRUNED, {"pruned": entry["pruned"]})

    def read_record(self) -> dict[str, Any]:
        """Return part -> {sha256, scenes, clips, number of rows, pruned: ids that the debiased part leaves out}."""
        record = json.loads(files("ocr_hf.vsi_bench").joinpath(self.record).read_text(encoding="utf-8"))
        del record["version"]
        return record

    def _metadata(self, folder: Path) -> Path:
        return folder / SPLIT / METADATA[self.config]


def with_house(config: BuildConfig, house: Path, clips: int) -> BuildConfig:
    """Return what builds the part `house`, a modelled apartment, with a config's other settings.

    Raises FileNotFoundError where one of HOUSE_FILES isn't in the folder.
    """
    for name in HOUSE_FILES:
        if not (house / name).is_file():
            raise FileNotFoundError(f"{house} holds no {name}; --house takes a folder with {' and '.join(HOUSE_FILES)}")
    scene, instances = (str(house / name) for name in HOUSE_FILES)
    return replace(
        config,
        source="mesh",
        rooms=None,
        clips_per_scene=clips,
        path=(scene,),
        instances=(instances,),
        licence="mit-0",
        attribution=("aws-robotics/aws-robomaker-small-house-world",),
    )


def has_models(models: Path | None) -> bool:
    """Return whether there are furniture models: a folder that was given, or the installed ones."""
    return models is not None or INSTALLED_MODELS.is_dir()


def check_unseen(folder: Path, training: Path) -> None:
    """Raise ValueError if a scene of a benchmark part is also among the training data."""
    both = sorted(set(scenes(folder)) & set(scenes(training)))
    if both:
        raise ValueError(f"{len(both)} scenes of {folder} are in {training} too, as {both[0]}; train on other seeds")


def _wrapped(numbers: re.Match[str]) -> str:
    return textwrap.fill(" ".join(numbers[0].split()), 100, subsequent_indent="   ")
