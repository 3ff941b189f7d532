"""How fast is a build of ocr-vsi (Object-Centric 3D Rollout), does a second worker pay, and does memory stay flat?

    python benchmarks/build.py [--quick] [--only recorded|executor|ray] [--scene house.glb --instances instances.json]

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
- recorded: the same for recorded scenes (`--source recorded`): 50 folders with 48 frames of 640x480 with depth and
  instance maps, the same files under other names, by one worker and by two.
- executor: 200 small recorded scenes (16 frames of 320x240, with depth and instance maps) by `ocr-hf build --executor
  local`, by one worker, and by two that are killed (SIGKILL) after a quarter and resumed: whether both folders are
  equal to the byte. In processor seconds of all processes, so that a busy machine counts less; what two workers would
  take with two processors to themselves is computed from them: what runs before and after the workers, and half of
  what the workers took.
- ray (only by --only ray, where Ray is installed): the same scenes by `--executor ray` on two workers, killed after a
  quarter and resumed, beside `local`.
- .sens: pictures of 1296x968 out of a ScanNet stream, one frame at a time, against decoding the same JPEGs that are in
  memory already, in processor seconds: 1 is as fast.
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
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocr_hf.data.build_config import BuildConfig

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


def build(num_proc: int, config: BuildConfig) -> tuple[float, dict[int, list[float]], float]:
    """Build scenes; return seconds, MiB that each worker (by process id) held after a scene, and the largest peak."""
    import psutil

    from ocr_hf.data.build_folder import build_folder

    held: dict[int, list[float]] = {}
    peak = 0.0

    def look(_: Any) -> None:
        nonlocal peak
        for worker in psutil.Process().children():
            held.setdefault(worker.pid, []).append(worker.memory_info().rss / 2**20)
            peak = max(peak, peak_mib(worker.pid), held[worker.pid][-1])

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        build_folder(config, Path(folder) / "out", num_proc=num_proc, on_clip=look)
        return time.perf_counter() - start, held, peak


def recorded_builds(scenes: int, frames: int) -> dict[str, Any]:
    """Return what builds of recorded scenes take, by one worker and by two."""
    from ocr_hf.data.build_config import BuildConfig

    with tempfile.TemporaryDirectory() as folder:
        write_recordings(Path(folder), scenes, frames)
        config = BuildConfig(source="recorded", root=folder, frames=min(16, frames), width=WIDTH, height=HEIGHT)
        one, _, _ = build(1, config)
        two, held, peak = build(2, config)
    return {
        "recorded_scenes": scenes,
        "recorded_one_worker_s": one,
        "recorded_two_workers_s": two,
        "recorded_speedup": one / two,
        "recorded_scenes_per_minute": 60.0 * scenes / one,
        "recorded_peak_mib_per_worker": peak,
        "recorded_growth_mib": growth_mib(held),
    }


def executor_builds(scenes: int, kill_after: int) -> dict[str, Any]:
    """Return what `--executor local` takes for small recorded scenes, and whether a killed build ends the same."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        words = [*_small_recordings(root / "rooms", scenes), "--executor", "local"]
        one = _build_command([*words, "--num-proc", "1", "--out", str(root / "one/ocr-vsi")])
        two = [*words, "--num-proc", "2", "--out", str(root / "two/ocr-vsi")]
        killed = _build_command(two, root / "two/ocr-vsi.incomplete", kill_after)
        rest = _build_command([*two, "--resume"])
        # A build of two workers that nobody kills, whose time is that of 200 scenes
        whole = _build_command([*words, "--num-proc", "2", "--out", str(root / "whole/ocr-vsi")])
        digests = [_digests(root / name / "ocr-vsi") for name in ("one", "two", "whole")]
    parallel = whole["workers_cpu_s"]
    alone = whole["cpu_s"] - parallel
    return {
        "executor_scenes": scenes,
        "executor_killed_after": killed["clips"],
        "executor_same_bytes": digests[0] == digests[1] == digests[2],
        "executor_one_worker_s": one["clock_s"],
        "executor_one_worker_cpu_s": one["cpu_s"],
        "executor_two_workers_s": whole["clock_s"],
        "executor_two_workers_cpu_s": whole["cpu_s"],
        "executor_killed_and_resumed_cpu_s": killed["cpu_s"] + rest["cpu_s"],
        "executor_scenes_per_cpu_minute": 60.0 * scenes / one["cpu_s"],
        "executor_speedup_on_free_processors": one["cpu_s"] / (alone + parallel / 2.0),
        "executor_peak_mib_per_worker": whole["peak_mib"],
    }


