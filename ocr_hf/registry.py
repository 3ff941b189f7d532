"""Registries: one object for each kind of thing that can be added to without touching this package.

Rollout strategies, noise modes, scene sources, question types and model families are looked up by name in a `Registry`.
An entry owns its defaults, checks and columns. A module of the user's registers its own entries when it is imported;
`--plugin MODULE` (YAML: `plugins`), the environment variable OCR_HF_PLUGINS, or an installed distribution's entry point
in the group `ocr_hf` names that module.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

Entry = TypeVar("Entry")

PLUGINS = "OCR_HF_PLUGINS"
"""Environment variable with the names of modules, separated by commas. Worker processes inherit it."""
_loaded: set[str] = set()


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries of one kind by name, in the order in which they were registered.

    Args:
        kind: What an entry is called in messages, such as "noise mode".
        requires: Attributes that every entry must have.
        modules: Our own modules that register entries; imported on the first look-up, so that a registry can be
            imported without them. "package.*" names every module of a package, in the order of their names.
    """

    def __init__(self, kind: str, requires: Sequence[str] = (), modules: Sequence[str] = ()) -> None:
        self.kind = kind
        self._requires = tuple(requires)
        self._modules = list(modules)
        self._entries: dict[str, Entry] = {}
        self._is_loading = False

    def register(self, name: Any, entry: Any = None) -> Any:
        """Add an entry under a name: `register("mine", entry)`, or `register(entry)` for one with an attribute `name`.

        Both serve as decorators of a class as well: `@REGISTRY.register("mine")` and `@REGISTRY.register`.

        Args:
            name: What flags, YAML and Python call it; or the entry, whose `name` says so.
            entry: The entry.

        Returns:
            The entry, so that a decorated class or function stays what it is.

        Raises:
            ValueError: The name is taken by another entry, or the entry lacks an attribute that its kind requires.
        """
        if entry is None and isinstance(name, str):
            return lambda decorated: self.register(name, decorated)
        if entry is None:
            name, entry = getattr(name, "name", None), name
        called = name if isinstance(name, str) and name else getattr(entry, "__name__", type(entry).__name__)
        missing = [required for required in self._requires if not hasattr(entry, required)]
        # What a class leaves abstract is there as an attribute, but does nothing
        missing += sorted(set(getattr(entry, "__abstractmethods__", ())) - set(missing))
        if not (isinstance(name, str) and name) and "name" not in missing:
            missing.insert(0, "name")
        if missing:
            raise ValueError(
                f"{self.kind} '{called}' lacks {', '.join(missing)}; give every {self.kind} these attributes"
            )
        self._load_own()  # a plugin's entries come after ours, and can't take a name of ours before it is given
        taken = self._entries.get(name)
        if taken is not None and not _is_same(taken, entry):
            raise ValueError(f"there is a {self.kind} '{name}' already; register yours under another name")
        self._entries[name] = entry
        return entry

    def find(self, name: str, setting: str | None = None) -> Entry:
        """Return the entry of a name.

        Args:
            name: As it was registered.
            setting: The option that holds the name, for the message; by default the registry's kind.

        Raises:
            ValueError: No entry has this name; the nearest one is suggested.
        """
        self._load()
        if name in self._entries:
            return self._entries[name]
        raise ValueError(unknown_choice(setting or self.kind, name, self._entries))

    def __getitem__(self, name: str) -> Entry:
        self._load()
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        self._load()
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def _load(self) -> None:
        self._load_own()
        load_plugins()

    def _load_own(self) -> None:
        # Ours register while they are imported here, which must not start the next module before they are done
        if self._is_loading:
            return
        self._is_loading = True
        try:
            while self._modules:
                name = self._modules.pop(0)
                if name.endswith(".*"):
                    package = import_module(name.removesuffix(".*"))
                    found = sorted(module.name for module in iter_modules(package.__path__, f"{package.__name__}."))
                    self._modules[:0] = found
                else:
                    import_module(name)
        finally:
            self._is_loading = False


class Choices:
    """Help text of a setting that names a registry's entries when it is shown, those of plugins included.

    Args:
        text: With {} where the names go.
        registry: What is chosen from; it is loaded only when the text is shown.
    """

    def __init__(self, text: str, registry: Registry) -> None:
        self.text, self.registry = text, registry

    def __str__(self) -> str:
        return self.text.format(", ".join(self.registry))


def _is_same(first: Any, second: Any) -> bool:
    """Return whether two entries are one definition met twice: a module run and imported, a notebook's cell run again.

    Instances count as one where their classes do and they hold equal values.
    """
    if first is second:
        return True
    if hasattr(first, "__dict__") and not hasattr(first, "__qualname__"):
        return hasattr(second, "__dict__") and vars(first) == vars(second) and _is_same(type(first), type(second))
    names = [(getattr(entry, "__module__", None), getattr(entry, "__qualname__", None)) for entry in (first, second)]
    return names[0] == names[1] and None not in names[0]


