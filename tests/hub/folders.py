"""Small folders to push: complete in form, made without rendering or training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ocr_hf.data.assemble import assemble
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.staging import open_staging
from ocr_hf.data.video import write_mp4

SIDE = 32


def noise_frames(seed: int, frames: int, side: int = SIDE) -> np.ndarray:
    """(frames, side, side, 3) uint8 that compress badly, so that files have a size worth counting."""
    return np.random.Generator(np.random.Philox(seed)).integers(0, 255, (frames, side, side, 3), dtype=np.uint8)


def make_dataset(
    out: Path,
    clips: int = 3,
    frames: int = 2,
    source: str = "procedural",
    side: int = SIDE,
    video_bytes: int = 0,
    footprints: int = 8,
    questions: int = 2,
) -> Path:
    """An ocr-vsi folder, assembled by the builder's own code.

    video_bytes : pad each video to this size, as a real one has
    footprints, questions : per clip
    """
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
                _pad(path, video_bytes, seed=2 * clip.index + offset)
            shared = _clip_columns(clip.index, clip.id, scene.name, source, names, frames, side, footprints)
            rows = [{**shared, **_question(number), "id": clip.index * 1000 + number} for number in range(questions)]
            staging.finish(clip, {"pairs": rows}, _record(scene.name, scene.split, source))
    assemble(config, scenes, staging)
    return out


def _pad(path: Path, size: int, seed: int) -> None:
    """Append an MP4 box that players skip."""
    missing = size - path.stat().st_size
    if missing >= 8:
        filler = np.random.Generator(np.random.Philox(seed)).bytes(missing - 8)
        with path.open("ab") as file:
            file.write(missing.to_bytes(4, "big") + b"free" + filler)


def _question(number: int) -> dict:
    return {
        "question_type": ("object_counting", "room_size_estimation")[number % 2],
        "question": ("How many chair(s) are in this room?", "What is the size of this room?")[number % 2],
        "options": None,
        "ground_truth": "1",
        "reasoning": "<think>One.</think><answer>1</answer>",
        "queried_objects": [1],
        "context_objects": [],
    }


def _clip_columns(
    index: int, clip: str, scene: str, source: str, names: dict[str, str], frames: int, side: int, footprints: int
) -> dict:
    rng = np.random.Generator(np.random.Philox(index))
    codes = ["".join(map(chr, rng.integers(48, 112, 100))) for _ in range(footprints)]
    box = {"id": 1, "label": "chair", "center": [0.0] * 3, "size": [1.0] * 3, "rotation": np.eye(3).tolist()}
    return {
        "dataset": source,
        "scene_name": scene,
        "clip_id": clip,
        "fps": 4.0,
        "objects": [box],
        "camera_to_world": rng.standard_normal((frames, 4, 4)).tolist(),
        "intrinsics": np.eye(3).tolist(),
        "footprints": [
            {"object_id": 1 + i // frames, "frame": i % frames, "height": side, "width": side, "counts": code}
            for i, code in enumerate(codes)
        ],
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
    measured = {
        "noisy_videos": 1,
        "clip_seconds": 0.5,
        "vanilla_psnr_db": 40.0,
        "noisy_outside_psnr_db": 38.0,
        "noise_share": 0.1,
    }
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