def ray_builds(scenes: int, kill_after: int) -> dict[str, Any]:
    """Return whether `--executor ray`, killed once and resumed, gives what `local` gives, and what it takes."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        words = [*_small_recordings(root / "rooms", scenes), "--num-proc", "2", "--executor"]
        local = _build_command([*words, "local", "--out", str(root / "local/ocr-vsi")])
        words += ["ray", "--out", str(root / "ray/ocr-vsi")]
        killed = _build_command(words, root / "ray/ocr-vsi.incomplete", kill_after)
        rest = _build_command([*words, "--resume"])
        same = _digests(root / "local/ocr-vsi") == _digests(root / "ray/ocr-vsi")
    return {
        "ray_scenes": scenes,
        "ray_killed_after": killed["clips"],
        "ray_same_bytes_as_local": same,
        "ray_killed_and_resumed_s": killed["clock_s"] + rest["clock_s"],
        "ray_local_s": local["clock_s"],
    }


def _small_recordings(rooms: Path, scenes: int) -> list[str]:
    """Write small recorded scenes; return the words of `ocr-hf build` for them."""
    write_recordings(rooms, scenes, 16, 320, 240)
    return ["--source", "recorded", "--root", str(rooms), "--frames", "8", "--width", "160", "--height", "120"]


def _build_command(words: list[str], staging: Path | None = None, kill_after: int | None = None) -> dict[str, float]:
    """Run `ocr-hf build`, and kill it with its workers once so many clips are there; return what it took."""
    import signal
    import subprocess
    import sys

    import psutil

    start, before = time.perf_counter(), os.times()
    process = subprocess.Popen(
        [sys.executable, "-m", "ocr_hf.cli", "build", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    watched, peak, workers, clips = psutil.Process(process.pid), 0.0, {}, 0
    while process.poll() is None:
        for worker in watched.children(recursive=True):
            try:
                used = worker.cpu_times()
                workers[worker.pid] = used.user + used.system
                peak = max(peak, peak_mib(worker.pid))
            except (psutil.Error, ProcessLookupError):  # it has ended meanwhile
                continue
        clips = len(list((staging / ".parts").glob("*.json"))) if staging is not None and staging.is_dir() else 0
        if kill_after is not None and clips >= kill_after:
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.05)
    after = os.times()
    if process.returncode != (0 if kill_after is None else -signal.SIGKILL):
        raise RuntimeError(f"ocr-hf build {' '.join(words)} ended with status {process.returncode}")
    return {
        "clock_s": time.perf_counter() - start,
        # What a killed process had spent is not told to who started it: its workers' is what was seen of them
        "cpu_s": max(
            after.children_user - before.children_user + after.children_system - before.children_system,
            sum(workers.values()),
        ),
        "workers_cpu_s": sum(workers.values()),
        "peak_mib": peak,
        "clips": clips,
    }


def _digests(folder: Path) -> dict[str, str]:
    """Return every file's SHA-256, without the key of the folder's place."""
    import hashlib

    from ocr_hf.data.place import PLACE

    files = (path for path in folder.rglob("*") if path.is_file() and path.name != PLACE)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write_recordings(root: Path, scenes: int, frames: int, width: int = 640, height: int = 480) -> None:
    """Write a room as a recorded scene, and the same files under other names."""
    from ocr_hf.data.build_config import BuildConfig
    from ocr_hf.data.build_plan import plan_scenes
    from ocr_hf.data.clip_cameras import camera_path
    from ocr_hf.data.recorded_scene import RecordedScene
    from ocr_hf.data.sources import open_scene
    from ocr_hf.scenes.render.renderer import Renderer

    config = BuildConfig(scenes=1, rooms=1, frames=frames, width=width, height=height, seconds=12.0, seed=3)
    (plan,) = plan_scenes(config)
    scene = open_scene(config, plan)
    path = camera_path(config, plan.clips[0], scene)
    seen = Renderer(scene, light_rays=4).render(path.camera_to_world, path.intrinsics, width, height, path.exposure)
    first = RecordedScene(
        name="room_000",
        frames=seen.frames,
        poses=path.camera_to_world,
        intrinsics=path.intrinsics,
        times_s=[number / path.fps for number in range(frames)],
        objects=scene.objects,
        depth=seen.depth,
        instances=seen.instances,
    ).write(root)
    for number in range(1, scenes):
        for file in first.rglob("*.*"):
            copy = root / f"room_{number:03d}" / file.relative_to(first)
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, copy)


def sens_speed(frames: int) -> dict[str, float]:
    """Return frames per processor second of the .sens reader, and its speed as a share of bare JPEG decoding."""
    import io
    import struct
    import zlib

    import cv2
    import numpy as np
    from PIL import Image

    from ocr_hf.scenes.recorded.sens_file import read_sens

    # Smoothed noise: about the bytes that a photograph of a room takes
    noise = np.random.default_rng(0).integers(0, 256, (968, 1296, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(cv2.GaussianBlur(noise, (0, 0), 2.0)).save(buffer, "JPEG", quality=90)
    jpeg, depth = buffer.getvalue(), zlib.compress(bytes(640 * 480 * 2))
    matrices = np.tile(np.eye(4, dtype="<f4"), (4, 1, 1)).tobytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "room.sens"
        with path.open("wb") as file:
            file.write(struct.pack("<IQ", 4, 0) + matrices)
            file.write(struct.pack("<2i4IfQ", 2, 1, 1296, 968, 640, 480, 1000.0, frames))
            for number in range(frames):
                file.write(np.eye(4, dtype="<f4").tobytes() + struct.pack("<4Q", number, number, len(jpeg), len(depth)))
                file.write(jpeg + depth)
        start = time.process_time()
        for _ in range(frames):
            np.array(Image.open(io.BytesIO(jpeg)))
        bare = time.process_time() - start
        start = time.process_time()
        stream = read_sens(path)
        for index in range(frames):
            stream.color(index)
        read = time.process_time() - start
    return {"sens_fps": frames / read, "sens_of_bare_jpeg": bare / read}


def peak_mib(pid: int) -> float:
    """Return the largest memory that a process ever held, MiB; 0 where the system doesn't say."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def growth_mib(held: dict[int, list[float]]) -> float:
    """Return how much more a worker held over the last third of its scenes than over the middle third."""
    return max(
        mean(values[-third(values) :]) - mean(values[-2 * third(values) : -third(values)] or values)
        for values in held.values()
    )


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
    parser.add_argument("--only", choices=["recorded", "executor", "ray"], help="one part alone")
    arguments = parser.parse_args()
    quick = arguments.quick
    if arguments.only in ("executor", "ray"):
        report_executor(executor_builds if arguments.only == "executor" else ray_builds, quick)
        return
    figures, rows = ({}, []) if arguments.only else rendered(quick, arguments.scene, arguments.instances)
    recorded = recorded_builds(2, 16) if quick else recorded_builds(50, 48)
    figures |= {**recorded, **sens_speed(8 if quick else 64)}
    one, two = figures["recorded_one_worker_s"], figures["recorded_two_workers_s"]
    rows += [
        ("recorded scenes, 1 worker", f"{figures['recorded_scenes_per_minute']:.0f} a minute", ""),
        (f"  2 workers instead of 1 ({one:.1f} s -> {two:.1f} s)", f"{one / two:.2f} x", "at least 1.7"),
        ("  peak memory of a worker", f"{figures['recorded_peak_mib_per_worker']:.0f} MiB", "at most 1536"),
        ("  growth over the last third", f"{figures['recorded_growth_mib']:+.0f} MiB", "flat"),
        (
            f".sens, {figures['sens_fps']:.1f} pictures/s, against bare JPEG",
            f"{figures['sens_of_bare_jpeg']:.2f} x",
            "at least 0.9",
        ),
    ]
    print(machine())
    for name, value, goal in rows:
        print(f"{name:<48} {value:>16}   {goal}")
    if quick:
        print("--quick: two scenes, so the workers' start-up weighs most; the goals are for the full run")
    print(json.dumps({"machine": machine(), "quick": quick, **figures}))


