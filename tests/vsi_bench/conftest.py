"""A tiny model whose answers depend on what it sees, a hand-made VSI-Bench, and a generated ocr-vsi folder."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.hub_server.fixture import hub_api, hub_client, local_hub  # noqa: F401
from tests.vsi_bench.toy_benchmark import toy_benchmark, toy_scenes  # noqa: F401

KINDS = {
    "object_counting": None,
    "object_abs_distance": None,
    "object_size_estimation": None,
    "room_size_estimation": None,
    "object_rel_distance": "ABCD",
    "object_rel_direction_easy": "AB",
    "object_rel_direction_medium": "ABC",
    "object_rel_direction_hard": "ABCD",
    "route_planning": "ABC",
    "obj_appearance_order": "ABCD",
}
SCENES = {"arkitscenes": "41069025", "scannet": "scene0011_00", "scannetpp": "09c1414f1b"}
FRAMES, FPS, HEIGHT, WIDTH = 12, 6.0, 84, 112


def video_bytes(seed: int, folder: Path) -> bytes:
    """Return an MP4 file of FRAMES smooth random frames."""
    from ocr_hf.data.video import write_mp4

    corners = np.random.default_rng(seed).integers(0, 256, (FRAMES, 3, 4, 3)).astype(np.uint8)
    frames = corners.repeat(HEIGHT // 3, axis=1).repeat(WIDTH // 4, axis=2)
    write_mp4(folder / "clip.mp4", frames, FPS)
    content = (folder / "clip.mp4").read_bytes()
    (folder / "clip.mp4").unlink()
    return content


def questions() -> list[dict]:
    """Return thirty questions, ten about each of three scenes, sorted by task as the benchmark is."""
    rows = []
    for kind, letters in KINDS.items():
        for dataset, scene in SCENES.items():
            rows.append(
                {
                    "id": 7 * len(rows),
                    "dataset": dataset,
                    "scene_name": scene,
                    "question_type": kind,
                    "question": f"What is the {kind.replace('_', ' ')} in number {len(rows)}?",
                    "ground_truth": "B" if letters else f"{1 + len(rows) % 3}",
                    "options": [f"{letter}. thing {letter}" for letter in letters] if letters else None,
                    "pruned": len(rows) % 3 == 0,
                }
            )
    return rows


def write_questions(folder: Path, rows: list[dict]) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "test.jsonl").write_text(lines)


@pytest.fixture
def make_vsi_bench(tmp_path: Path):
    """Call to write a VSI-Bench-shaped folder with its three archives; returns the folder."""

    def make(name: str = "VSI-Bench") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        write_questions(folder, questions())
        for seed, (dataset, scene) in enumerate(SCENES.items()):
            with zipfile.ZipFile(folder / f"{dataset}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(f"{dataset}/{scene}.mp4", video_bytes(seed, folder))
        return folder

    return make


@pytest.fixture(scope="session")
def lively_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2.5-VL with weights so large that its answers differ from question to question and video to video."""
    import torch

    from ocr_hf.models.tiny import PRESETS, make_tiny

    model, processor = make_tiny(PRESETS["0.2M"])
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(3.0)
    folder = tmp_path_factory.mktemp("lively")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def ocr_vsi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated ocr-vsi folder: two one-room scenes, eight small frames each."""
    from ocr_hf.data.build_config import BuildConfig
    from ocr_hf.data.build_folder import build_folder

    folder = tmp_path_factory.mktemp("built") / "ocr-vsi"
    build_folder(BuildConfig(scenes=2, rooms=1, frames=8, seconds=8.0, width=112, height=84, seed=3), folder)
    return folder
