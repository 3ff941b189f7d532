"""Scans as data sets hand them out, written as folders of recorded scenes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_hf.data.recorded_scene import RecordedScene
from ocr_hf.questions.exclude import arkitscenes_visits, why_excluded
from ocr_hf.registry import unknown_choice
from ocr_hf.scenes.label_table import LabelTable, read_labels
from ocr_hf.scenes.recorded.arkitscenes import arkitscenes_name, find_metadata, read_arkitscenes
from ocr_hf.scenes.recorded.scan import Scan
from ocr_hf.scenes.recorded.scannet import read_scannet, scan_name
from ocr_hf.scenes.recorded.scannetpp import read_scannetpp, scannetpp_name
from ocr_hf.scenes.recorded.scenezoo_scan import read_scenezoo


@dataclass(frozen=True)
class Converted:
    """A folder that was written.

    frames : how many it has; lost : how many of them lost tracking; notes : what the user should know of it
    """

    folder: Path
    frames: int
    lost: int
    objects: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ScanOptions:
    """What the user says of a scan.

    labels : table (JSON, YAML, CSV, TSV) that maps the scan's labels to categories
    camera : which of the data set's cameras; None for its first
    metadata : ARKitScenes' metadata.csv; None for that above the scan's folder
    dataset, scan : of scenezoo, whose folder is that of a whole data set
    """

    labels: LabelTable | None = None
    camera: str | None = None
    metadata: str | Path | None = None
    dataset: str | None = None
    scan: str | None = None


@dataclass(frozen=True)
class ScanSource:
    """A data set: what reads one of its scans and refuses those that VSI-Bench tests on, and how it is told of.

    read : (folder, options) -> the scan
    options : fields of `ScanOptions` that it takes besides `labels`
    attribution : whom the card names; licence : what it says
    """

    read: Callable[[Path, ScanOptions], Scan]
    options: tuple[str, ...]
    attribution: str
    licence: str = "other"


def convert_scan(
    source: str,
    folder: str | os.PathLike,
    out: str | os.PathLike,
    every: int = 1,
    labels: LabelTable | None = None,
    camera: str | None = None,
    metadata: str | Path | None = None,
    dataset: str | None = None,
    scan: str | None = None,
) -> Converted:
    """Write a scan as the folder of a recorded scene, one frame in memory at a time.

    Args:
        source: "scannet", "scannetpp" or "arkitscenes"; or "scenezoo" for what that package reads.
        folder: the scan's, as it was downloaded; of scenezoo the data set's.
        out: folder in which the scene's is made.
        every: of how many frames one is taken.
        labels: table (JSON, YAML, CSV, TSV; or a dict) that maps the scan's labels to categories.
        camera: "iphone" or "dslr" of scannetpp, "lowres_wide", "vga_wide" or "wide" of arkitscenes; None for the first
            that is there.
        metadata: ARKitScenes' raw/metadata.csv, which tells the videos of one place; None for that in a folder above.
        dataset: scenezoo's name of the data set, such as "matterport3d".
        scan: the scan's name in it.

    Returns:
        What was written.

    Raises:
        ValueError: in one sentence: a file is missing or damaged, files contradict each other, or VSI-Bench tests on
            the room.
        FileExistsError: the folder is there.
    """
    if source not in SOURCES:
        raise ValueError(unknown_choice("from", source, SOURCES))
    if every < 1:
        raise ValueError(f"every is {every}; give 1 for all frames, 10 for each tenth")
    given = ScanOptions(labels, camera, metadata, dataset, scan)
    for name in ("camera", "metadata", "dataset", "scan"):
        if getattr(given, name) is not None and name not in SOURCES[source].options:
            raise ValueError(f"{name} is {getattr(given, name)}, which scans of {source} don't take; leave it out")
    found = SOURCES[source].read(Path(folder), given)
    chosen = np.arange(len(found.poses))[::every]
    poses = found.poses[chosen]
    written = RecordedScene(
        name=found.name,
        frames=found.pictures(chosen),
        poses=poses,
        intrinsics=found.intrinsics[chosen] if found.intrinsics.ndim == 3 else found.intrinsics,
        times_s=found.times_s[chosen],
        objects=found.objects,
        depth=None if found.depth is None else found.depth(chosen),
        instances=None if found.instances is None else found.instances(chosen),
        structure_ids=found.structure_ids,
        pixel_centres=found.pixel_centres,
        depth_unit=found.depth_unit_m,
        dataset=source if dataset is None else dataset,
        scan=found.name,
        licence=SOURCES[source].licence,
        attribution=(SOURCES[source].attribution,),
        converted={
            "from": source,
            "every": every,
            "camera": found.camera,
            "dataset": dataset,
            "labels": None if labels is None else read_labels(labels)[1],
        },
    ).write(out)
    lost = int((~np.isfinite(poses).all(axis=(1, 2))).sum())
    return Converted(written, len(chosen), lost, len(found.objects), found.notes)


def refuse_tested(scan: str | Path, visits: Mapping[str, str] | None = None) -> None:
    """Raise ValueError for a scan that VSI-Bench tests on, or that shows the same room."""
    reason = why_excluded(scan, visits)
    if reason:
        raise ValueError(f"not for training: {reason}; convert another scan")


def _scannet(folder: Path, given: ScanOptions) -> Scan:
    # Before anything large is read
    refuse_tested(scan_name(folder))
    found = read_scannet(folder, given.labels)
    return Scan(
        name=found.name,
        objects=found.objects,
        structure_ids=found.structure_ids,
        poses=found.poses,
        times_s=found.times_s,
        intrinsics=found.intrinsics,
        pixel_centres="integer",
        pictures=lambda indices: map(found.frames.color, indices),
        depth=(lambda indices: map(found.depth, indices)) if found.frames.has_depth else None,
        instances=found.maps,
        depth_unit_m=found.frames.depth_unit_m,
        notes=found.notes,
    )


def _scannetpp(folder: Path, given: ScanOptions) -> Scan:
    refuse_tested(scannetpp_name(folder))
    return read_scannetpp(folder, given.labels, given.camera)


def _arkitscenes(folder: Path, given: ScanOptions) -> Scan:
    name = arkitscenes_name(folder)
    refuse_tested(name)
    path = Path(given.metadata) if given.metadata else find_metadata(folder)
    if path is None:
        raise ValueError(
            f"there is no metadata.csv above {folder.name}; give ARKitScenes' raw/metadata.csv with --metadata, which "
            "tells whether VSI-Bench tests on another video of the place"
        )
    visits, sky = _told_of_videos(path)
    if name not in visits:
        raise ValueError(f"{path.name} has no visit_id of {name}; give the metadata.csv that lists the video")
    refuse_tested(name, visits)
    return read_arkitscenes(folder, given.labels, given.camera, sky.get(name))


def _scenezoo(folder: Path, given: ScanOptions) -> Scan:
    for name, value in (("dataset", given.dataset), ("scan", given.scan)):
        if value is None:
            raise ValueError(f"scenezoo needs {name}; give it with --{name}")
    # Another data set's visits aren't known here: videos of ARKitScenes have a reader of their own that does
    if given.dataset == "arkitscenes":
        raise ValueError("scans of arkitscenes are read with --from arkitscenes, which tells the videos of one place")
    refuse_tested(given.scan)
    return read_scenezoo(folder, given.dataset, given.scan, given.labels, given.camera)


def _told_of_videos(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return video -> visit, and video -> where the sky is, of ARKitScenes' metadata.csv."""
    import pandas as pd

    try:
        visits = arkitscenes_visits(path)
        table = pd.read_csv(path, dtype=str)
    # pandas raises its own kinds, which are ValueErrors, for files that are no table
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).replace(str(path), path.name).split())
        raise ValueError(f"{path.name} is no table of videos ({reason}); give ARKitScenes' raw/metadata.csv") from error
    if "sky_direction" not in table.columns:
        return visits, {}
    known = table.dropna(subset=["video_id", "sky_direction"])
    return visits, dict(zip(known["video_id"], known["sky_direction"], strict=True))


SOURCES: Mapping[str, ScanSource] = {
    "scannet": ScanSource(_scannet, (), "ScanNet (Dai et al., CVPR 2017), under the ScanNet Terms of Use"),
    "scannetpp": ScanSource(
        _scannetpp, ("camera",), "ScanNet++ (Yeshwanth et al., ICCV 2023), under the ScanNet++ Terms of Use"
    ),
    "arkitscenes": ScanSource(
        _arkitscenes,
        ("camera", "metadata"),
        "ARKitScenes (Baruch et al., NeurIPS 2021), Apple Inc.",
        "cc-by-nc-sa-4.0",
    ),
    "scenezoo": ScanSource(_scenezoo, ("camera", "dataset", "scan"), "the data set's authors, under its terms"),
}
"""Data set -> what writes one of its scans."""
