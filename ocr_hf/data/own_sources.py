"""The scene sources that come with the package; readers and generators are imported when a scene is opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import ScenePlan
from ocr_hf.data.sources import SCENE_SOURCES, SceneSource
from ocr_hf.questions.exclude import why_excluded
from ocr_hf.scenes.readers.mesh_options import check_options
from ocr_hf.scenes.recorded.intake_format import BOXES, CAMERAS
from ocr_hf.scenes.scene import Scene

if TYPE_CHECKING:
    from ocr_hf.data.footage import Footage

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


class Recorded(SceneSource):
    """Real frames with cameras and boxes, a folder for each scene."""

    name = "recorded"
    help = "real frames with cameras and boxes: the folder that `root` names, or each of those in it, is a scene"
    settings = ("root",)
    default_options = {"margin_m": 0.01, "outlines": False, "keep_blurred": False}
    is_recorded = True
    skips_failures = True

    def check(self, config: BuildConfig) -> None:
        if not config.root:
            raise ValueError("source recorded needs a folder; give --root FOLDER (docs/your-own-scans.md)")
        if not Path(config.root).is_dir():
            raise ValueError(f"root is {config.root}, which is no folder; give one with recorded scenes")
        if not self._folders(config):
            raise ValueError(f"root is {config.root}, and no folder in it has {CAMERAS}; give one with recorded scenes")
        self.check_cut(config)

    def check_cut(self, config: BuildConfig) -> None:
        """Raise ValueError for options by which no clip can be cut from recorded frames."""
        margin_m = self.options(config)["margin_m"]
        if not 0.0 <= margin_m <= 1.0:
            raise ValueError(
                f"margin_m is {margin_m}; give 0 to 1 metres by which boxes are grown when depth is tested"
            )
        for name in ("trajectory", "seconds", "fps", "fov", "eye_height", "exposure", "twins", "variants"):
            if getattr(config, name):
                raise ValueError(
                    f"--{name.replace('_', '-')} is {getattr(config, name)}, which needs a scene that can be rendered; "
                    "recorded frames have their own cameras and times: leave it out"
                )

    def num_scenes(self, config: BuildConfig) -> int:
        return len(self._folders(config))

    def scene_name(self, config: BuildConfig, index: int, seed: int) -> str:
        return self._folders(config)[index].name

    def inputs(self, config: BuildConfig) -> Sequence[str]:
        return (str(Path(config.root).resolve()),)

    def why_excluded(self, config: BuildConfig, plan: ScenePlan) -> str | None:
        folder = self._folders(config)[plan.index]
        return why_excluded(folder) or why_excluded(_scan_of(folder))

    def open(self, config: BuildConfig, plan: ScenePlan) -> Scene:
        return self.footage(config, plan).scene

    def footage(self, config: BuildConfig, plan: ScenePlan) -> Footage:
        from ocr_hf.data.footage import Footage
        from ocr_hf.scenes.recorded.read_recorded import read_recorded

        options = self.options(config)
        folder = read_recorded(self._folders(config)[plan.index])
        return Footage(folder, options["margin_m"], options["outlines"], options["keep_blurred"])

    def _folders(self, config: BuildConfig) -> tuple[Path, ...]:
        root = Path(config.root).resolve()
        return _scene_folders(root, root.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _scene_folders(root: Path, changed: int) -> tuple[Path, ...]:
    """Return the folders of the recorded scenes in a folder, or itself; `changed` is when it last was."""
    if (root / CAMERAS).is_file():
        return (root,)
    # One file is enough: what is missing is told when the scene is opened, rather than leaving it out in silence
    found = (item for item in root.iterdir() if any((item / name).is_file() for name in (CAMERAS, BOXES)))
    return tuple(sorted(item for item in found if not item.name.startswith(".")))


def _scan_of(folder: Path) -> str:
    """Return the scan's name that a recorded scene states, or nothing: whatever is wrong is told when it is opened."""
    try:
        scan = json.loads((folder / CAMERAS).read_bytes()).get("scan")
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""
    return scan if isinstance(scan, str) else ""


for _source in (Procedural(), Furnished(), MeshFiles(), Recorded()):
    SCENE_SOURCES.register(_source)
