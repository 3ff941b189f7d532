"""Docstrings of the public names: complete (arguments, results, errors), and their examples run."""

from __future__ import annotations

import ast
import doctest
import functools
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import datasets
import pytest

import ocr_hf
from ocr_hf.docstrings import entries, sections, with_help

NAMES = sorted(set(ocr_hf.__all__) - {"__version__"}, key=lambda name: (name != "build_folder", name))
"""Whose example builds a data set comes first, so that the others' find it."""
HEAVY = {"OCRGRPOTrainer", "OCRSFTTrainer", "OcrVsi", "build_folder", "load_model", "run_evaluation"}
"""Examples that load or train a model or film a room."""
NEEDS = {"run_evaluation": ("rooms", "tiny"), "OCRSFTTrainer": ("rooms", "tiny"), "OCRGRPOTrainer": ("rooms", "tiny")}
"""What an example finds in its folder: a data set as the example of build_folder makes it, and a tiny model."""
ENTRY_POINTS = [
    "data.load.clips", "data.load.load", "geometry.boxes.OrientedBox", "geometry.footprints.Footprints",
    "geometry.occlusion.footprints_from_boxes", "geometry.occlusion.footprints_from_depth",
    "geometry.occlusion.footprints_from_instances", "scenes.cameras.camera_path.walk_through",
    "scenes.edits.changed_objects.changed_objects", "scenes.edits.sample_edit.sample_edit",
    "scenes.edits.scene_edit.SceneEdit", "scenes.edits.scene_edit.apply_edits",
    "scenes.homes.procedural.procedural_scene", "scenes.recorded.read_recorded.read_recorded",
    "scenes.readers.mesh_file.load_mesh_scene",
    "scenes.render.renderer.Renderer", "scenes.render.renderer.render_clip",
    "vsi_bench.compare.paired_difference", "vsi_bench.summary.summarize",
]  # fmt: skip
"""What the documentation names as ways in, beyond the public names."""


def callables(name: str) -> Iterator[tuple[str, Any]]:
    """Yield what is called `name` in the package and, if it is a class, the public methods that it defines itself."""
    found = getattr(ocr_hf, name) if name in NAMES else pkgutil.resolve_name(f"ocr_hf.{name}")
    yield name, found
    if inspect.isclass(found):
        for key, value in vars(found).items():
            value = getattr(value, "__func__", value)
            if (key == "__call__" or not key.startswith("_")) and inspect.isfunction(value):
                yield f"{name}.{key}", value


CALLABLES = {label: value for name in NAMES + ENTRY_POINTS for label, value in callables(name)}


def parameters(found: Any) -> set[str]:
    """Return the names to be described: of a dataclass its own fields, of another callable its parameters."""
    if is_dataclass(found):
        return set(found.__annotations__)
    signature = inspect.signature(found.__init__ if inspect.isclass(found) else found)
    return set(signature.parameters) - {"self", "cls"}


@functools.cache
def raised(function: Any) -> frozenset[str]:
    """Return the names of the exceptions that a function's own code raises."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None)
    return frozenset(item.func.id for item in found if isinstance(item, ast.Call) and isinstance(item.func, ast.Name))


def errors(found: Any) -> set[str]:
    """Return what a callable is seen to raise; making an object runs its class's initialiser and private checks."""
    if not inspect.isclass(found):
        return set(raised(found))
    names = ("__post_init__",) if is_dataclass(found) else ("__init__",)
    initialisers = [vars(found)[name] for name in names if name in vars(found)]
    checks = [value for key, value in vars(found).items() if key.startswith("_check") and inspect.isfunction(value)]
    return {name for function in (*initialisers, *(checks if initialisers else ())) for name in raised(function)}


@pytest.mark.parametrize("label", CALLABLES)
def test_a_docstring_is_complete(label: str) -> None:
    found = CALLABLES[label]
    text = found.__doc__
    assert text and not text.startswith("\n"), "the first line says what it is"
    described = {name.lstrip("*") for name in entries(text, "Args")}
    assert described == parameters(found)
    assert errors(found) <= set(entries(text, "Raises"))
    returned = inspect.signature(found).return_annotation if inspect.isfunction(found) else None
    if returned not in (None, "None", inspect.Signature.empty):
        assert sections(text).keys() & {"Returns", "Yields"}, "says what is returned"


