"""Loading an ocr-vsi data set, with its format checked, and its rows as clips.

Plain `datasets.load_dataset(folder_or_id)` works as well; this adds the version check, a cache that knows when a folder
was copied, moved or edited, and one object per video.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ocr_hf.data.place import folder_key
from ocr_hf.data.schema import (
    CONFIGS,
    MANIFEST,
    METADATA,
    FormatError,
    check_version,
    features,
    has_altered,
    holds_recipes,
    read_manifest,
    splits_of,
    stored_features,
)
from ocr_hf.data.video import VideoSource, read_frames
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import check_intrinsics, check_poses
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.perturb.rows import boxes_of, footprints_of

FETCH_BYTES = 1 << 20
"""Metadata that a streaming reader asks for at once; by default it is 32 MiB, nearly always the whole file."""


def spread(count: int, limit: int | None) -> list[int]:
    """Return which of `count` rows are used where only `limit` may be: evenly over all, first and last included.

    Data sets are sorted by scene or by task, so that their first rows would be all alike.

    Raises:
        ValueError: The limit is below 1.
    """
    if limit is None or limit >= count:
        return list(range(count))
    if limit < 1:
        raise ValueError(f"limit is {limit}; give at least 1")
    return np.linspace(0, count - 1, limit).round().astype(int).tolist()


def load(
    source: str | os.PathLike,
    config: str = "pairs",
    *,
    split: str | None = None,
    streaming: bool = False,
    revision: str | None = None,
    scans: str | os.PathLike | None = None,
) -> Any:
    """Load an ocr-vsi data set as `load_dataset` does, with undecoded videos and the format checked.

    Videos stay {"path", "bytes"} dicts for `read_frames`, so no FFmpeg libraries are needed and workers can be forked.
    Recipes of scans are joined with the user's copy of the scans: once, in the cache of `datasets` (join_scans.py).

    Args:
        source: folder or Hub id.
        config: "pairs" (vanilla and noisy video), "recipes" (vanilla video and footprints) or "twins" (vanilla and
            edited video, in folders built with `twins`).
        split: one split; None = a dict of all.
        streaming: read rows one after another instead of all first.
        revision: branch, tag or commit of the Hub repository.
        scans: for recipes of scans: folder with the user's copy; None = what the environment's OCR_HF_SCANS names.

    Returns:
        What `datasets.load_dataset` returns: a Dataset, or a DatasetDict without `split`; iterable ones when streaming.

    Raises:
        FormatError: the data set has a newer format, or none.
        ValueError: there is no such config or split, or no scans are named for recipes.
    """
    if config not in CONFIGS:
        raise ValueError(f"ocr-vsi has no config '{config}'; it has {', '.join(CONFIGS)}")
    source = os.fspath(source)
    if holds_recipes(source):
        return load(_joined(source, None, scans), config, split=split, streaming=streaming)
    options: dict[str, Any] = {}
    if os.path.isdir(source):
        manifest = read_manifest(source)
        revision = None
        # `datasets` names its cache after the folder's name and card; a description of one's own makes another name.
        options["description"] = folder_key(source)
    elif os.path.isabs(source) or source.startswith(".") or source.count("/") != 1:
        raise FormatError(f"{source}: no such folder, and no ORG/NAME of the Hub; build one with `ocr-hf build`")
    else:
        # The branch is resolved to a commit here, so manifest, metadata and videos are of one commit.
        found = _hub_manifest(source, revision)
        if found is None:
            return load(_joined(source, revision, scans), config, split=split, streaming=streaming)
        manifest, revision = found
        check_version(manifest, f"{source}@{revision}")
    if config == "twins" and not splits_of(manifest, config):
        raise ValueError(f"{source} has no config '{config}': it was built without; use `ocr-hf build --twins 2`")
    if streaming and not os.path.isdir(source):
        return _stream(source, revision, config, splits_of(manifest, config), split, has_altered(manifest))
    loaded = datasets.load_dataset(source, config, split=split, streaming=streaming, revision=revision, **options)
    if isinstance(loaded, dict):
        return type(loaded)({name: _undecoded(rows) for name, rows in loaded.items()})
    return _undecoded(loaded)


def _joined(source: str, revision: str | None, scans: str | os.PathLike | None) -> Path:
    """Return the folder that recipes of scans make of the user's copy."""
    # Here, because it brings all that a build needs
    from ocr_hf.data.join_scans import find_recipes, joined

    try:
        recipes = find_recipes(source, revision)
    except FormatError as error:
        raise FormatError(f"{source} holds no {MANIFEST}; it is not an ocr-vsi data set") from error
    return joined(recipes, source, scans)


def _undecoded(rows: Any) -> Any:
    if isinstance(rows, datasets.IterableDataset):  # a cast would come after decoding, which reads 64 rows' videos
        return rows.decode(False)
    for column in rows.column_names:
        kind = _stored(rows.features[column])
        if kind != rows.features[column]:
            rows = rows.cast_column(column, kind)
    return rows


def _stored(kind: Any) -> Any:
    """Return the feature that leaves videos as they are, or the feature itself where it holds none."""
    if isinstance(kind, datasets.Video):
        return datasets.Video(decode=False)
    if isinstance(kind, datasets.List) and isinstance(kind.feature, datasets.Video):
        return datasets.List(datasets.Video(decode=False))
    return kind


