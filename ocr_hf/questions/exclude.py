"""The scans that must stay out of training data because VSI-Bench tests on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

_SCANNET = re.compile(r"scene(\d{4})_\d{2}")


@cache
def vsi_bench_scenes() -> Mapping[str, str]:
    """Return the test set's 288 scans: scene name -> data set (arkitscenes, scannet, scannetpp)."""
    text = files("ocr_hf.questions").joinpath("vsi_bench_scenes.txt").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {name: dataset for dataset, name in lines}


def why_excluded(scan: str | Path, visits: Mapping[str, str] | None = None) -> str | None:
    """Return why a scan may not be trained on, None if it may.

    scan : its name, or a path in which a folder or file is named after it ("scans/scene0251_00/scene0251_00.sens")
    visits : for ARKitScenes, video id -> visit id (see arkitscenes_visits): videos of one visit show one place

    Excluded are the 288 scans themselves and every other scan of the same room: ScanNet's sceneNNNN_* share NNNN,
    ARKitScenes' videos a visit.
    """
    # Every part of a path: a scan is recognised by its folder even if the mesh in it is called mesh.glb.
    for part in Path(scan).parts:
        scannet = _SCANNET.match(part)
        # Other data sets' names have neither dot nor underscore: what follows one is a suffix (41069021_3dod_mesh.ply).
        name = scannet.group() if scannet else re.split(r"[._]", part, maxsplit=1)[0]
        if name in vsi_bench_scenes():
            return f"{name} is a scene of VSI-Bench's test set"
        if scannet and scannet.group(1) in _scannet_rooms():
            return f"{name} shows the same room as a scene of VSI-Bench's test set"
        if visits is not None and name in visits and visits[name] in _tested_visits(visits):
            return f"{name} shows the same place as a scene of VSI-Bench's test set"
    return None


def arkitscenes_visits(metadata_csv: Path) -> dict[str, str]:
    """Return video id -> visit id from ARKitScenes' raw/metadata.csv; raise ValueError if it isn't that file."""
    import pandas as pd

    table = pd.read_csv(metadata_csv, dtype=str)
    if not {"video_id", "visit_id"} <= set(table.columns):
        raise ValueError(f"{metadata_csv} has no columns video_id and visit_id; give ARKitScenes' raw/metadata.csv")
    known = table.dropna(subset=["video_id", "visit_id"])
    return dict(zip(known["video_id"], known["visit_id"], strict=True))


@cache
def _scannet_rooms() -> frozenset[str]:
    return frozenset(found.group(1) for name in vsi_bench_scenes() if (found := _SCANNET.fullmatch(name)))


def _tested_visits(visits: Mapping[str, str]) -> set[str]:
    return {visits[name] for name in vsi_bench_scenes() if name in visits}
