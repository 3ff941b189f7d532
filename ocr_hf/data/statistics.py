"""What a build measured of itself, for the manifest and the card."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa


class Statistics:
    """Collects counts and qualities clip by clip; memory doesn't grow with the number of rows."""

    def __init__(self) -> None:
        self._splits: dict[str, Counter[str]] = defaultdict(Counter)
        self._bytes: dict[str, dict[str, int]] = defaultdict(dict)
        self._types: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._dropped_clips = 0
        self._twins: Counter[str] = Counter()
        self._twins_left_out: Counter[str] = Counter()
        self._altered: Counter[str] = Counter()
        self._seen_clips: set[str] = set()
        self._footprints: Counter[str] = Counter()
        self._dropped_frames: dict[str, Mapping[str, int]] = {}
        self._notes: dict[str, list[str]] = {}
        self._qualities: dict[str, list[float]] = defaultdict(list)

    def add_clip(self, split: str, record: Mapping[str, Any], rows: int) -> None:
        """Count a finished clip by its marker and by how many of its rows stay; `add_rows` counts its videos."""
        if record.get("skipped"):
            self._skipped[record["skipped"]] += 1
            return
        self._left_out.update(record["left_out"])
        self._twins_left_out.update(record.get("twins_left_out", {}))
        if not rows:
            self._dropped_clips += 1
            return
        self._splits[split]["clips"] += 1
        self._add_recorded(record)
        for name in ("altered_videos", "implausible_alterations"):
            if name in record:
                self._altered[name] += record[name]
        for name in ("clip_seconds", "vanilla_psnr_db", "noisy_outside_psnr_db", "noise_share", "filled_share"):
            if name in record:
                self._qualities[name].append(record[name])

    def _add_recorded(self, record: Mapping[str, Any]) -> None:
        """Count what is told of a clip that was cut from a recording."""
        facts = record.get("recorded")
        if not facts:
            return
        self._footprints[facts["footprints"]] += 1
        # The scene's, and told in the record of each of its clips
        self._dropped_frames[record["scene"]["scene_name"]] = facts["dropped_frames"]
        if facts["notes"]:
            self._notes[record["id"]] = facts["notes"]
        if "mask_box_iou" in facts:
            self._qualities["mask_box_iou"].append(facts["mask_box_iou"])

    def add_rows(self, split: str, table: pa.Table) -> None:
        """Count rows of `pairs` and the noisy videos that they name; a clip's rows come together, in one table."""
        self._splits[split]["rows"] += len(table)
        self._splits[split]["table_bytes"] += table.nbytes
        noisy, vanilla = (set(table[f"{name}_file_name"].to_pylist()) for name in ("noisy", "vanilla"))
        # Rows without noise name the vanilla video
        self._splits[split]["noisy_videos"] += len(noisy - vanilla)
        self._types.update(table["question_type"].to_pylist())
        clips = table["clip_id"].to_pylist()
        for row, clip in enumerate(clips):
            # Objects are the clip's, and repeated in each of its rows.
            if clip not in self._seen_clips:
                self._seen_clips.add(clip)
                self._labels.update(item["label"] for item in table["objects"][row].as_py())

    def add_twins(self, split: str, table: pa.Table) -> None:
        """Count rows of `twins` and the edited videos that they name; a clip's rows come together, in one table."""
        self._splits[split]["twins"] += len(table)
        self._splits[split]["edited_videos"] += len(set(table["edited_file_name"].to_pylist()))
        self._twins.update(zip(table["question_type"].to_pylist(), table["relation"].to_pylist(), strict=True))

    def add_bytes(self, split: str, config: str, size: int) -> None:
        """Note the size of the files that a config reads."""
        self._bytes[split][config] = size

    @property
    def dropped_clips(self) -> int:
        """Clips that were made and of whose rows none stays."""
        return self._dropped_clips

    def reasons(self) -> str:
        """Return why clips were skipped, most frequent first."""
        return ", ".join(f"{reason} ({count} clips)" for reason, count in self._skipped.most_common())

    def summary(self, scenes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return everything as JSON values. `scenes` are the lines of scenes.jsonl."""
        return {
            "splits": {
                split: {
                    "scenes": sum(scene["split"] == split for scene in scenes),
                    **{name: counts[name] for name in ("clips", "noisy_videos", "rows", "table_bytes")},
                    **{name: counts[name] for name in ("twins", "edited_videos") if counts[name]},
                    "file_bytes": self._bytes[split],
                }
                for split, counts in sorted(self._splits.items())
            },
            "question_types": dict(sorted(self._types.items())),
            **self._twin_counts(),
            "objects": dict(sorted(self._labels.items())),
            "sources": sources_of(scenes),
            "skipped_clips": dict(sorted(self._skipped.items())),
            "questions_left_out": dict(sorted(self._left_out.items())),
            **self._altered,
            **self._recorded_counts(),
            "measured": {
                name: {"mean": round(sum(values) / len(values), 4), "min": round(min(values), 4)}
                for name, values in sorted(self._qualities.items())
            },
        }

    def _recorded_counts(self) -> dict[str, Any]:
        """Return what is told of recordings; nothing where there are none."""
        if not self._footprints:
            return {}
        dropped = sum(map(Counter, self._dropped_frames.values()), Counter())
        counts = {"footprints": self._footprints, "dropped_frames": dropped}
        return {
            "recorded": {**{name: dict(sorted(found.items())) for name, found in counts.items()}, "notes": self._notes}
        }

    def _twin_counts(self) -> dict[str, Any]:
        """Return what is told of twins; nothing where none were asked for."""
        if not self._twins and not self._twins_left_out:
            return {}
        types = sorted({name for name, _ in self._twins})
        return {
            "twins": {
                name: {relation: self._twins[name, relation] for relation in ("changes", "keeps")} for name in types
            },
            "twins_left_out": dict(sorted(self._twins_left_out.items())),
        }


def sources_of(scenes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry per source and licence of the lines of scenes.jsonl, with everyone to be named."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for scene in scenes:
        key = (scene["dataset"], scene["licence"])
        entry = found.setdefault(key, {"dataset": key[0], "licence": key[1], "scenes": 0, "attribution": set()})
        entry["scenes"] += 1
        entry["attribution"] |= set(scene["attribution"])
    return [{**entry, "attribution": sorted(entry["attribution"])} for _, entry in sorted(found.items())]
