"""Plans: what is built follows from the options alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import jobs, most_files, plan_scenes, too_many_to_push
from ocr_hf.questions.question import max_per_scene


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 40))
def test_jobs_cover_every_clip_once_and_keep_all_workers_busy(scenes: int, clips: int, num_proc: int) -> None:
    planned = plan_scenes(BuildConfig(scenes=scenes, clips_per_scene=clips))
    wanted = [clip for scene in planned for clip in scene.clips]
    work = jobs(planned, num_proc)
    assert [clip for job in work for clip in job.clips] == wanted
    assert [clip.index for clip in wanted] == list(range(scenes * clips))
    assert len({clip.id for clip in wanted}) == len(wanted)
    assert len(work) >= min(num_proc, scenes) and all(job.clips for job in work)


def test_two_seeds_share_no_scene() -> None:
    names = [scene.name for seed in (0, 1) for scene in plan_scenes(BuildConfig(scenes=10_000, seed=seed))]
    assert len(set(names)) == 20_000


def test_questions_per_task_reach_the_generator() -> None:
    assert BuildConfig().question_config.max_per_scene == max_per_scene()
    assert BuildConfig(questions_per_task=4).question_config.max_per_scene == max_per_scene(4)


def test_a_scene_keeps_its_split_however_many_are_built() -> None:
    few = plan_scenes(BuildConfig(scenes=50, validation=0.1, test=0.2))
    many = plan_scenes(BuildConfig(scenes=2000, validation=0.1, test=0.2))
    assert [scene.split for scene in few] == [scene.split for scene in many[:50]]
    counts = Counter(scene.split for scene in many)
    assert abs(counts["validation"] - 200) < 45 and abs(counts["test"] - 400) < 60
    assert {scene.split for scene in plan_scenes(BuildConfig(split="test"))} == {"test"}


@pytest.mark.parametrize(("select", "size", "name"), [("visible", 1000, "004"), ("queried", 50, "086")])
def test_large_builds_spread_over_folders(select: str, size: int, name: str) -> None:
    planned = plan_scenes(BuildConfig(scenes=5001, select=select))
    per_folder = Counter(clip.folder for scene in planned for clip in scene.clips)
    assert max(per_folder.values()) == size
    assert planned[4321].clips[0].file("noisy", 2) == f"noisy/{name}/{planned[4321].clips[0].id}_2.mp4"
    assert {clip.folder for scene in plan_scenes(BuildConfig(scenes=250)) for clip in scene.clips} == {""}


@pytest.mark.parametrize("select", ["visible", "queried"])
@pytest.mark.parametrize("clips", [1, 50, 99, 100, 250, 251, 4999, 5001])
def test_no_folder_of_noisy_copies_can_hold_more_files_than_the_hub_takes(select: str, clips: int) -> None:
    asked = 1 if select == "visible" else sum(max_per_scene().values())
    planned = plan_scenes(BuildConfig(scenes=clips, select=select))
    assert max(Counter(clip.folder for scene in planned for clip in scene.clips).values()) * asked <= 10_000


@pytest.mark.parametrize(
    ("options", "most", "fewer"),
    [
        ({"select": "visible", "scenes": 10_000}, 20_000, None),
        ({"select": "queried", "scenes": 247}, 24_947, None),
        ({"select": "queried", "scenes": 250}, 25_250, 247),
        ({"select": "context", "scenes": 25, "clips_per_scene": 10}, 25_250, 247),
        ({"select": "queried", "scenes": 250, "questions_per_task": 4}, 7_750, None),
        ({"select": "visible", "scenes": 2000, "variants": 12}, 28_000, 1785),
        ({"select": "visible", "scenes": 2000, "twins": 8}, 36_000, 1388),
    ],
)
def test_what_a_push_may_not_take_is_said_before_the_build(options: dict, most: int, fewer: int | None) -> None:
    config = BuildConfig(**options)
    assert most_files(config) == most
    told = too_many_to_push(config)
    if fewer is None:
        assert told is None
    else:
        assert f"up to {most:,} video files" in told and f"parts of up to {fewer} clips" in told
        clips = {"scenes": fewer, "clips_per_scene": 1}
        assert too_many_to_push(BuildConfig(**{**options, **clips})) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "photos"}, "source is 'photos'"),
        ({"source": "mesh"}, "--path"),
        ({"path": ("a.glb",)}, "source mesh"),
        ({"source": "mesh", "path": ("a.glb", "b.glb"), "instances": ("a.json",)}, "1 --instances for 2 --path"),
        ({"source": "furnished"}, "--models"),
        ({"rooms": 5}, "rooms is 5"),
        ({"scenes": 0}, "scenes is 0"),
        ({"frames": 1}, "frames is 1"),
        ({"width": 97}, "width is 97"),
        ({"fov": 180.0}, "180"),
        ({"fps": 2.0, "seconds": 3.0}, "only one"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"select": "all"}, "select is 'all'"),
        ({"mode": "blur"}, "mode is 'blur'"),
        ({"strength": 1.5}, "strength is 1.5"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"validation": 0.6, "test": 0.6}, "validation is 0.6"),
        ({"frames": 3000, "width": 1280, "height": 720}, "MiB"),
        ({"seed": -1}, "seed is -1"),
        ({"question_types": ("colour",)}, "question type is 'colour'; choose one of object_counting"),
        ({"question_frames": 1}, "question_frames is 1; objects must be seen in two"),
        ({"questions_per_task": 0}, "questions_per_task is 0; give at least 1"),
        ({"trajectory": "path.txt", "scenes": 2}, "one clip of one scene"),
        ({"up": "x", "source": "mesh", "path": ("a.glb",)}, "up is 'x'; choose y or z"),
        ({"units": "km", "source": "mesh", "path": ("a.glb",)}, "units is 'km'; choose m, cm, mm, in or ft"),
        ({"strays": "no", "source": "mesh", "path": ("a.glb",)}, "strays is 'no'; choose keep or drop"),
        ({"units": "cm"}, "--units goes with source mesh, not with procedural"),
    ],
)
def test_unusable_options_name_themselves(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BuildConfig(**options)


def test_meshes_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="house"):
        plan_scenes(BuildConfig(source="mesh", path=("a/house.glb", "b/house.glb")))


def test_saved_options_hold_no_paths_and_no_defaults_to_guess() -> None:
    config = BuildConfig(source="mesh", path=("some/where/house.glb",), instances=("some/where/i.json",), fps=2.0)
    public = config.public()
    assert "where" not in str(public)
    assert (public["seconds"], public["fps"], public["strength"]) == (16.0, None, 0.5)
    assert public["scenes"] == 1, "one per --path, whatever --scenes says"
    assert BuildConfig(**{**public, "instances": ()}).public() == {**public, "instances": []}
