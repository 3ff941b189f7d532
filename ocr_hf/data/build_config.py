"""The options of a build: one dataclass, of which the flags of `ocr-hf build` and a YAML file are other spellings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ocr_hf.geometry.camera import intrinsics_from_fov
from ocr_hf.perturb.modes import NOISE_MODES, noise_mode
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.perturb.select import POLICIES
from ocr_hf.questions.question import VSI_BENCH_TYPES, QuestionConfig, VisibilityRule, max_per_scene
from ocr_hf.registry import QUESTION_TYPES, SCENE_SOURCES, Choices, fill_options, parse_options, unknown_choice
from ocr_hf.scenes.cameras.trajectories import AUTO, AXES, FORMATS

SPLITS = ("train", "validation", "test")
DEFAULT_SECONDS = 16.0
MAX_SCENES = 10_000
"""Scene number i of seed s is made from s * MAX_SCENES + i, so that two seeds share no scene."""
MAX_CLIP_BYTES = 600 * 2**20
"""What the frames of one clip may take in memory; a worker holds them and little else."""


def _option(default: Any, help: str | Choices) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class BuildConfig:
    """What goes into an ocr-vsi folder. Equal configs give equal bytes, whatever the number of workers.

    Field help texts are the command's help. Raises ValueError, naming option and value, for one that can't be used.
    """

    source: str = _option("procedural", Choices("where scenes come from: {}", SCENE_SOURCES))
    source_options: dict[str, Any] | str | None = field(
        default=None, hash=False, metadata={"help": "options of a plugin's source: KEY=VALUE, or a JSON object"}
    )
    scenes: int = _option(2, "number of scenes (source mesh: one per --path)")
    clips_per_scene: int = _option(1, "videos of each scene; with several, each walks through another room")
    rooms: int | None = _option(None, "rooms of a procedural or furnished scene, 1 to 4; left out: by the seed")
    path: tuple[str, ...] = _option((), "source mesh: a glTF, GLB or OBJ file; may be repeated")
    instances: tuple[str, ...] = _option((), "source mesh: JSON file of object instances, one per --path")
    categories: str | None = _option(None, "source mesh: JSON file that maps the file's classes to question categories")
    up: str | None = _option(None, "source mesh: the file's vertical axis, y or z; left out: detected")
    licence: str = _option("other", "source mesh: licence of the scene, as the card states it")
    attribution: tuple[str, ...] = _option((), "source mesh: author to credit on the card; may be repeated")
    models: str | None = _option(None, "source furnished: folder of furniture models")
    trajectory: str | None = _option(None, "camera path from a file instead of a planned walk")
    trajectory_format: str = _option("tum", f"format of --trajectory: {', '.join((AUTO, *FORMATS))}; docs/cameras.md")
    camera_axes: str | None = _option(
        None, f"camera axes of --trajectory: {', '.join(AXES)}; left out: those of the format"
    )
    frames: int = _option(32, "frames of a clip")
    seconds: float | None = _option(None, f"scene time that a clip covers (default {DEFAULT_SECONDS:g})")
    fps: float | None = _option(None, "frames per second, instead of --seconds")
    width: int = _option(392, "frame width, pixels, even")
    height: int = _option(280, "frame height, pixels, even")
    fov: float = _option(75.0, "horizontal field of view, degrees; a COLMAP trajectory brings its own camera")
    seed: int = _option(0, "of scenes, camera paths, questions and noise")
    select: str = _option("visible", "objects to perturb in `noisy`: visible, queried, context")
    max_objects: int = _option(4, "how many objects to perturb at most")
    mode: str = _option("gaussian", Choices("noise: {}", NOISE_MODES))
    strength: float | None = _option(None, "of the noise: gaussian 0 to 1, geometry in box diagonals; default by mode")
    question_types: tuple[str, ...] = _option(
        (), Choices("question type to ask, of {}; may be repeated; left out: VSI-Bench's ten", QUESTION_TYPES)
    )
    questions_per_task: int | None = _option(
        None, "most questions of a VSI-Bench task in a clip, of a direction's level a third; left out: as VSI-Bench has"
    )
    question_frames: int = _option(16, "frames that a model will see: what these don't show clearly isn't asked about")
    split: str = _option("train", "split of the scenes that are in no other")
    validation: float = _option(0.0, "share of scenes in the validation split")
    test: float = _option(0.0, "share of scenes in the test split")

    def __post_init__(self) -> None:
        for item in fields(self):  # YAML and JSON have lists
            if isinstance(getattr(self, item.name), list):
                object.__setattr__(self, item.name, tuple(getattr(self, item.name)))
        self._check_source()
        self._check_clip()
        if self.select not in POLICIES:
            raise ValueError(unknown_choice("select", self.select, POLICIES))
        self.ocr_map  # noqa: B018  (checks the other options of the noise)
        self.question_config  # noqa: B018
        if self.split not in SPLITS:
            raise ValueError(f"split is '{self.split}'; choose one of {', '.join(SPLITS)}")
        if min(self.validation, self.test) < 0.0 or self.validation + self.test > 1.0:
            raise ValueError(f"validation is {self.validation} and test {self.test}; give shares of at most 1 together")

    def _check_source(self) -> None:
        source = self.scene_source
        given = parse_options(self.source_options, "source_options")
        options = fill_options(source.default_options, given, f"source '{self.source}'", "source_options")
        object.__setattr__(self, "source_options", options or None)
        defaults = {item.name: item.default for item in fields(self)}
        taken = {name: known for known, other in SCENE_SOURCES.items() for name in other.settings}
        wrong = [name for name in taken if name not in source.settings and getattr(self, name) != defaults[name]]
        if wrong:
            raise ValueError(
                f"--{wrong[0].replace('_', '-')} goes with source {taken[wrong[0]]}, not with {self.source}; leave it "
                "out, or change --source"
            )
        source.check(self)
        if not 1 <= self.num_scenes <= MAX_SCENES:
            raise ValueError(f"scenes is {self.num_scenes}; give 1 to {MAX_SCENES}, and other seeds for more")
        if not 1 <= self.clips_per_scene <= 100:
            raise ValueError(f"clips_per_scene is {self.clips_per_scene}; give 1 to 100")
        for name, known in (("trajectory_format", (AUTO, *FORMATS)), ("camera_axes", (None, *AXES))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is '{getattr(self, name)}'; choose one of {', '.join(filter(None, known))}")
        if self.camera_axes and not self.trajectory:
            raise ValueError(f"--camera-axes {self.camera_axes} goes with --trajectory FILE, which isn't given")
        if self.trajectory and self.num_scenes * self.clips_per_scene != 1:
            raise ValueError(
                f"--trajectory is for one clip of one scene, there are {self.num_scenes * self.clips_per_scene}; "
                "use --scenes 1 --clips-per-scene 1"
            )
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give 0 or more")

    def _check_clip(self) -> None:
        if self.frames < 2:
            raise ValueError(f"frames is {self.frames}; a clip has at least 2")
        for name, pixels in (("width", self.width), ("height", self.height)):
            if pixels < 16 or pixels % 2:
                raise ValueError(f"{name} is {pixels}; give an even number of pixels, at least 16")
        need = 3 * self.frames * self.width * self.height
        if need > MAX_CLIP_BYTES:
            raise ValueError(
                f"{self.frames} frames of {self.width}x{self.height} take {need / 2**20:.0f} MiB, a clip may take "
                f"{MAX_CLIP_BYTES / 2**20:.0f}; use fewer or smaller frames, or several clips"
            )
        if self.seconds is not None and self.fps is not None:
            raise ValueError(f"seconds is {self.seconds} and fps {self.fps}; with {self.frames} frames give only one")
        for name, value in (("seconds", self.seconds), ("fps", self.fps)):
            if value is not None and not 0.0 < value < float("inf"):
                raise ValueError(f"{name} is {value}; give a number above 0")
        intrinsics_from_fov(self.width, self.height, self.fov)

    @property
    def scene_source(self) -> Any:
        """Where scenes come from, a `SceneSource`."""
        return SCENE_SOURCES.find(self.source)

    @property
    def num_scenes(self) -> int:
        """Scenes that are planned; some may turn out to show nothing."""
        return self.scene_source.num_scenes(self)

    @property
    def clip_fps(self) -> float:
        """Frames per second of scene time."""
        return self.fps if self.fps is not None else self.frames / (self.seconds or DEFAULT_SECONDS)

    @property
    def clip_seconds(self) -> float:
        """Scene time that a clip covers."""
        return self.frames / self.clip_fps

    @property
    def question_config(self) -> QuestionConfig:
        """What the question generator is told."""
        if self.question_frames < 2:
            raise ValueError(f"question_frames is {self.question_frames}; objects must be seen in two, give at least 2")
        visibility = VisibilityRule(num_frames=self.question_frames)
        limits = max_per_scene(self.questions_per_task)
        return QuestionConfig(self.question_types or VSI_BENCH_TYPES, visibility, max_per_scene=limits)

    @property
    def ocr_map(self) -> OCRMap:
        """What makes the noisy copy."""
        return OCRMap(
            select=self.select,
            max_objects=self.max_objects,
            mode=noise_mode(self.mode),
            strength=self.strength,
            seed=self.seed,
        )

    def public(self) -> dict[str, Any]:
        """Return the options as JSON values, with file names instead of paths: what is saved beside the data."""
        known = {"scenes": self.num_scenes, "strength": self.ocr_map.noise_strength, "seconds": self.clip_seconds}
        values = asdict(replace(self, **known, fps=None))
        for name in ("path", "instances"):
            values[name] = [Path(item).name for item in values[name]]
        for name in ("categories", "models", "trajectory"):
            values[name] = Path(values[name]).name if values[name] else None
        if values["camera_axes"] is None:  # an option younger than the manifests that must stay as they are
            del values["camera_axes"]
        # Left out where there are none, so that folders built before a source could have options are the same as now
        options = values.pop("source_options")
        if options:
            read = set(map(str, self.scene_source.inputs(self)))
            values["source_options"] = {
                name: Path(value).name if isinstance(value, str) and value in read else value
                for name, value in options.items()
            }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def inputs(self) -> dict[str, str]:
        """Return file name -> SHA-256 of every file that the build reads; raise FileNotFoundError for a missing one."""
        named = [*self.scene_source.inputs(self), *([self.trajectory] if self.trajectory else [])]
        missing = [item for item in named if not Path(item).exists()]
        if missing:
            raise FileNotFoundError(f"{missing[0]}: no such file; check the path")
        # Folders last: the order in which manifests have always listed them
        return {Path(item).name: _digest(Path(item)) for item in sorted(named, key=lambda item: Path(item).is_dir())}


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of the names and sizes of the files in a folder."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    listing = sorted((str(item.relative_to(path)), item.stat().st_size) for item in path.rglob("*") if item.is_file())
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()
