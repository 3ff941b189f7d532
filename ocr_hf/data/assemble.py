"""From finished clips to the data set folder: metadata files, card, manifest, and the folder's final name.

    ocr-vsi/README.md                      card; its YAML tells `load_dataset` about configs and files
    ocr-vsi/ocr_vsi.json                   manifest: format version, config, statistics; written last
    ocr-vsi/scenes.jsonl                   rooms, licence and attribution of each scene
    ocr-vsi/train/metadata.parquet         rows of config `pairs`
    ocr-vsi/train/vanilla/metadata.parquet rows of config `recipes`
    ocr-vsi/train/vanilla/CLIP.mp4         stored once however many questions it has
    ocr-vsi/train/vanilla/altered/K/CLIP.mp4  copy K of those that `variants` asked for
    ocr-vsi/train/noisy/CLIP.mp4
    ocr-vsi/.huggingface.yaml              which folder this is, for caches (place.py); no part of the data set

This is VideoFolder with its own file names, so `load_dataset` needs no code of ours, locally or on the Hub.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ocr_hf.data.atomic import replacing, write_json
from ocr_hf.data.build_config import SPLITS, BuildConfig
from ocr_hf.data.build_plan import ClipPlan, ScenePlan
from ocr_hf.data.dataset_card import render_card
from ocr_hf.data.debias_rows import Debiased, debias
from ocr_hf.data.place import record_place
from ocr_hf.data.question_texts import audited_texts, question_texts
from ocr_hf.data.schema import MANIFEST, MAX_QUESTIONS, METADATA, stored_features
from ocr_hf.data.staging import Staging, identity
from ocr_hf.data.statistics import Statistics
from ocr_hf.text_only.audit_table import text_only_audit

ROW_GROUP = 100
"""Approximate rows of a row group: streaming the first row fetches one group. A clip's rows stay in one group, where
their equal columns compress to almost nothing."""
_ALTERED = "altered_file_names"
_FILES = ("vanilla_file_name", "noisy_file_name")
_TWIN_FILES = ("vanilla_file_name", "edited_file_name")
_LIBRARIES = ("av", "datasets", "numpy", "open3d", "pyarrow", "pycocotools")


class NothingBuilt(ValueError):
    """Every clip was skipped."""


def assemble(config: BuildConfig, scenes: tuple[ScenePlan, ...], staging: Staging) -> dict[str, Any]:
    """Turn a staging folder whose clips are all finished into the data set folder; return its manifest.

    Raises NothingBuilt, naming the reasons, where no clip has rows, TargetNotMet where `debias` would leave too few,
    and ValueError where clips are still missing.
    """
    if not staging.is_assembled:
        missing = staging.unfinished(scenes)
        if missing:
            raise ValueError(f"{len(missing)} clips aren't built, the first is {missing[0].id}; continue with --resume")
        _write_folder(config, scenes, staging)
    manifest = json.loads((staging.root / MANIFEST).read_text(encoding="utf-8"))
    # Order matters: the manifest is there, so a build killed from here on is only cleaned and renamed (is_assembled).
    # Videos of dropped rows go only now: before, the build may be continued with another `debias`, which needs them.
    shutil.rmtree(staging.parts, ignore_errors=True)
    _remove_strays(staging)
    os.replace(staging.root, staging.out)
    record_place(staging.out)
    return manifest


def _write_folder(config: BuildConfig, scenes: tuple[ScenePlan, ...], staging: Staging) -> None:
    thinned = None
    if config.debias is not None:
        thinned = debias(question_texts(staging, [clip for scene in scenes for clip in scene.clips]), config.debias)
    dropped = thinned.dropped if thinned else frozenset()
    gone = Counter(row_id // MAX_QUESTIONS for row_id in dropped)
    statistics = Statistics()
    described = {}
    left: dict[str, list[ClipPlan]] = {}
    for scene in scenes:
        for clip in scene.clips:
            record = staging.record(clip)
            rows = record["rows"] - gone[clip.index]
            statistics.add_clip(scene.split, record, rows)
            if rows:
                entry = described.setdefault(scene.name, {**record["scene"], "clips": []})
                entry["clips"].append(clip.id)
                if "recorded" in record:
                    entry.setdefault("recorded", {})[clip.id] = record["recorded"]
                left.setdefault(scene.split, []).append(clip)
    if not described:
        raise NothingBuilt(f"no clip could be built: {statistics.reasons()}; change the scenes or the camera")
    for split in SPLITS:
        if split in left:
            _write_split(config, staging, split, left[split], dropped, statistics)
            _write_twins(staging, split, left[split], statistics)
    with replacing(staging.root / "scenes.jsonl") as temporary:
        lines = [json.dumps(item, ensure_ascii=False) for item in described.values()]
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    manifest = {
        **identity(config),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "statistics": {
            **statistics.summary(list(described.values())),
            **_debiased(thinned, statistics),
            "text_only": text_only_audit(audited_texts(staging, scenes, dropped)),
        },
    }
    with replacing(staging.root / "README.md") as temporary:
        temporary.write_text(render_card(manifest), encoding="utf-8")
    write_json(staging.root / MANIFEST, manifest)


def _debiased(thinned: Debiased | None, statistics: Statistics) -> dict[str, Any]:
    """Return what the manifest says of dropped rows; nothing where nobody asked for it."""
    if thinned is None:
        return {}
    return {"debias": {"dropped_questions": thinned.by_type, "dropped_clips": statistics.dropped_clips}}


def _write_split(
    config: BuildConfig,
    staging: Staging,
    split: str,
    clips: list[ClipPlan],
    dropped: frozenset[int],
    statistics: Statistics,
) -> None:
    """Write the metadata files of a split, without the dropped rows."""
    folder = staging.root / split
    kept, altered = {folder / METADATA[name] for name in ("pairs", "recipes")}, set()
    schemas = {name: stored_features(name, bool(config.variants)).arrow_schema for name in ("pairs", "recipes")}
    with (
        replacing(folder / METADATA["pairs"]) as pairs,
        replacing(folder / METADATA["recipes"]) as recipes,
        pq.ParquetWriter(pairs, schemas["pairs"], compression="zstd") as pairs_writer,
        pq.ParquetWriter(recipes, schemas["recipes"], compression="zstd") as recipes_writer,
    ):
        for rows in _groups(staging, clips, dropped):
            # Workers write rows without datasets' metadata, since they don't import it; the cast adds it to the schema.
            table = rows.select(schemas["pairs"].names).cast(schemas["pairs"])
            pairs_writer.write_table(table, row_group_size=len(table))
            recipes_writer.write_table(_recipes(rows, schemas["recipes"]), row_group_size=len(table))
            statistics.add_rows(split, table)
            altered |= {folder / file for file in _altered(rows)}
            for name in _FILES:
                kept |= {folder / file for file in table[name].unique().to_pylist()}
    for name in ("pairs", "recipes"):
        files = [item for item in kept if item.is_relative_to(folder / "vanilla") or name == "pairs"]
        files += altered if name == "recipes" else ()
        statistics.add_bytes(split, name, sum(item.stat().st_size for item in files))


def _write_twins(staging: Staging, split: str, clips: list[ClipPlan], statistics: Statistics) -> None:
    """Write the metadata file of a split's twins, where there are some."""
    having = [clip for clip in clips if staging.record(clip).get("twins")]
    if not having:
        return
    folder = staging.root / split
    schema = stored_features("twins").arrow_schema
    kept = {folder / METADATA["twins"]}
    with (
        replacing(folder / METADATA["twins"]) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for clip in having:
            table = staging.rows(clip, config="twins").cast(schema)
            writer.write_table(table, row_group_size=len(table))
            statistics.add_twins(split, table)
            for name in _TWIN_FILES:
                kept |= {folder / file for file in table[name].unique().to_pylist()}
    statistics.add_bytes(split, "twins", sum(item.stat().st_size for item in kept))


def _groups(staging: Staging, clips: list[ClipPlan], dropped: frozenset[int]) -> Iterator[pa.Table]:
    """Yield the rows of the clips that aren't dropped, in order, some whole clips at a time."""
    waiting: list[pa.Table] = []
    for clip in clips:
        table = staging.rows(clip)
        waiting.append(table.filter([row_id not in dropped for row_id in table["id"].to_pylist()]))
        if sum(map(len, waiting)) >= ROW_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _recipes(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows without noise columns; names are relative to the metadata file, which lies in `vanilla`."""
    position = table.schema.get_field_index("vanilla_file_name")
    names = pc.utf8_slice_codeunits(table["vanilla_file_name"], len("vanilla/"))
    table = table.set_column(position, "vanilla_file_name", names)
    if _ALTERED in schema.names:
        files = [[name.removeprefix("vanilla/") for name in names] for names in table[_ALTERED].to_pylist()]
        position = table.schema.get_field_index(_ALTERED)
        table = table.set_column(position, _ALTERED, pa.array(files, table.schema.field(_ALTERED).type))
    return table.select(schema.names).cast(schema)


def _altered(table: pa.Table) -> set[str]:
    """Return the names of the altered copies that rows have."""
    if _ALTERED not in table.column_names:
        return set()
    return {name for names in table[_ALTERED].to_pylist() for name in names}


def _remove_strays(staging: Staging) -> None:
    """Remove what belongs to no row: videos of dropped ones, and the half-written files of killed workers."""
    named = {staging.root / name for name in (MANIFEST, "README.md", "scenes.jsonl")}
    for split in SPLITS:
        folder = staging.root / split
        for config, columns in (("pairs", _FILES), ("recipes", ()), ("twins", _TWIN_FILES)):
            path = folder / METADATA[config]
            if not path.is_file():
                continue
            named.add(path)
            # partitioning=None: a folder named like `seed=7` in the path would become a column.
            files = pq.read_table(path, columns=list(columns), partitioning=None)
            named |= {folder / name for column in columns for name in files[column].unique().to_pylist()}
            if _ALTERED in pq.read_schema(path).names:
                files = pq.read_table(path, columns=[_ALTERED], partitioning=None)
                named |= {path.parent / name for name in _altered(files)}
    # Deepest first, so that folders that become empty go too
    for item in sorted(staging.root.rglob("*"), reverse=True):
        if item.is_dir() and not any(item.iterdir()):
            item.rmdir()
        elif item.is_file() and item not in named:
            item.unlink()
