"""The registry of scene sources: a user's own with options, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_hf.data import make_clips
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.sources import SCENE_SOURCES, SceneSource, open_scene
from tests.data.conftest import small_config
from tests.data.toy import open_toy


class Toy(SceneSource):
    """Rooms of boxes, as many as a list names."""

    name = "toy"
    help = "rooms of boxes for tests"
    settings = ("path",)
    default_options = {"rooms_named": "a,b", "broken": -1, "skip": False}

    def check(self, config):
        if self.options(config)["broken"] > 9:
            raise ValueError("broken is above 9")

    def num_scenes(self, config):
        return len(self.options(config)["rooms_named"].split(","))

    def scene_name(self, config, index, seed):
        return self.options(config)["rooms_named"].split(",")[index]

    def inputs(self, config):
        return config.path

    def open(self, config, plan):
        if plan.index == self.options(config)["broken"]:
            raise ValueError("this room is broken")
        return open_toy(config, plan)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(SCENE_SOURCES, "_entries", dict(SCENE_SOURCES.items()))
    monkeypatch.setattr(make_clips, "open_scene", open_scene)
    return SCENE_SOURCES.register(Toy())


def toy_config(**options) -> BuildConfig:
    return small_config(**{"source": "toy", "rooms": None, **options})


def test_a_registered_source_is_built_and_its_options_are_recorded_without_paths(tmp_path: Path) -> None:
    file = tmp_path / "somewhere" / "rooms.txt"
    file.parent.mkdir()
    file.write_text("hello")
    config = toy_config(source_options="rooms_named=x", path=(str(file),))
    manifest = build_folder(config, tmp_path / "out")
    assert manifest["config"]["source_options"] == {"rooms_named": "x", "broken": -1, "skip": False}
    assert manifest["inputs"].keys() == {"rooms.txt"} and "somewhere" not in str(manifest)
    assert manifest["statistics"]["splits"]["train"]["scenes"] == 1


def test_options_that_are_not_there_leave_no_trace() -> None:
    """Folders that were built before sources could have options have the same manifest."""
    assert "source_options" not in BuildConfig().public()


def test_names_and_number_are_the_sources() -> None:
    assert [plan.name for plan in plan_scenes(toy_config())] == ["a", "b"]
    with pytest.raises(ValueError, match="several scenes of source toy are named a; rename them"):
        plan_scenes(toy_config(source_options={"rooms_named": "a,b,a"}))


@pytest.mark.parametrize("skips", [True, False])
def test_a_failing_scene_ends_the_build_or_is_counted_as_the_source_says(skips, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Toy, "skips_failures", skips)
    config = toy_config(source_options={"broken": 1})
    if skips:
        skipped = build_folder(config, tmp_path / "out")["statistics"]["skipped_clips"]
        assert skipped == {"the scene can't be made: this room is broken": 1}
    else:
        with pytest.raises(ValueError, match="this room is broken"):
            build_folder(config, tmp_path / "out")


def test_a_scene_of_the_test_set_is_left_out_whatever_source_names_it(tmp_path: Path) -> None:
    skipped = build_folder(toy_config(source_options={"rooms_named": "a,scene0251_00"}), tmp_path / "out")
    assert skipped["statistics"]["skipped_clips"] == {
        "not for training: scene0251_00 is a scene of VSI-Bench's test set": 1
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "proceduralr"}, "source is 'proceduralr'; did you mean 'procedural'? It can be procedural, furn"),
        (
            {"source": "toy", "source_options": {"rooms_name": "a"}},
            "source_options is 'rooms_name'; did you mean 'rooms_n",
        ),
        ({"source": "toy", "source_options": {"broken": 10}}, "broken is above 9"),
        ({"source": "toy", "source_options": {"broken": "no"}}, "option broken .* type of its default -1, int"),
        ({"source": "toy", "rooms": 2}, "--rooms goes with source .*, not with toy; leave it out"),
        ({"source": "procedural", "models": "folder"}, "--models goes with source furnished, not with procedural"),
        ({"source_options": {"a": 1}}, "source 'procedural' takes no options, but source_options has 'a'"),
    ],
)
def test_mistakes_are_told_in_one_sentence(options, message) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        BuildConfig(**options)


def test_a_source_that_lacks_something_is_refused() -> None:
    class Bare:
        name = "bare"

        def open(self, config, plan):
            return None

    with pytest.raises(ValueError, match="source 'bare' lacks help, num_scenes, scene_name"):
        SCENE_SOURCES.register(Bare())
    with pytest.raises(ValueError, match="there is a source 'mesh' already"):
        SCENE_SOURCES.register("mesh", Toy())


def test_every_source_says_what_it_is_and_names_fields_of_the_config() -> None:
    for name, source in SCENE_SOURCES.items():
        assert source.name == name and len(source.help.split()) > 3
        assert set(source.settings) <= BuildConfig.__dataclass_fields__.keys()