def _hub_manifest(repo: str, revision: str | None) -> tuple[dict[str, Any], str] | None:
    """Return (manifest, commit), so that what follows reads the same commit; None where there is no manifest."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        path = hf_hub_download(repo, MANIFEST, repo_type="dataset", revision=revision)
    except EntryNotFoundError:
        return None
    # The Hub's cache keeps the file in snapshots/COMMIT.
    return json.loads(Path(path).read_text(encoding="utf-8")), Path(path).parent.name


def _stream(repo: str, commit: str, config: str, splits: Iterable[str], split: str | None, altered: bool) -> Any:
    """Stream rows off the Hub, fetching metadata a few row groups at a time and no video before it is read.

    `load_dataset` fetches the whole metadata file twice and the videos of 64 rows before it gives the first.
    """
    if split is not None and split not in splits:
        raise ValueError(f"{repo} has no split '{split}'; it has {', '.join(splits)}")
    wanted = list(splits) if split is None else [split]
    found = {name: _stream_split(f"hf://datasets/{repo}@{commit}/{name}", name, config, altered) for name in wanted}
    return datasets.IterableDatasetDict(found) if split is None else found[split]


def _stream_split(folder: str, split: str, config: str, altered: bool = False) -> datasets.IterableDataset:
    import pyarrow
    import pyarrow.dataset

    cache = pyarrow.CacheOptions(prefetch_limit=1, range_size_limit=FETCH_BYTES)
    metadata = f"{folder}/{METADATA[config]}"
    rows = datasets.load_dataset(
        "parquet",
        data_files={split: metadata},
        split=split,
        streaming=True,
        features=stored_features(config, altered),
        fragment_scan_options=pyarrow.dataset.ParquetFragmentScanOptions(cache_options=cache),
    )
    undecoded = {name: _stored(kind) for name, kind in features(config, altered).items()}
    files = [name for name in stored_features(config, altered) if name.endswith(("_file_name", "_file_names"))]
    return rows.map(
        _with_videos,
        fn_kwargs={"folder": metadata.rpartition("/")[0], "files": files},
        remove_columns=files,
        features=datasets.Features(undecoded),
    )


def _with_videos(row: Mapping[str, Any], folder: str, files: list[str]) -> dict[str, Any]:
    def video(name: str) -> dict[str, Any]:
        return {"path": f"{folder}/{name}", "bytes": None}

    return {
        column.rpartition("_file_name")[0]: [video(name) for name in row[column]]
        if column.endswith("s")
        else video(row[column])
        for column in files
    }


@dataclass(frozen=True, eq=False)
class StoredClip:
    """A video of the data set, with everything known of it, and its questions.

    labels, boxes : by object id; camera_to_world : (T, 4, 4); intrinsics : (3, 3) pixels
    vanilla, noisy : what `read_frames` takes; noisy is None in config `recipes`
    noisy_objects : ids perturbed in `noisy`
    rows : its questions; where objects were selected by question, `noisy` is the first row's
    """

    id: str
    scene_name: str
    fps: float
    labels: Mapping[int, str]
    boxes: Mapping[int, OrientedBox]
    camera_to_world: np.ndarray
    intrinsics: np.ndarray
    footprints: Footprints
    vanilla: VideoSource
    noisy: VideoSource | None
    noisy_objects: tuple[int, ...]
    rows: tuple[Mapping[str, Any], ...]

    def frames(self, indices: Iterable[int] | None = None, noisy: bool = False) -> np.ndarray:
        """Return (N, H, W, 3) uint8 frames, all by default."""
        source = self.noisy if noisy else self.vanilla
        if source is None:
            raise ValueError(f"clip {self.id} has no noisy video; load config 'pairs'")
        return read_frames(source, None if indices is None else list(indices))[0]


def clips(rows: Iterable[Mapping[str, Any]]) -> Iterator[StoredClip]:
    """Group rows into clips, in the data set's order, where a clip's rows follow each other.

    Args:
        rows: rows of ocr-vsi.

    Yields:
        One clip after another; the rows of one are in memory at a time.
    """
    waiting: list[Mapping[str, Any]] = []
    for row in rows:
        if waiting and row["clip_id"] != waiting[0]["clip_id"]:
            yield _clip(waiting)
            waiting = []
        waiting.append(row)
    if waiting:
        yield _clip(waiting)


def scenes(folder: str | os.PathLike) -> dict[str, dict[str, Any]]:
    """Return scene name -> its line of scenes.jsonl: rooms, floor area, licence, attribution, clips."""
    lines = (Path(folder) / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    return {item["scene_name"]: item for item in map(json.loads, lines)}


def _clip(rows: list[Mapping[str, Any]]) -> StoredClip:
    row = rows[0]
    return StoredClip(
        id=row["clip_id"],
        scene_name=row["scene_name"],
        fps=row["fps"],
        labels={item["id"]: item["label"] for item in row["objects"]},
        boxes=boxes_of(row),
        camera_to_world=check_poses(np.array(row["camera_to_world"])),
        intrinsics=check_intrinsics(np.array(row["intrinsics"])),
        footprints=footprints_of(row),
        vanilla=row["vanilla"],
        noisy=row.get("noisy"),
        noisy_objects=tuple(row.get("noisy_objects") or ()),
        rows=tuple(rows),
    )
