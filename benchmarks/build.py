"""How fast is a build of ocr-vsi (Object-Centric 3D Rollout), does a second worker pay, and does memory stay flat?

    python benchmarks/build.py [--quick] [--scene house.glb --instances instances.json]

- render: colour, depth and instances of 392x280 frames, one process, one thread, in the given mesh scene (default:
  the small house where ../shared is there, else a procedural home); the camera turns on the spot in the scene's
  middle rooms. Baking the light comes once per scene and is stated apart.
- workers: the same procedural scenes built by one worker and by two, workers' start included.
- memory: one worker builds scenes one after another; its peak, and how much more it holds at the end than after the
  first tenth.

Prints a table, and as the last line one JSON object.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from importlib.metadata import version  # noqa: E402
from multiprocessing import get_context  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from ocr_hf.data.build import build_folder  # noqa: E402
from ocr_hf.data.config import BuildConfig  # noqa: E402
from ocr_hf.data.plan import plan_scenes  # noqa: E402
from ocr_hf.data.sources import camera_path, open_scene  # noqa: E402
from ocr_hf.geometry.camera import intrinsics_from_fov  # noqa: E402
from ocr_hf.scenes.render import Renderer  # noqa: E402

WIDTH, HEIGHT = 392, 280
HOUSE = Path(__file__).resolve().parents[2] / "shared" / "scenes" / "small_house"


def render_speed(scene_file: Path | None, instances: Path | None, frames: int) -> dict[str, float | str]:
    """Return frames per second of the renderer, and seconds to bake the light."""
    options = {"source": "mesh", "path": (str(scene_file),)} if scene_file else {"scenes": 1, "rooms": 4}
    if instances:
        options["instances"] = (str(instances),)
    config = BuildConfig(frames=frames, width=WIDTH, height=HEIGHT, **options)
    plan = plan_scenes(config)[0]
    scene = open_scene(config, plan)
    poses = camera_path(config, plan.clips[0], scene).camera_to_world
    intrinsics = intrinsics_from_fov(WIDTH, HEIGHT, config.fov)
    start = time.perf_counter()
    renderer = Renderer(scene)
    baked = time.perf_counter() - start
    list(renderer.stream(poses[:2], intrinsics, WIDTH, HEIGHT))
    times = []
    for pose in poses:
        start = time.perf_counter()
        list(renderer.stream(pose[None], intrinsics, WIDTH, HEIGHT))
        times.append(time.perf_counter() - start)
    return {"scene": scene.name, "render_fps": 1.0 / float(np.median(times)), "bake_s": baked}


def workers(scenes: int, frames: int) -> dict[str, float]:
    """Return seconds of the same build with one and with two workers."""
    config = BuildConfig(scenes=scenes, rooms=2, frames=frames, width=WIDTH, height=HEIGHT)
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (1, 2):
            start = time.perf_counter()
            build_folder(config, Path(folder) / str(count), num_proc=count)
            seconds[count] = time.perf_counter() - start
    return {"one_s": seconds[1], "two_s": seconds[2], "workers_speedup": seconds[1] / seconds[2]}


def memory(scenes: int, frames: int) -> dict[str, float]:
    """Return a worker's peak and growth, MiB, over many scenes; runs in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        held, peak = pool.submit(_build_and_watch, scenes, frames).result()
    early = max(1, scenes // 10)
    return {"peak_mib_per_worker": peak, "growth_mib": held[-1] - max(held[: early + 1]), "scenes": scenes}


def _build_and_watch(scenes: int, frames: int) -> tuple[list[float], float]:
    import resource

    import psutil

    process, held = psutil.Process(), []
    config = BuildConfig(scenes=scenes, frames=frames, width=WIDTH, height=HEIGHT)
    with tempfile.TemporaryDirectory() as folder:
        build_folder(config, Path(folder) / "out", on_clip=lambda _: held.append(process.memory_info().rss / 2**20))
    return held, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine() -> str:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores seen, numpy {np.__version__}, open3d {version('open3d')}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer scenes and frames, under 30 s")
    parser.add_argument("--scene", type=Path, help="mesh scene to render")
    parser.add_argument("--instances", type=Path, help="its list of instances")
    arguments = parser.parse_args()
    scene, instances = arguments.scene, arguments.instances
    if scene is None and (HOUSE / "house.glb").is_file():
        scene, instances = HOUSE / "house.glb", HOUSE / "instances.json"
    quick = arguments.quick
    render = render_speed(scene, instances, 16 if quick else 64)
    work = workers(2 if quick else 12, 8 if quick else 32)
    held = memory(3 if quick else 50, 8 if quick else 32)
    print(machine())
    rows = [
        (f"render {render['scene']}, 1 thread", f"{render['render_fps']:.1f} frames/s", "at least 15"),
        ("  bake its light, once", f"{render['bake_s']:.1f} s", ""),
        (
            f"build by 1 worker / 2 workers ({work['one_s']:.1f} s / {work['two_s']:.1f} s)",
            f"{work['workers_speedup']:.2f} x",
            "at least 1.7" + (" (few scenes: start-up counts)" if quick else ""),
        ),
        (f"peak memory of a worker, {held['scenes']} scenes", f"{held['peak_mib_per_worker']:.0f} MiB", "at most 1024"),
        ("  growth after the first tenth", f"{held['growth_mib']:+.0f} MiB", "flat"),
    ]
    for name, value, goal in rows:
        print(f"{name:<58} {value:>16}   {goal}")
    print(json.dumps({"machine": machine(), "quick": quick, **render, **work, **held}))


if __name__ == "__main__":
    main()
