"""Registries: entries by name, one sentence for every mistake, and the user's own modules in every process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ocr_hf import registry
from ocr_hf.registry import Registry, parse_options, use_plugins


def test_an_entry_is_found_by_its_name_in_the_order_of_registration() -> None:
    things: Registry[object] = Registry("thing")
    first, second = object(), object()
    things.register("b", first)
    things.register("a", second)
    assert list(things) == ["b", "a"] and things["a"] is second and things.find("b") is first
    assert "a" in things and "c" not in things and len(things) == 2


def test_a_decorated_class_stays_what_it_is() -> None:
    things: Registry[type] = Registry("thing")

    @things.register("mine")
    class Mine:
        pass

    assert things["mine"] is Mine


def test_the_nearest_name_is_suggested() -> None:
    things: Registry[object] = Registry("noise mode")
    things.register("gaussian", object())
    things.register("geometry", object())
    with pytest.raises(ValueError, match="noise mode is 'gausian'; did you mean 'gaussian'") as caught:
        things.find("gausian")
    assert "geometry" in str(caught.value)
    with pytest.raises(ValueError, match="^mode is 'zzz'; choose one of gaussian, geometry$"):
        things.find("zzz", "mode")


def test_a_name_is_given_once() -> None:
    things: Registry[object] = Registry("thing")
    entry = things.register("a", object())
    assert things.register("a", entry) is entry
    with pytest.raises(ValueError, match="there is a thing 'a' already"):
        things.register("a", object())


class Thing:
    """An entry with a value."""

    name = "thing"

    def __init__(self, value: int = 1) -> None:
        self.value = value


def test_a_definition_met_twice_is_one_entry() -> None:
    """As when a notebook's cell is run again; another value under the same name is another entry."""
    things: Registry[object] = Registry("thing")
    things.register(Thing())
    again = type("Thing", (), {"__module__": Thing.__module__, "__qualname__": "Thing", "name": "thing"})()
    again.value = 1
    assert things.register(again) is again and things["thing"] is again
    with pytest.raises(ValueError, match="there is a thing 'thing' already"):
        things.register(Thing(2))


def test_an_entry_may_bring_its_name() -> None:
    things: Registry[object] = Registry("thing")
    entry = things.register(Thing())
    assert things["thing"] is entry
    with pytest.raises(ValueError, match="thing 'Nameless' lacks name; give every thing these attributes"):
        things.register(type("Nameless", (), {}))


def test_every_module_of_a_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept_things.py").write_text(
        "from ocr_hf.registry import Registry\nthings = Registry('thing', modules=['many_things.*'])\n"
    )
    package = tmp_path / "many_things"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("second", "first"):
        (package / f"{name}.py").write_text(f"from kept_things import things\nthings.register('{name}', 1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    things = __import__("kept_things").things
    things.register("a plugin's", 2)
    assert list(things) == ["first", "second", "a plugin's"], "ours come first, in order, whoever asks first"
    with pytest.raises(ValueError, match="there is a thing 'first' already"):
        things.register("first", 2)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, {}),
        ({"a": 1}, {"a": 1}),
        ("a=1", {"a": 1}),
        ("a=1.5, b=true,c=two words", {"a": 1.5, "b": True, "c": "two words"}),
        ('{"a": [1, 2]}', {"a": [1, 2]}),
    ],
)
def test_options_are_read_in_every_spelling(given: object, found: dict) -> None:
    assert parse_options(given, "options") == found


def test_an_entry_that_lacks_something_is_refused() -> None:
    things: Registry[object] = Registry("thing", requires=("open", "check"))
    with pytest.raises(ValueError, match="thing 'a' lacks open, check"):
        things.register("a", object())
    assert "a" not in things


def test_our_own_modules_are_imported_on_the_first_look_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_entries.py").write_text("from kept import things\nthings.register('late', 1)\n")
    (tmp_path / "kept.py").write_text(
        "from ocr_hf.registry import Registry\nthings = Registry('thing', modules=['lazy_entries'])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    kept = __import__("kept")
    assert "lazy_entries" not in sys.modules
    assert list(kept.things) == ["late"] and "lazy_entries" in sys.modules


def test_a_plugin_is_known_here_and_in_processes_that_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_things.py").write_text("import sys\nsys.my_things_were_imported = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setenv(registry.PLUGINS, "")
    use_plugins(["my_things"])
    code = "import sys; from ocr_hf.registry import Registry; list(Registry('x')); assert sys.my_things_were_imported"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_plugin_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.PLUGINS, "")
    with pytest.raises(ImportError, match="plugin 'no_such_plugin' can't be imported .*PYTHONPATH"):
        use_plugins(["no_such_plugin"])
