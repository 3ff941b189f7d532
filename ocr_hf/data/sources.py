"""Scene sources: where the scenes of a build come from. One entry of `SCENE_SOURCES` each.

A source owns the options that go with it and their checks, the number and the names of its scenes, the files that it
reads, and opening a scene. The builder and `ocr-hf questions` find it by its name and know no source themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ocr_hf import registry
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import ClipPlan, ScenePlan
from ocr_hf.questions.exclude import why_excluded
from ocr_hf.registry import Registry
from ocr_hf.scenes.scene import Scene

if TYPE_CHECKING:
    from ocr_hf.data.footage import Footage


class SceneSource(ABC):
    """Where scenes come from. Subclass it, set the attributes, write `open`, register an instance.

    Scenes have metres, +Z up, one `SceneObject` per instance with its tight oriented box, and licence and attribution
    filled in. They must be a pure function of (config, plan): workers open them in any order, and a build that is
    continued opens them again.

    Attributes:
        name: What `source` is set to.
        help: One sentence for the documentation.
        settings: Fields of `BuildConfig` that only some sources take (rooms, path, models, ...) and that this one does.
        default_options: Its options of its own and their defaults; `source_options` sets them, and `options` returns
            those in force.
        version: Of a source that makes its scenes up: raised when the same settings give other scenes. Manifest and
            card state it, and a build begun with another version isn't continued.
        is_recorded: Whether its scenes were filmed: then it has `footage`, and no scene is rendered.
        skips_failures: Whether a scene that can't be made (ValueError) is left out and counted. Else it ends the
            build, as it should where the user named the scene.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    settings: ClassVar[tuple[str, ...]] = ()
    default_options: ClassVar[Mapping[str, Any]] = {}
    is_recorded: ClassVar[bool] = False
    skips_failures: ClassVar[bool] = False
    version: ClassVar[int | None] = None

    def check(self, config: BuildConfig) -> None:  # noqa: B027  (a source without settings has nothing to check)
        """Raise ValueError for values of its settings and options that can't be used; open no file."""

    def options(self, config: BuildConfig) -> Mapping[str, Any]:
        """Return the source's own options in force."""
        return config.source_options if isinstance(config.source_options, dict) else {}

    def num_scenes(self, config: BuildConfig) -> int:
        """Return how many scenes a build has."""
        return config.scenes

    def scene_name(self, config: BuildConfig, index: int, seed: int) -> str:
        """Return the name of a scene, which tells it from all others; usable as a file name.

        Args:
            config: The build's options.
            index: Number of the scene in the build, from 0.
            seed: The scene's own seed, which no scene of another build's seed shares.
        """
        return f"{self.name}_{seed:06d}"

    def inputs(self, config: BuildConfig) -> Sequence[str]:
        """Return the files and folders that a build reads; their digests tell whether one can be continued."""
        return ()

    def why_excluded(self, config: BuildConfig, plan: ScenePlan) -> str | None:
        """Return why a scene must not be trained on, as scenes of VSI-Bench mustn't, or None."""
        return why_excluded(plan.name)

    @abstractmethod
    def open(self, config: BuildConfig, plan: ScenePlan) -> Scene:
        """Return the scene of a plan, named `plan.name`.

        Raises:
            ValueError: The scene can't be made, or a file that the user gave can't be used.
            OSError: A file can't be read.
        """

    def footage(self, config: BuildConfig, plan: ScenePlan) -> Footage:
        """Return what was recorded of the scene of a plan; only sources that set `is_recorded` have it.

        Raises:
            ValueError: The recording can't be used.
        """
        raise NotImplementedError(f"source {self.name} renders its scenes")

    def check_clip(
        self, config: BuildConfig, clip: ClipPlan, rows: list[dict[str, Any]], folder: Path
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Return which rows of a clip stay, and, of recorded ones, what the user should know of it.

        Args:
            config: The build's options.
            clip: A clip whose videos are written.
            rows: With the columns of metadata.parquet.
            folder: Of the split; rows name videos in it.

        Raises:
            ValueError: It isn't the clip that was wanted, and is left out.
        """
        return rows, []


SCENE_SOURCES: Registry[SceneSource] = registry.SCENE_SOURCES
"""Every scene source by its name."""


def open_scene(config: BuildConfig, plan: ScenePlan) -> Scene:
    """Return the scene; raise ValueError or OSError where a file that the user gave can't be used."""
    return config.scene_source.open(config, plan)
