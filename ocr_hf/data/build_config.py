"""The options of a build: one dataclass, of which the flags of `ocr-hf build` and a YAML file are other spellings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ocr_hf.docstrings import with_help
from ocr_hf.geometry.camera import intrinsics_from_fov
from ocr_hf.perturb.alteration_mode import AlterationMode
from ocr_hf.perturb.modes import NOISE_MODES, noise_mode
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.perturb.select import POLICIES
from ocr_hf.questions.question import VSI_BENCH_TYPES, QuestionConfig, VisibilityRule, max_per_scene
from ocr_hf.registry import QUESTION_TYPES, SCENE_SOURCES, Choices, fill_options, parse_options, unknown_choice
from ocr_hf.scenes.cameras.trajectories import AUTO, AXES, FORMATS
from ocr_hf.settings.names import refuse_old_names
from ocr_hf.text_only.folds import FOLDS

SPLITS = ("train", "validation", "test")
DEFAULT_SECONDS = 16.0
MAX_SCENES = 10_000
"""Scene number i of seed s is made from s * MAX_SCENES + i, so that two seeds share no scene."""
MAX_TWINS = 8
"""Questions of a clip that have twins: VSI-Bench has eight tasks, and each is asked once."""
MAX_VARIANTS = 16
MAX_CLIP_BYTES = 600 * 2**20
"""What the frames of one clip may take in memory; a worker holds them and little else."""


def _option(default: Any, help: str | Choices) -> Any:
    return field(default=default, metadata={"help": help})


@with_help
@refuse_old_names
@dataclass(frozen=True)
class BuildConfig:
    """What goes into an ocr-vsi folder. Equal configs give equal bytes, whatever the number of workers.

    Args:
        source: where scenes come from: procedural, furnished, mesh, recorded, scans, or a scene source that a plugin
            registers.
        source_options: options of a plugin's source: KEY=VALUE, or a JSON object.
        scenes: number of scenes (source mesh: one per --path).
        clips_per_scene: videos of each scene; with several, each walks through another room.
        rooms: rooms of a procedural or furnished scene, 1 to 4; left out: by the seed.
        path: source mesh: a glTF, GLB or OBJ file; may be repeated.
        instances: source mesh: JSON file of object instances, one per --path.
        labels: source mesh: table (JSON, YAML, CSV or TSV) that maps the file's classes to question categories.
        up: source mesh: the file's vertical axis, y or z; left out: detected.
        units: source mesh: the file's unit: m, cm, mm, in, ft; left out: m, which is checked.
        strays: source mesh: what lies far away or outside the building: keep, drop; left out: refused or warned of.
        licence: source mesh: licence of the scene, as the card states it.
        attribution: source mesh: author to credit on the card; may be repeated.
        models: source furnished: folder of furniture models; left out: those of the Debian package
            sweethome3d-furniture.
        root: source recorded: folder of recorded scenes, or of one; docs/your-own-scans.md. Source scans: folder with
            the user's copy of the scans.
        recipes: source scans: folder of recipes, whose options are taken as they are; `ocr-hf join` does so.
        trajectory: camera path from a file instead of a planned walk.
        trajectory_format: format of --trajectory: auto, tum, euroc, kitti, matrices, colmap, nerfstudio;
            docs/cameras.md.
        camera_axes: camera axes of --trajectory: opencv, opengl; left out: those of the format.
        frames: frames of a clip.
        seconds: scene time that a clip covers; left out: 16, in scenes of more than 40 m2 0.4 for each.
        fps: frames per second, instead of --seconds.
        width: frame width, pixels, even.
        height: frame height, pixels, even.
        fov: horizontal field of view, degrees; left out: 55 to 95, drawn for each clip (75 with --trajectory, unless
            the file brings its own camera).
        eye_height: height of the camera above the floor, metres; left out: 1.1 to 1.8, drawn for each clip.
        exposure: light that the camera takes in, 1 is right; left out: 0.4 to 1.6, drawn for each clip (1 with
            --trajectory).
        seed: of scenes, camera paths, questions and noise.
        select: objects to perturb in `noisy`: visible, queried, context.
        max_objects: how many objects to perturb at most.
        mode: noise: gaussian, geometry, rigid, scale, warp, jitter, or a mode that a plugin registers.
        strength: of the noise: gaussian 0 to 1, the others in box diagonals; default by mode.
        variants: altered copies of each clip, 0 to 16, for training with mode geometry: objects are moved, resized or
            bent in the 3D scene, which is rendered again; copy k of K goes k / K of the way. Kind and strength are
            those of --mode, or of geometry where --mode keeps outlines.
        question_types: question type to ask; may be repeated; left out: VSI-Bench's ten.
        questions_per_task: most questions of a VSI-Bench task in a clip, of a direction's level a third; left out: as
            VSI-Bench has.
        question_frames: frames that a model will see: what these don't show clearly isn't asked about.
        debias: drop questions until the text statistic of no question type is more than this above the best constant
            (numbers) or chance (letters), 0 to 1; left out: keep all.
        twins: questions of a clip that are asked once more of edited videos, 0 to 8: config `twins`; docs/twins.md.
        split: split of the scenes that are in no other.
        validation: share of scenes in the validation split.
        test: share of scenes in the test split.

    Raises:
        ValueError: an option can't be used; it is named with its value.

    Example:
        >>> from ocr_hf import BuildConfig
        >>> config = BuildConfig(scenes=2, frames=16, width=224, height=168, seed=7)
        >>> config.clip_fps, config.ocr_map.noise_strength
        (1.0, 0.5)
        >>> BuildConfig(width=15)
        Traceback (most recent call last):
        ValueError: width is 15; give an even number of pixels, at least 16
    """

    source: str = _option("procedural", Choices("where scenes come from: {}", SCENE_SOURCES))
    source_options: dict[str, Any] | str | None = field(default=None, hash=False)
    scenes: int = 2
    clips_per_scene: int = 1
    rooms: int | None = None
    path: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    labels: str | None = None
    up: str | None = None
    units: str | None = None
    strays: str | None = None
    licence: str = "other"
    attribution: tuple[str, ...] = ()
    models: str | None = None
    root: str | None = None
    recipes: str | None = None
    trajectory: str | None = None
    trajectory_format: str = "tum"
    camera_axes: str | None = None
    frames: int = 32
    seconds: float | None = None
    fps: float | None = None
    width: int = 392
    height: int = 280
    fov: float | None = None
    eye_height: float | None = None
    exposure: float | None = None
    seed: int = 0
    select: str = "visible"
    max_objects: int = 4
    mode: str = _option("gaussian", Choices("noise: {}", NOISE_MODES))
    strength: float | None = None
    variants: int = 0
    question_types: tuple[str, ...] = _option(
        (), Choices("question type to ask, of {}; may be repeated; left out: VSI-Bench's ten", QUESTION_TYPES)
    )
    questions_per_task: int | None = None
    question_frames: int = 16
    debias: float | None = None
    twins: int = 0
    split: str = "train"
    validation: float = 0.0
    test: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):  # YAML and JSON have lists
            if isinstance(getattr(self, item.name), list):
                object.__setattr__(self, item.name, tuple(getattr(self, item.name)))
        self._check_source()
        self._check_clip()
        if self.select not in POLICIES:
            raise ValueError(unknown_choice("select", self.select, POLICIES))
        self.ocr_map  # noqa: B018  (checks the other options of the noise)
        if not (isinstance(self.variants, int) and 0 <= self.variants <= MAX_VARIANTS):
            raise ValueError(f"variants is {self.variants}; give a whole number of copies, 0 to {MAX_VARIANTS}")
        self.question_config  # noqa: B018
        self._check_debias()
        if not 0 <= self.twins <= MAX_TWINS:
            raise ValueError(f"twins is {self.twins}; give 0 to {MAX_TWINS} questions of a clip")
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
        # The first of several that take it
        taken = {name: known for known, other in [*SCENE_SOURCES.items()][::-1] for name in other.settings}
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
        if self.fov is not None:
            intrinsics_from_fov(self.width, self.height, self.fov)
        for name, value, (low, high), unit in (
            ("eye_height", self.eye_height, (0.1, 3.0), "metres"),
            ("exposure", self.exposure, (0.05, 8.0), "times the right light"),
        ):
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} is {value}; give {low:g} to {high:g} {unit}")
        if self.eye_height is not None and self.trajectory:
            raise ValueError(f"--eye-height {self.eye_height} goes with planned walks; --trajectory brings its own")

    def _check_debias(self) -> None:
        if self.debias is None:
            return
        if not 0.0 <= self.debias < 1.0:
            raise ValueError(f"debias is {self.debias}; give a score of 0 or more and below 1, such as 0.05")
        if self.num_scenes < FOLDS:
            raise ValueError(
                f"debias is {self.debias} and scenes {self.num_scenes}; the text statistic learns from other scenes: "
                f"build at least {FOLDS}, or leave --debias out"
            )

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
        """Frames per second of scene time; fewer in a large scene, where neither `fps` nor `seconds` is given."""
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

    @property
    def altered_map(self) -> OCRMap:
        """What chooses and alters the objects of the altered copies."""
        if isinstance(self.ocr_map.noise, AlterationMode):
            return self.ocr_map
        return replace(self.ocr_map, mode=noise_mode("geometry"), strength=None)

    def public(self) -> dict[str, Any]:
        """Show the options without what is private to this machine.

        Returns:
            The options as JSON values, with file names instead of paths: what is saved beside the data.
        """
        seconds = None if self.seconds is None and self.fps is None else self.clip_seconds
        known = {"scenes": self.num_scenes, "strength": self.ocr_map.noise_strength, "seconds": seconds}
        values = asdict(replace(self, **known, fps=None))
        for name in ("path", "instances"):
            values[name] = [Path(item).name for item in values[name]]
        for name in ("labels", "models", "trajectory"):
            values[name] = Path(values[name]).name if values[name] else None
        for name in ("root", "recipes"):
            if values[name] is not None:
                values[name] = Path(values[name]).resolve().name
        # Younger than manifests that must stay as they are
        for name in ("camera_axes", "units", "strays", "debias", "root", "recipes"):
            if values[name] is None:
                del values[name]
        if not self.twins:
            del values["twins"]
        if not self.variants:
            del values["variants"]
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
        """Hash the files that the build reads.

        Returns:
            File name -> SHA-256, of a folder that of its files' names and sizes.

        Raises:
            FileNotFoundError: a file or folder is missing; it is named.
        """
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
