"""Clips of moving coloured rectangles with exact footprints, as rows and as an ocr-vsi folder in small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ocr_hf.data.schema import FORMAT_VERSION, MANIFEST, stored_features
from ocr_hf.data.video import write_mp4
from ocr_hf.geometry.occlusion import footprints_from_instances

FRAMES, HEIGHT, WIDTH, FPS = 8, 56, 84, 4.0
COLORS = np.array([[40, 40, 40], [220, 30, 30], [30, 200, 30], [30, 60, 230]], dtype=np.uint8)


def moving_rectangles(seed: int, frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """Return (frames (T, H, W, 3) uint8, instances (T, H, W) uint16) of three rectangles on their ways."""
    random = np.random.default_rng(seed)
    instances = np.zeros((frames, HEIGHT, WIDTH), dtype=np.uint16)
    for number in (1, 2, 3):
        top, left = random.integers(0, HEIGHT - 20), random.integers(0, WIDTH - 24)
        down, right = random.integers(-2, 3, size=2)
        for t in range(frames):
            y, x = np.clip(top + down * t, 0, HEIGHT - 16), np.clip(left + right * t, 0, WIDTH - 20)
            instances[t, y : y + 16, x : x + 20] = number
    return COLORS[instances], instances


def make_rows(folder: Path, count: int = 4, frames: int = FRAMES) -> list[dict[str, Any]]:
    """Write clips to a folder and return rows in the layout of ocr-vsi's recipes, with prompts."""
    rows = []
    for number in range(count):
        pixels, instances = moving_rectangles(number, frames)
        write_mp4(folder / f"clip{number}.mp4", pixels, FPS)
        rows.append(
            {
                "id": number,
                "prompt": [{"role": "user", "content": f"How many rectangles are there in clip {number}?"}],
                "question_type": "object_counting",
                "question": "How many rectangles are there?",
                "ground_truth": "3",
                "reasoning": "A red, a green and a blue one.",
                "clip_id": f"clip{number}",
                "fps": FPS,
                "queried_objects": [1, 2],
                "objects": [_box(object_id) for object_id in (1, 2, 3)],
                "footprints": footprints_from_instances(instances).to_rows(),
                "camera_to_world": np.tile(np.eye(4), (frames, 1, 1)).tolist(),
                "intrinsics": [[80.0, 0.0, WIDTH / 2], [0.0, 80.0, HEIGHT / 2], [0.0, 0.0, 1.0]],
                "vanilla": str(folder / f"clip{number}.mp4"),
            }
        )
    return rows


def _box(object_id: int) -> dict[str, Any]:
    center, rotation = [0.0, 0.0, 2.0 + object_id], np.eye(3).tolist()
    return {"id": object_id, "label": "rectangle", "center": center, "size": [0.5, 0.5, 0.5], "rotation": rotation}


def make_folder(folder: Path, count: int = 4) -> Path:
    """Write an ocr-vsi folder with the config `recipes` and the split `train`."""
    place = folder / "train" / "vanilla"
    place.mkdir(parents=True)
    schema = stored_features("recipes").arrow_schema
    table = []
    for row in make_rows(place, count):
        row = {**row, "vanilla_file_name": Path(row["vanilla"]).name, "dataset": "test", "scene_name": row["clip_id"]}
        table.append({name: row.get(name, [] if name == "context_objects" else None) for name in schema.names})
    pq.write_table(pa.Table.from_pylist(table, schema=schema), place / "metadata.parquet")
    files = ["train/vanilla/metadata.parquet", "train/vanilla/**/*.mp4"]
    config = {"config_name": "recipes", "drop_labels": True, "data_files": [{"split": "train", "path": files}]}
    (folder / "README.md").write_text(f"---\nconfigs: {json.dumps([config])}\n---\n")
    (folder / MANIFEST).write_text(json.dumps({"format_version": FORMAT_VERSION}))
    return folder