def unknown_choice(setting: str, value: object, known: Iterable[str]) -> str:
    """Return the sentence for a value that a setting doesn't know, with the nearest one that it does."""
    known = list(known)
    near = get_close_matches(str(value), known, n=1)
    hint = f"did you mean '{near[0]}'? It can be" if near else "choose one of"
    return f"{setting} is '{value}'; {hint} {', '.join(known)}"


def parse_options(given: Mapping[str, Any] | str | None, setting: str) -> dict[str, Any]:
    """Return options as a mapping from whichever spelling they were given in.

    Args:
        given: A mapping (Python, YAML), or text (the command line): KEY=VALUE, several with commas between them, or a
            JSON object. Values of KEY=VALUE are read as YAML reads them: numbers, true and false, else text.
        setting: Name of the setting that holds them, for the message.

    Raises:
        ValueError: The text is neither.
    """
    if not given:
        return {}
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    import yaml

    try:
        if given.lstrip().startswith("{"):
            return json.loads(given)
        pairs = [item.partition("=") for item in given.split(",")]
        if not all(equals and name.strip() for name, equals, _ in pairs):
            raise ValueError("a name and '=' are missing")
        return {name.strip(): yaml.safe_load(value) for name, _, value in pairs}
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{setting} is '{given}' ({error}); give KEY=VALUE, or a JSON object") from error


def fill_options(declared: Mapping[str, Any], given: Mapping[str, Any], owner: str, setting: str) -> dict[str, Any]:
    """Return the options in force: those given, and the declared defaults of the others.

    Args:
        declared: Option -> default. A value must have its default's type; a default of None takes any.
        given: Option -> value.
        owner: What takes them, such as "strategy 'mine'", for messages.
        setting: Name of the setting that holds them, for messages.

    Raises:
        ValueError: An option that isn't declared (the nearest is suggested), or a value of another type.
    """
    for name, value in given.items():
        if not declared:
            raise ValueError(f"{owner} takes no options, but {setting} has '{name}'; leave it out")
        if name not in declared:
            raise ValueError(f"{owner}: {unknown_choice(f'an option in {setting}', name, declared)}")
        default = declared[name]
        wanted = (int, float) if type(default) is float else type(default)
        # bool is a subclass of int, so isinstance alone would take true for a number
        fits = default is None or (isinstance(value, wanted) and (type(value) is bool) == (type(default) is bool))
        if not fits:
            raise ValueError(
                f"{owner}: option {name} in {setting} is {value!r}; give it the type of its default {default!r}, "
                f"{type(default).__name__}"
            )
    return {**declared, **given}


def named_plugins() -> list[str]:
    """Return the modules that OCR_HF_PLUGINS names."""
    return [name.strip() for name in os.environ.get(PLUGINS, "").split(",") if name.strip()]


def use_plugins(modules: Iterable[str]) -> None:
    """Import the user's modules, here and in every process that this one starts.

    Raises:
        ImportError: A module can't be imported; the message names it and says how Python finds it.
    """
    os.environ[PLUGINS] = ",".join(dict.fromkeys([*named_plugins(), *modules]))
    load_plugins()


def load_plugins() -> None:
    """Import the modules that OCR_HF_PLUGINS and installed distributions name, each once."""
    for module in [*named_plugins(), *_installed_plugins()]:
        if module in _loaded:
            continue
        _loaded.add(module)  # before the import: a plugin may look into a registry while it is imported
        try:
            import_module(module)
        except ImportError as error:
            # So that the next look-up says the same, and not that the plugin's entry doesn't exist
            _loaded.discard(module)
            raise ImportError(
                f"plugin '{module}' can't be imported ({error}); install it, or put its folder on PYTHONPATH"
            ) from error


_installed: list[str] | None = None


def _installed_plugins() -> list[str]:
    global _installed
    if _installed is None:
        # Kept: entry_points reads the metadata of every installed distribution, and every look-up comes here
        _installed = [point.value for point in entry_points(group="ocr_hf")]
    return _installed


# What the settings' dataclasses choose from is named here and not beside its entries, which read those dataclasses: so
# the imports point one way. The modules of the base classes give the same objects their types.
STRATEGIES: Registry[Any] = Registry(
    "strategy",
    requires=("name", "help", "noisy_share", "perturbed", "bound", "num_noisy"),
    modules=("ocr_hf.train.strategies",),
)
"""Rollout strategies; see `ocr_hf.train.rollouts.Strategy`."""

SCENE_SOURCES: Registry[Any] = Registry(
    "source",
    requires=("name", "help", "open", "num_scenes", "scene_name"),
    modules=("ocr_hf.data.own_sources", "ocr_hf.data.scans_source"),
)
"""Scene sources; see `ocr_hf.data.sources.SceneSource`."""

QUESTION_TYPES: Registry[Any] = Registry(
    "question type",
    requires=("name", "question_type", "help", "limit", "unit", "candidates", "check", "solve", "ask"),
    modules=("ocr_hf.questions.vsi_types",),
)
"""Question types; see `ocr_hf.questions.question_types.QuestionType`."""
