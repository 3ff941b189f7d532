"""What keeps a benchmark the same: a hash of its content, and which questions its debiased part leaves out."""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ocr_hf.data.assemble import METADATA
from ocr_hf.data.atomic import replacing
from ocr_hf.reference.debias import pruned_ids

SPLIT = "test"
RECORD = "ocr_vsi_test.json"
HASHED = ("id", "clip_id", "scene_name", "question_type", "question", "options", "ground_truth", "queried_objects")


def content_hash(folder: Path) -> str:
    """Return the SHA-256 of what a part asks about what: rows in order, and where the camera was, to a millimetre.

    Videos and footprints aren't in it: other builds of the codec or the ray caster give other bytes for the same room.
    """
    digest = hashlib.sha256()
    for item in _content(folder):
        digest.update(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


def _content(folder: Path) -> Iterator[list[Any]]:
    file = pq.ParquetFile(folder / SPLIT / METADATA["recipes"])
    clip = None
    for group in range(file.num_row_groups):
        for row in file.read_row_group(group, [*HASHED, "camera_to_world"]).to_pylist():
            if row["clip_id"] != clip:
                clip = row["clip_id"]
                yield [clip, np.rint(1000.0 * np.array(row["camera_to_world"])).astype(int).tolist()]
            yield [row[name] for name in HASHED]


def describe(folder: Path) -> dict[str, Any]:
    """Return hash and counts of a part."""
    table = pq.read_table(folder / SPLIT / METADATA["recipes"], columns=["clip_id", "scene_name"])
    scenes, clips = (len(set(table[name].to_pylist())) for name in ("scene_name", "clip_id"))
    return {"sha256": content_hash(folder), "scenes": scenes, "clips": clips, "questions": len(table)}


def check_frozen(part: str, folder: Path, record: Mapping[str, Any]) -> None:
    """Raise ValueError where a part that was built isn't the frozen one."""
    found, wanted = describe(folder), record[part]
    different = [f"{name} {found[name]}, frozen {wanted[name]}" for name in found if found[name] != wanted[name]]
    if different:
        raise ValueError(
            f"{folder} is not the frozen part '{part}' of ocr-vsi-test ({'; '.join(different)}), so scores on it can't "
            "be compared; use the code, the libraries (constraints.txt) and the scene files that it was frozen with"
        )


def freeze(folders: Mapping[str, Path], path: Path, debiased: str = "rooms") -> dict[str, Any]:
    """Write the record of the parts in these folders and return it.

    debiased : the part whose easy questions are found; folds are by scene, so a part with one scene has none
    """
    record = {}
    for part, folder in folders.items():
        table = pq.read_table(folder / SPLIT / METADATA["recipes"], columns=list(HASHED))
        pruned = pruned_ids(table.to_pylist()) if part == debiased else []
        record[part] = {**describe(folder), "pruned": pruned}
    text = re.sub(r"\[[\d,\s]+\]", _wrapped, json.dumps(record, indent=1))
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return record


def _wrapped(numbers: re.Match[str]) -> str:
    return textwrap.fill(" ".join(numbers[0].split()), 100, subsequent_indent="   ")


def read_record() -> dict[str, Any]:
    """Return part -> {sha256, scenes, clips, questions, pruned: ids that the debiased part leaves out}."""
    return json.loads(files("ocr_hf.reference").joinpath(RECORD).read_text(encoding="utf-8"))
