"""How fast are the noise modes of the OCR map (Object-Centric 3D Rollout), beside the usual ways to add noise?

    python benchmarks/perturb.py [--quick]

Everything runs in one process and one thread, in turns; each row is the best of its rounds, in processor time, so that
a busy machine hardly matters. Input: 32 frames of 392x280, two objects that fill about a tenth of the pixels. Rivals:

- whole frame, NoisyRollout's way: uint8 -> float tensor, randn_like, clamp, uint8, in PyTorch, frame by frame. Its
  schedule is computed once here, which its code does anew for every picture.
- plain numpy, masked: noise for the frame, np.where with the region.
- plain numpy, gathered: boolean indexing, noise for the region's pixels only. The strongest short version.

Prints a table, and as the last line one JSON object; its `gaussian_vs_plain_numpy` is against the masked version,
`gaussian_vs_gathered_numpy` against the gathered one.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from ocr_hf import OCRMap  # noqa: E402
from ocr_hf.geometry.boxes import OrientedBox  # noqa: E402
from ocr_hf.geometry.camera import intrinsics_from_fov, look_at, project  # noqa: E402
from ocr_hf.geometry.occlusion import footprints_from_boxes  # noqa: E402
from ocr_hf.perturb.jitter_noise import jitter_region  # noqa: E402
from ocr_hf.perturb.noise import gaussian_region  # noqa: E402
from ocr_hf.perturb.schedule import diffusion_scales  # noqa: E402

FRAMES, HEIGHT, WIDTH = 32, 280, 392
STRENGTH, TIMESTEP = 0.5, 500
STRUCTURED = ("rigid", "scale", "warp")


def noisy_rollout(frames: np.ndarray) -> np.ndarray:
    signal, amount = diffusion_scales(TIMESTEP)
    out = np.empty_like(frames)
    for source, target in zip(frames, out, strict=True):
        picture = torch.from_numpy(source).permute(2, 0, 1).contiguous().float().div(255)
        noisy = torch.clamp(signal * picture + amount * torch.randn_like(picture), 0.0, 1.0)
        target[...] = noisy.mul(255).byte().permute(1, 2, 0).numpy()
    return out


def masked_numpy(frames: np.ndarray, region: np.ndarray) -> np.ndarray:
    signal, amount = diffusion_scales(TIMESTEP)
    random = np.random.default_rng(0)
    out = np.empty_like(frames)
    for source, inside, target in zip(frames, region, out, strict=True):
        picture = source.astype(np.float32) / 255.0
        noise = random.standard_normal(picture.shape, dtype=np.float32)
        noisy = np.clip(signal * picture + amount * noise, 0.0, 1.0)
        target[...] = np.where(inside[..., None], np.round(noisy * 255.0).astype(np.uint8), source)
    return out


def gathered_numpy(frames: np.ndarray, region: np.ndarray) -> np.ndarray:
    signal, amount = diffusion_scales(TIMESTEP)
    random = np.random.default_rng(0)
    out = frames.copy()
    for target, inside in zip(out, region, strict=True):
        picture = target[inside].astype(np.float32) / 255.0
        noise = random.standard_normal(picture.shape, dtype=np.float32)
        target[inside] = np.round(np.clip(signal * picture + amount * noise, 0.0, 1.0) * 255.0).astype(np.uint8)
    return out


def make_input() -> dict:
    """Return a clip of random pixels past two boxes, with their exact depth."""
    target = np.array([0.0, 3.2, 0.6])
    poses = np.stack([look_at(np.array([x, -0.8, 1.4]), target) for x in np.linspace(-0.7, 0.7, FRAMES)])
    boxes = {
        1: OrientedBox.upright(np.array([0.4, 3.2, 0.5]), np.array([1.1, 0.7, 1.1]), 0.4),
        2: OrientedBox.upright(np.array([-0.9, 3.4, 0.6]), np.array([0.7, 0.6, 1.3]), -0.6),
    }
    intrinsics = intrinsics_from_fov(WIDTH, HEIGHT, 75.0)
    _, distance = project(target, intrinsics, poses[0])
    return {
        "frames": np.random.default_rng(0).integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8),
        "depth": np.full((FRAMES, HEIGHT, WIDTH), distance, dtype=np.float32),
        "boxes": boxes,
        "footprints": footprints_from_boxes(boxes, poses, intrinsics, HEIGHT, WIDTH),
        "camera_to_world": poses,
        "intrinsics": intrinsics,
    }


def altered(clip: dict, ids: tuple[int, ...], mode: str) -> Callable[[], object]:
    """Return what makes the clip's noisy copy in a mode that moves, resizes or bends objects, at its own strength."""
    ocr_map = OCRMap(mode=mode)
    return lambda: ocr_map.perturb(object_ids=ids, row_id=0, **clip)


def fastest(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return frames per second of every way: the best round, the ways taken in turns."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds + 1):  # one more, as the first warms up
        for name, run in ways.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    return {name: FRAMES / seconds for name, seconds in best.items()}


def machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores seen, 1 thread used, numpy {np.__version__}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds, under 30 seconds")
    rounds = 4 if parser.parse_args().quick else 20
    torch.set_num_threads(1)
    clip = make_input()
    frames, footprints, ids = clip["frames"], clip["footprints"], (1, 2)
    region = footprints.region(ids)
    ocr_map = OCRMap()
    ways: dict[str, Callable[[], object]] = {
        "gaussian, given the region": lambda: gaussian_region(frames, region, STRENGTH, key=0),
        "gaussian, from footprints (OCRMap)": lambda: ocr_map.perturb(frames, footprints, ids, row_id=0),
        "whole frame, NoisyRollout's way": lambda: noisy_rollout(frames),
        "plain numpy, masked": lambda: masked_numpy(frames, region),
        "plain numpy, gathered": lambda: gathered_numpy(frames, region),
        "jitter, with depth": lambda: jitter_region(**clip, object_ids=ids, strength=0.1, key=0),
        **{f"{mode}, with depth": altered(clip, ids, mode) for mode in STRUCTURED},
        **{f"{mode}, boxes only": altered({**clip, "depth": None}, ids, mode) for mode in STRUCTURED},
    }
    speed = fastest(ways, rounds)
    base = speed["gaussian, given the region"]
    print(f"{machine()}\n{FRAMES} frames of {WIDTH}x{HEIGHT}, region {region.mean():.1%} of the pixels\n")
    print(f"{'':38}{'frames/s':>10}{'gaussian is':>14}")
    for name, fps in speed.items():
        print(f"{name:38}{fps:10.0f}{base / fps:13.1f}x")
    figures = {
        "gaussian_fps": round(base, 1),
        "gaussian_from_footprints_fps": round(speed["gaussian, from footprints (OCRMap)"], 1),
        "jitter_fps": round(speed["jitter, with depth"], 1),
        **{f"{mode}_fps": round(speed[f"{mode}, with depth"], 1) for mode in STRUCTURED},
        **{f"{mode}_boxes_only_fps": round(speed[f"{mode}, boxes only"], 1) for mode in STRUCTURED},
        "gaussian_vs_whole_frame": round(base / speed["whole frame, NoisyRollout's way"], 2),
        "gaussian_vs_plain_numpy": round(base / speed["plain numpy, masked"], 2),
        "gaussian_vs_gathered_numpy": round(base / speed["plain numpy, gathered"], 2),
        "region_share": round(float(region.mean()), 4),
        "machine": machine(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
