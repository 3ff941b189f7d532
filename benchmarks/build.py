"""How fast is a build of ocr-vsi (Object-Centric 3D Rollout), does a second worker pay, and does memory stay flat?

    python benchmarks/build.py [--quick] [--scene house.glb --instances instances.json]

- render: colour, depth and instances of 392x280 frames on a walk through the given mesh scene (default: the small
  house where ../shared is there, else a procedural home), one thread, in processor seconds, so that a busy machine
  counts less. Baking the light comes once per scene and is stated apart.
- workers: the same 50 procedural rooms built by one worker and by two, in seconds by the clock, start-up included. The
  workers' start and the last room cost the same few seconds however many rooms there are.
- edited copy: what a copy of a clip costs in which one object has moved, as a share of the clip itself, in processor
  seconds of one process and over 10 homes with one clip each, as `ocr-hf build` makes them. The clip: open the scene,
  bake its light, plan the walk, render, ask, encode `vanilla`. The copy: apply the edit, light what it reaches, render
  the frames that differ, ask anew, encode. Neither has a noisy copy; choosing the edit isn't counted. What moves is
  drawn among what the clip shows.
- twins: what two questions with twins cost (`--twins 2`: up to four rows, two edited videos), as a share of the same
  clips: looking for edits, filming and asking what is tried, encoding what is kept.
- memory of those two workers: the larger peak, and how much more a worker holds over the last third of its scenes than
  over the middle third, on average.

Prints a table, and as the last line one JSON object.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

# Workers import this module anew, so what only the parent needs is imported where it is used: a worker's memory is
# that of a worker of `ocr-hf build`.
import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import mean, median  # noqa: E402
from typing import Any  # noqa: E402

WIDTH, HEIGHT = 392, 280
HOUSE = Path(__file__).resolve().parents[2] / "shared" / "scenes" / "small_house"


def render_speed(scene_file: Path | None, instances: Path | None, frames: int) -> dict[str, Any]:
    """Return frames per second of the renderer, and seconds to bake the light."""
    from ocr_hf.data.build_config import BuildConfig
    from ocr_hf.data.build_plan import plan_scenes
    from ocr_hf.data.clip_cameras import camera_path
    from ocr_hf.data.sources import open_scene
    from ocr_hf.geometry.camera import intrinsics_from_fov
    from ocr_hf.scenes.render.renderer import Renderer

    options: dict[str, Any] = (
        {"source": "mesh", "path": (str(scene_file),)} if scene_file else {"scenes": 1, "rooms": 4}
    )
    if instances:
        options["instances"] = (str(instances),)
    config = BuildConfig(frames=frames, width=WIDTH, height=HEIGHT, fov=75.0, **options)
    plan = plan_scenes(config)[0]
    scene = open_scene(config, plan)
    poses = camera_path(config, plan.clips[0], scene).camera_to_world
    intrinsics = intrinsics_from_fov(WIDTH, HEIGHT, config.fov)
    start = time.process_time()
    renderer = Renderer(scene)
    baked = time.process_time() - start
    list(renderer.stream(poses[:2], intrinsics, WIDTH, HEIGHT))
    seconds = []
    for pose in poses:
        start = time.process_time()
        list(renderer.stream(pose[None], intrinsics, WIDTH, HEIGHT))
        seconds.append(time.process_time() - start)
    return {"scene": scene.name, "render_fps": frames / sum(seconds), "bake_s": baked}


def edited_copies(homes: int, frames: int) -> dict[str, Any]:
    """Return what copies with one moved object cost, as a share of the clips: the median, and of all clips together."""
    from ocr_hf.data.build_config import BuildConfig
    from ocr_hf.data.build_plan import plan_scenes
    from ocr_hf.data.clip_cameras import camera_path
    from ocr_hf.data.film import Film
    from ocr_hf.data.make_clips import clip_questions
    from ocr_hf.data.recording import record, record_edited
    from ocr_hf.data.sources import open_scene
    from ocr_hf.data.twin_videos import TwinVideos
    from ocr_hf.data.video import write_mp4
    from ocr_hf.perturb.select import visible_objects
    from ocr_hf.scenes.edits.sample_edit import sample_edit
    from ocr_hf.scenes.render.renderer import Renderer

    config = BuildConfig(scenes=homes, frames=frames, width=WIDTH, height=HEIGHT, twins=2)
    clips, copies, pairs, rendered, lit_anew, twins = [], [], [], 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for plan in plan_scenes(config):
            clip = plan.clips[0]
            start = time.process_time()
            scene = open_scene(config, plan)
            renderer = Renderer(scene)
            path = camera_path(config, clip, scene)
            recording = record(renderer, path, config)
            clip_questions(config, clip, scene, recording)
            write_mp4(Path(folder) / "clip.mp4", recording.frames, recording.fps)
            clips.append(time.process_time() - start)
            shown = visible_objects(recording.footprints, config.ocr_map.min_visible)
            edits = (sample_edit(scene, "move", seed, camera_path=path.camera_to_world) for seed in range(1000))
            edit = next(edit for edit in edits if edit.objects[0] in shown)
            start = time.process_time()
            after = edit.apply(scene, camera_path=path.camera_to_world)
            edited = renderer.edited(after)
            copy = record_edited(recording, edited, path, config)
            clip_questions(config, clip, after, copy)
            write_mp4(Path(folder) / "copy.mp4", copy.frames, copy.fps)
            copies.append(time.process_time() - start)
            rendered += int(copy.rendered.sum())
            lit_anew += edited.lit_anew
            start = time.process_time()
            videos = TwinVideos(Film(scene, renderer, path, recording, config), clip)
            twins += len(videos.rows(videos.find(), {}, Path(folder)))
            pairs.append(time.process_time() - start)
    return {
        "edited_copy_cost": median(copy / clip for copy, clip in zip(copies, clips, strict=True)),
        "edited_copy_cost_of_all": sum(copies) / sum(clips),
        "edited_copies": homes,
        "edited_copies_lit_anew": lit_anew,
        "edited_frames_rendered": rendered / (homes * frames),
        "twins_cost": median(pair / clip for pair, clip in zip(pairs, clips, strict=True)),
        "twins_cost_of_all": sum(pairs) / sum(clips),
        "twins_per_clip": twins / homes,
    }


def build(num_proc: int, scenes: int, frames: int, rooms: int | None) -> tuple[float, dict[int, list[float]], float]:
    """Build scenes; return seconds, MiB that each worker (by process id) held after a scene, and the largest peak."""
    import psutil

    from ocr_hf.data.build_config import BuildConfig
    from ocr_hf.data.build_folder import build_folder

    held: dict[int, list[float]] = {}
    peak = 0.0

    def look(_: Any) -> None:
        nonlocal peak
        for worker in psutil.Process().children():
            held.setdefault(worker.pid, []).append(worker.memory_info().rss / 2**20)
            peak = max(peak, peak_mib(worker.pid), held[worker.pid][-1])

    config = BuildConfig(scenes=scenes, rooms=rooms, frames=frames, width=WIDTH, height=HEIGHT)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        build_folder(config, Path(folder) / "out", num_proc=num_proc, on_clip=look)
        return time.perf_counter() - start, held, peak


def peak_mib(pid: int) -> float:
    """Return the largest memory that a process ever held, MiB; 0 where the system doesn't say."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def third(values: list[float]) -> int:
    """Return a third of the number of values, at least 1."""
    return max(1, len(values) // 3)


def machine() -> str:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores seen, numpy {version('numpy')}, open3d {version('open3d')}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few scenes and frames, under 30 s")
    parser.add_argument("--scene", type=Path, help="mesh scene to render")
    parser.add_argument("--instances", type=Path, help="its list of instances")
    arguments = parser.parse_args()
    quick, scene, instances = arguments.quick, arguments.scene, arguments.instances
    if scene is None and (HOUSE / "house.glb").is_file():
        scene, instances = HOUSE / "house.glb", HOUSE / "instances.json"
    render = render_speed(scene, instances, 16 if quick else 64)
    edited = edited_copies(2, 8) if quick else edited_copies(10, 32)
    size = {"scenes": 2, "frames": 8, "rooms": 1} if quick else {"scenes": 50, "frames": 32, "rooms": 1}
    one, _, _ = build(1, **size)
    two, held, peak = build(2, **size)
    scenes = size["scenes"]
    growth = max(
        mean(values[-third(values) :]) - mean(values[-2 * third(values) : -third(values)] or values)
        for values in held.values()
    )
    figures = {
        **render,
        **edited,
        "one_worker_s": one,
        "two_workers_s": two,
        "workers_speedup": one / two,
        "memory_scenes": scenes,
        "peak_mib_per_worker": peak,
        "growth_mib": growth,
    }
    print(machine())
    for name, value, goal in (
        (f"render {render['scene']}, 1 thread", f"{render['render_fps']:.1f} frames/s", "at least 15"),
        ("  bake its light, once", f"{render['bake_s']:.1f} s", ""),
        (
            f"copy with a moved object, {edited['edited_copies']} clips",
            f"{edited['edited_copy_cost']:.2f} of a clip",
            "at most 0.6",
        ),
        (
            f"  all together, {edited['edited_frames_rendered']:.0%} of the frames rendered",
            f"{edited['edited_copy_cost_of_all']:.2f} of a clip",
            "",
        ),
        (
            f"two questions' twins, {edited['twins_per_clip']:.1f} rows a clip",
            f"{edited['twins_cost']:.2f} of a clip",
            "at most 1",
        ),
        (f"2 workers instead of 1 ({one:.1f} s -> {two:.1f} s)", f"{one / two:.2f} x", "at least 1.7"),
        (f"peak memory of a worker, {scenes} scenes", f"{peak:.0f} MiB", "at most 1024"),
        ("  growth over the last third", f"{growth:+.0f} MiB", "flat"),
    ):
        print(f"{name:<48} {value:>16}   {goal}")
    if quick:
        print("--quick: two scenes, so the workers' start-up weighs most; the goals are for the full run")
    print(json.dumps({"machine": machine(), "quick": quick, **figures}))


if __name__ == "__main__":
    main()
