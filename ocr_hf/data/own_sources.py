"""The scene sources that come with the package; readers and generators are imported when a scene is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import ScenePlan
from ocr_hf.data.sources import SCENE_SOURCES, SceneSource
from ocr_hf.questions.exclude import why_excluded
from ocr_hf.scenes.readers.mesh_options import check_options
from ocr_hf.scenes.scene import Scene

MAX_ROOMS = 4
GENERATOR_VERSION = 2
"""Of the homes that `scenes/homes` makes. 1: sizes, rooms and lens nearly constant. 2: drawn from wide spreads, so that
names don't tell sizes."""
INSTALLED_MODELS = Path("/usr/share/sweethome3d/furniture")
"""Where Debian's package `sweethome3d-furniture` puts its models."""


def _check_rooms(config: BuildConfig) -> None:
    if config.rooms is not None and not 1 <= config.rooms <= MAX_ROOMS:
        raise ValueError(f"rooms is {config.rooms}; a {config.source} scene has 1 to {MAX_ROOMS}")


class Procedural(SceneSource):
    """Homes drawn from a seed, their furniture built of simple shapes."""

    name = "procedural"
    help = "homes drawn from a seed, with furniture built of simple shapes; needs no files"
    settings = ("rooms",)
    skips_failures = True
    version = GENERATOR_VERSION

    def check(self, config: BuildConfig) -> None:
        _check_rooms(config)

    def open(self, config: BuildConfig, plan: ScenePlan) -> Scene:
        from ocr_hf.scenes.homes.procedural import procedural_scene

        return procedural_scene(plan.seed, rooms=config.rooms)


class Furnished(SceneSource):
    """The same homes with real furniture models among their own."""

    name = "furnished"
    help = "the same homes, with real furniture models from the folder that `models` names, or the installed ones"
    settings = ("rooms", "models")
    skips_failures = True
    version = GENERATOR_VERSION

    def check(self, config: BuildConfig) -> None:
        _check_rooms(config)
        if config.models is None and not INSTALLED_MODELS.is_dir():
            raise ValueError(
                "source furnished needs furniture, and none is installed; install the Debian package "
                "sweethome3d-furniture, or give --models FOLDER, a folder of furniture models"
            )

    def inputs(self, config: BuildConfig) -> Sequence[str]:
        folder = config.models or str(INSTALLED_MODELS)
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"{folder}: no such folder; --models takes a folder of furniture models")
        return (folder,)

    def open(self, config: BuildConfig, plan: ScenePlan) -> Scene:
        from ocr_hf.scenes.homes.furnished import furnished_scene

        return furnished_scene(plan.seed, Path(config.models or INSTALLED_MODELS), rooms=config.rooms)


class MeshFiles(SceneSource):
    """Scene files of the user's, one scene each."""

    name = "mesh"
    help = "glTF, GLB or OBJ files that `path` names, one scene each"
    settings = ("path", "instances", "labels", "up", "units", "strays", "attribution")

    def check(self, config: BuildConfig) -> None:
        if not config.path:
            raise ValueError("source mesh needs a scene file; give --path FILE (glTF, GLB or OBJ)")
        check_options(config.up, config.units, config.strays)
        if config.instances and len(config.instances) != len(config.path):
            raise ValueError(
                f"{len(config.instances)} --instances for {len(config.path)} --path; give one each, or none"
            )

    def num_scenes(self, config: BuildConfig) -> int:
        return len(config.path)

    def scene_name(self, config: BuildConfig, index: int, seed: int) -> str:
        return Path(config.path[index]).stem

    def inputs(self, config: BuildConfig) -> Sequence[str]:
        return (*config.path, *config.instances, *([config.labels] if config.labels else []))

    def why_excluded(self, config: BuildConfig, plan: ScenePlan) -> str | None:
        # Scans lie in folders that are named after them, whatever the file's own name is
        return why_excluded(config.path[plan.index])

    def open(self, config: BuildConfig, plan: ScenePlan) -> Scene:
        from ocr_hf.scenes.readers.mesh_file import load_mesh_scene

        return load_mesh_scene(
            Path(config.path[plan.index]),
            Path(config.instances[plan.index]) if config.instances else None,
            Path(config.labels) if config.labels else None,
            name=plan.name,
            up=config.up,
            licence=config.licence,
            attribution=config.attribution,
            units=config.units,
            strays=config.strays,
        )


for _source in (Procedural(), Furnished(), MeshFiles()):
    SCENE_SOURCES.register(_source)
