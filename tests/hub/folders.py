"""Small folders to push: complete in form, made without rendering or training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ocr_hf.data.assemble import assemble
from ocr_hf.data.config import BuildConfig
from ocr_hf.data.plan import plan_scenes
from ocr_hf.data.staging import open_staging
from ocr_hf.data.video import write_mp4

SIDE = 32


def noise_frames(seed: int, frames: int, side: int = SIDE) -> np.ndarray:
    """(frames, side, side, 3) uint8 that compress badly, so that files have a size worth counting."""
    return np.random.Generator(np.random.Philox(seed)).integers(0, 255, (frames, side, side, 3), dtype=np.uint8)


def make_dataset(out: Path, clips: int = 3, frames: int = 2, source: str = "procedural", side: int = SIDE) -> Path:
    """An ocr-vsi folder with two questions to a clip, assembled by the builder's own code."""
    config = BuildConfig(scenes=clips, frames=frames, width=side, height=side, rooms=1)
    staging = open_staging(config, out)
    scenes = plan_scenes(config)
    for scene in scenes:
        for clip in scene.clips:
            names = {name: f"{name}/{clip.folder}{clip.id}.mp4" for name in ("vanilla", "noisy")}
            for offset, name in enumerate(names.values()):
                path = staging.root / scene.split / name
                path.parent.mkdir(parents=True, exist_ok=True)
                write_mp4(path, noise_frames(2 * clip.index + offset, frames, side), 4.0)
            rows = [_row(clip.index * 1000 + k, k, clip.id, scene.name, source, names, frames, side) for k in range(2)]
            staging.finish(clip, rows, _record(scene.name, scene.split, source))
    assemble(config, scenes, staging)
    return out


def _row(
    row_id: int, number: int, clip: str, scene: str, source: str, names: dict[str, str], frames: int, side: int
) -> dict:
    identity = np.eye(4).tolist()
    box = {
        "id": 1,
        "label": "chair",
        "center": [0.0, 0.0, 0.5],
        "size": [0.5, 0.5, 1.0],
        "rotation": np.eye(3).tolist(),
    }
    return {
        "id": row_id,
        "dataset": source,
        "scene_name": scene,
        "question_type": ("object_counting", "room_size_estimation")[number],
        "question": ("How many chair(s) are in this room?", "What is the size of this room (in square meters)?")[
            number
        ],
        "options": None,
        "ground_truth": "1",
        "reasoning": "<think>One chair.</think><answer>1</answer>",
        "queried_objects": [1],
        "context_objects": [],
        "clip_id": clip,
        "fps": 4.0,
        "objects": [box],
        "camera_to_world": [identity] * frames,
        "intrinsics": np.eye(3).tolist(),
        "footprints": [{"object_id": 1, "frame": 0, "height": side, "width": side, "counts": "0"}],
        "vanilla_file_name": names["vanilla"],
        "noisy_file_name": names["noisy"],
        "noisy_objects": [1],
        "mode": "gaussian",
        "strength": 0.5,
        "seed": 0,
    }


def _record(scene: str, split: str, source: str) -> dict:
    described = {
        "scene_name": scene,
        "dataset": source,
        "split": split,
        "licence": "cc0-1.0",
        "attribution": [],
        "floor_area_m2": 12.0,
        "rooms": [],
    }
    measured = {"noisy_videos": 1, "vanilla_psnr_db": 40.0, "noisy_outside_psnr_db": 38.0, "noise_share": 0.1}
    return {"scene": described, "skipped": None, "left_out": {}, **measured}


MODEL_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: video-text-to-text
tags: [object-centric-3d-rollout]
---
# A model
"""


def make_model(out: Path, shards: int = 2, seed: int = 0) -> Path:
    """A folder with the files of a model, not a model that computes."""
    out.mkdir(parents=True)
    rng = np.random.Generator(np.random.Philox(seed))
    where = {}
    for shard in range(shards):
        name = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        save_file({f"layer.{shard}": rng.standard_normal((50, 50), dtype=np.float32)}, out / name)
        where[f"layer.{shard}"] = name
    index = {"metadata": {"total_size": 10_000 * shards}, "weight_map": where}
    (out / "model.safetensors.index.json").write_text(json.dumps(index))
    (out / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    for name in ("preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        (out / name).write_text("{}")
    (out / "README.md").write_text(MODEL_CARD)
    return out


METRIC_CARD = """---
title: Toy metric
sdk: gradio
sdk_version: 6.31.0
app_file: app.py
tags: [evaluate, metric]
---
# Toy metric
"""

METRIC = '''"""A metric."""
import datasets
import evaluate


class Toy(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})
        return evaluate.MetricInfo(description="toy", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        return {"right": sum(p == r for p, r in zip(predictions, references))}
'''


def make_metric(out: Path) -> Path:
    """An evaluate metric called like the folder."""
    out.mkdir(parents=True)
    (out / f"{out.name}.py").write_text(METRIC)
    (out / "app.py").write_text("import gradio\n")
    (out / "requirements.txt").write_text("evaluate\n")
    (out / "README.md").write_text(METRIC_CARD)
    return out
