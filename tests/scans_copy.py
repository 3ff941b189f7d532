"""One room as three data sets hand it out, in the folders in which they do, and a build of it: what recipes are of."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.convert_scan import convert_scan
from tests import scan_exports as exports
from tests.scan_exports import SCENE_ID, VIDEO, write_arkitscenes, write_phone, write_scannetpp
from tests.scannet_files import SCAN, write_scan

SCANS = {
    SCAN: ("scannet", f"scannet/scans/{SCAN}"),
    SCENE_ID: ("scannetpp", f"scannetpp/data/{SCENE_ID}"),
    VIDEO: ("arkitscenes", f"arkitscenes/3dod/Training/{VIDEO}"),
}
"""Scan -> data set, and its folder in a copy of all three."""


def write_copy(root: Path) -> Path:
    """Write the scans as their download scripts leave them; return the folder."""
    write_scan(exports.scannet_room(), root / SCANS[SCAN][1])
    write_phone(write_scannetpp(root / "scannetpp/data"))
    write_arkitscenes(root / "arkitscenes", "3dod")
    return root


def write_built(root: Path, copy: Path, scans: tuple[str, ...] = tuple(SCANS), **options: Any) -> Path:
    """Convert scans of a copy and build a data set of them in `root / "ocr-vsi-scans"`; return it."""
    for name in scans:
        source, folder = SCANS[name]
        every = 2 if source == "arkitscenes" else 1
        convert_scan(source, copy / folder, root / "recordings", every, labels={"table": "desk"})
    given = {"frames": 3, "width": 96, "height": 72, "questions_per_task": 2, "select": "queried", "max_objects": 1}
    config = BuildConfig(source="recorded", root=str(root / "recordings"), **{**given, **options})
    build_folder(config, root / "ocr-vsi-scans")
    return root / "ocr-vsi-scans"


def rows_and_videos(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file but the manifest, which names the source, and the key of the folder's place."""
    left_out = ("ocr_vsi.json", ".huggingface.yaml")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in left_out)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
