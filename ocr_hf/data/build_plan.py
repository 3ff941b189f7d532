"""Which scenes and clips a build consists of, and who makes which: fixed before any work starts."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from ocr_hf.data.build_config import MAX_SCENES, BuildConfig
from ocr_hf.data.schema import MAX_PUSHED_FILES

CLIPS_PER_FOLDER = {"visible": 1000, "queried": 50, "context": 50}
"""By `select`. The Hub allows 10,000 files in a folder, and where objects are selected by question a clip has up to a
hundred noisy videos."""
UNSPLIT = {"visible": 5000, "queried": 50, "context": 50}
"""Clips of the largest build that isn't split up into folders."""


@dataclass(frozen=True)
class ClipPlan:
    """One video to make.

    index : number in the whole build; row ids follow from it, so they don't depend on workers or on skipped clips
    id : usable as a file name
    folder : "" or "012/", where its files go inside `vanilla` and `noisy`
    """

    index: int
    id: str
    folder: str

    def file(self, variant: str, number: int = 0) -> str:
        """Return the name of a video of this clip inside its split: `vanilla`, or a `noisy` of several."""
        return f"{variant}/{self.folder}{self.id}{f'_{number}' if number else ''}.mp4"


@dataclass(frozen=True)
class ScenePlan:
    """One scene to make and the clips to take of it."""

    index: int
    name: str
    seed: int
    split: str
    clips: tuple[ClipPlan, ...]


def plan_scenes(config: BuildConfig) -> tuple[ScenePlan, ...]:
    """Return the scenes of a build; raise ValueError if two of them would have one name."""
    names = [config.scene_source.scene_name(config, index, _seed(config, index)) for index in range(config.num_scenes)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"several scenes of source {config.source} are named {', '.join(sorted(twice))}; rename them (a mesh scene "
            "is named by its file), because the name tells scenes apart"
        )
    return tuple(_plan(config, index, name) for index, name in enumerate(names))


def split_of(name: str, config: BuildConfig) -> str:
    """Return the split of a scene: a function of its name and the shares alone.

    A scene stays in its split however many others are built, so training data and a test set that were built
    with the same shares never meet.
    """
    # A uniform hash of the name instead of a shuffled list: adding scenes moves none of the others.
    place = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") / 2.0**64
    if place < config.test:
        return "test"
    return "validation" if place < config.test + config.validation else config.split


def check_workers(num_proc: int) -> None:
    """Raise ValueError for a number of workers that can't build anything."""
    if num_proc < 1:
        raise ValueError(f"num_proc is {num_proc}; give at least 1 worker")


def jobs(scenes: tuple[ScenePlan, ...], num_proc: int) -> list[ScenePlan]:
    """Return pieces of work for `num_proc` workers: scenes, cut into runs of clips where scenes are fewer."""
    # Ceiling division. Baking a scene's light is shared by its clips, so a scene is cut up only where workers would
    # idle.
    pieces = -(-num_proc // max(len(scenes), 1))
    out = []
    for scene in scenes:
        size = -(-len(scene.clips) // pieces)
        for start in range(0, len(scene.clips), size):
            out.append(ScenePlan(scene.index, scene.name, scene.seed, scene.split, scene.clips[start : start + size]))
    return out


def in_folders(clips: int, select: str) -> bool:
    """Return whether the files of a build of so many clips lie in numbered folders."""
    return clips > UNSPLIT[select]


def most_files(config: BuildConfig) -> int:
    """Return how many video files a build has at most: each choice of objects has a noisy copy and altered ones.

    Fewer where questions of a clip leave the same choice, and where it has fewer questions than may be asked.
    """
    questions = config.question_config
    asked = sum(questions.max_per_scene.get(name, 0) for name in questions.question_types)
    choices = 1 if config.select == "visible" else asked
    per_clip = 1 + choices * (1 + config.variants) + 2 * config.twins
    return config.num_scenes * config.clips_per_scene * per_clip


def too_many_to_push(config: BuildConfig) -> str | None:
    """Say before the work of a build if a push might not take its files, None where it will."""
    most, clips = most_files(config), config.num_scenes * config.clips_per_scene
    if most <= MAX_PUSHED_FILES:
        return None
    fewer = MAX_PUSHED_FILES * clips // most
    return (
        f"This build may have up to {most:,} video files, more than the {MAX_PUSHED_FILES:,} that one push takes: to "
        f"push it, build parts of up to {fewer} clips, ask less (--questions-per-task), or leave the noise to training "
        "(--select visible; config recipes takes any selection)."
    )


def _seed(config: BuildConfig, index: int) -> int:
    return config.seed * MAX_SCENES + index


def _plan(config: BuildConfig, index: int, name: str) -> ScenePlan:
    # Numbered over the whole build, before anything is made: row ids, and with them the noise, stay the same whichever
    # clips are skipped and whichever worker makes them.
    first = index * config.clips_per_scene
    size = CLIPS_PER_FOLDER[config.select]
    many = in_folders(config.num_scenes * config.clips_per_scene, config.select)
    clips = tuple(
        ClipPlan(first + k, f"{name}_{k:02d}", f"{(first + k) // size:03d}/" if many else "")
        for k in range(config.clips_per_scene)
    )
    return ScenePlan(index, name, _seed(config, index), split_of(name, config), clips)