@pytest.mark.parametrize("name", [name for name in ENTRY_POINTS if ">>> " in (CALLABLES[name].__doc__ or "")])
def test_examples_of_other_entry_points_run(name: str) -> None:
    (test,) = doctest.DocTestFinder(recurse=False).find(CALLABLES[name], name, globs={})
    runner, report = doctest.DocTestRunner(), []
    runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_shown(name: str) -> None:
    assert ">>> " in sections(getattr(ocr_hf, name).__doc__)["Example"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples' working folder; the data set that build_folder's example leaves there serves the later ones."""
    return tmp_path_factory.mktemp("examples")


def make_what_is_needed(name: str) -> None:
    """Write what an example needs into the working folder, unless an earlier one left it there."""
    wanted = [item for item in NEEDS.get(name, ()) if not Path(item).exists()]
    if "rooms" in wanted:
        ocr_hf.build_folder(ocr_hf.BuildConfig(scenes=1, rooms=1, frames=4, width=64, height=48, seed=7), "rooms")
    if "tiny" in wanted:
        from ocr_hf.models.tiny import build_tiny

        build_tiny("tiny", "0.2M")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in HEAVY else []) for name in NAMES]
)
def test_examples_run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(folder / "cache"))
    make_what_is_needed(name)
    found = getattr(ocr_hf, name)
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report: list[str] = []
    for label, value in callables(name):
        for test in finder.find(value, label, module=inspect.getmodule(found), globs={}):
            runner.run(test, out=report.append)
    assert runner.tries > 0 and runner.failures == 0, "".join(report)


@with_help
@dataclass
class Base:
    """A base.

    Args:
        kept: of the base.
        said_anew: of the base.
    """

    kept: int = 1
    said_anew: int = 2


@with_help
@dataclass
class Settings(Base):
    """Settings, in a
    paragraph: with a colon.

    Args:
        kept: not of this class.
        said_anew: of the class.
        undescribed: not this.
        long: this text
            goes on: further, and
            further.

    Raises:
        ValueError: never.
    """

    said_anew: int = 3
    long: int = field(default=4, metadata={"unit": "m"})
    undescribed: int = field(default=5, metadata={"help": "its own"})


def test_the_help_of_a_field_is_the_docstrings_text() -> None:
    told = {item.name: dict(item.metadata) for item in fields(Settings)}
    assert told == {
        "kept": {"help": "of the base"},
        "said_anew": {"help": "of the class"},
        "long": {"unit": "m", "help": "this text goes on: further, and further"},
        "undescribed": {"help": "its own"},
    }
    assert {item.name: item.metadata["help"] for item in fields(Base)}["said_anew"] == "of the base"
    assert sections(Settings.__doc__)["Raises"] == "ValueError: never."
    assert sections(None) == {} and entries("No sections.", "Args") == {}


def test_the_help_names_every_choice() -> None:
    """Those of plugins as well are in the help only: `Choices` adds them when it is shown."""
    from ocr_hf.perturb import modes, schedule, select
    from ocr_hf.registry import QUESTION_TYPES, SCENE_SOURCES, STRATEGIES
    from ocr_hf.scenes.cameras import trajectories
    from ocr_hf.vsi_bench import audits, eval_config, prompts, rules, summary

    choices = {
        "EvalConfig.audit": audits.AUDITS, "EvalConfig.average": summary.AVERAGES,
        "EvalConfig.dtype": eval_config.DTYPES, "EvalConfig.extraction": rules.OWN_RULES,
        "EvalConfig.missing": eval_config.MISSING,
        "EvalConfig.rules": ("all", *rules.OWN_RULES), "EvalConfig.on_bad_video": ("stop", "skip"),
        "EvalConfig.prompt": prompts.PROMPT_STYLES,
        "BuildConfig.select": select.POLICIES, "BuildConfig.camera_axes": trajectories.AXES,
        "BuildConfig.trajectory_format": (trajectories.AUTO, *trajectories.FORMATS),
        "BuildConfig.source": SCENE_SOURCES, "BuildConfig.mode": modes.NOISE_MODES,
        "BuildConfig.question_types": QUESTION_TYPES,
    }  # fmt: skip
    for config in ("OCRGRPOConfig", "OCRSFTConfig"):
        choices[f"{config}.on_bad_video"] = ("stop", "skip")
    for name, names in {
        "mode": modes.NOISE_MODES, "schedule": schedule.SCHEDULES, "score_under": ("clean", "own"),
        "select": select.POLICIES, "strategy": STRATEGIES, "timestep_schedule": schedule.SCHEDULES,
    }.items():  # fmt: skip
        choices[f"OCRGRPOConfig.{name}"] = names
    for label, names in choices.items():
        config, name = label.split(".")
        told = next(str(item.metadata["help"]) for item in fields(getattr(ocr_hf, config)) if item.name == name)
        assert set(names) <= set(re.findall(r"[\w@.-]*[\w-]", told)), label