def report_executor(build_by: Callable[[int, int], dict[str, Any]], quick: bool) -> None:
    """Print a part on executors."""
    figures = build_by(*((4, 1) if quick else (200, 50)))
    for name, value in figures.items():
        print(f"{name:<44} {value if isinstance(value, bool | int) else round(value, 2)}")
    print(json.dumps({"machine": machine(), "quick": quick, **figures}))


def rendered(
    quick: bool, scene: Path | None, instances: Path | None
) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """Return figures of scenes that are made, and rows of the table."""
    from ocr_hf.data.build_config import BuildConfig

    if scene is None and (HOUSE / "house.glb").is_file():
        scene, instances = HOUSE / "house.glb", HOUSE / "instances.json"
    render = render_speed(scene, instances, 16 if quick else 64)
    edited = edited_copies(2, 8) if quick else edited_copies(10, 32)
    size = {"scenes": 2, "frames": 8, "rooms": 1} if quick else {"scenes": 50, "frames": 32, "rooms": 1}
    config = BuildConfig(width=WIDTH, height=HEIGHT, **size)
    one, _, _ = build(1, config)
    two, held, peak = build(2, config)
    scenes = size["scenes"]
    growth = growth_mib(held)
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
    rows = [
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
    ]
    return figures, rows


if __name__ == "__main__":
    main()
