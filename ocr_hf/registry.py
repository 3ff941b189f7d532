"""Registries: one object for each kind of thing that can be added to without touching this package.

Rollout strategies, noise modes, scene sources, question types and model families are looked up by name in a `Registry`.
An entry owns its defaults, checks and columns. A module of the user's registers its own entries when it is imported;
`--plugin MODULE` (YAML: `plugins`), the environment variable OCR_HF_PLUGINS, or an installed distribution's entry point
in the group `ocr_hf` names that module.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
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
            imported without them.
    """

    def __init__(self, kind: str, requires: Sequence[str] = (), modules: Sequence[str] = ()) -> None:
        self.kind = kind
        self._requires = tuple(requires)
        self._modules = list(modules)
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, entry: Any = None) -> Any:
        """Add an entry under a name; without an entry, return a decorator that adds what it decorates.

        Args:
            name: What flags, YAML and Python call it.
            entry: The entry.

        Returns:
            The entry, so that a decorated class or function stays what it is.

        Raises:
            ValueError: The name is taken by another entry, or the entry lacks an attribute that its kind requires.
        """
        if entry is None:
            return lambda decorated: self.register(name, decorated)
        missing = [required for required in self._requires if not hasattr(entry, required)]
        if missing:
            raise ValueError(
                f"{self.kind} '{name}' lacks {', '.join(missing)}; give every {self.kind} these attributes"
            )
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
        while self._modules:
            import_module(self._modules.pop(0))
        load_plugins()


def _is_same(first: Any, second: Any) -> bool:
    """Return whether two entries are one and the same definition, as when a module is run and imported as well."""
    if first is second:
        return True
    names = [(getattr(entry, "__module__", None), getattr(entry, "__qualname__", None)) for entry in (first, second)]
    return names[0] == names[1] and None not in names[0]


def unknown_choice(setting: str, value: object, known: Iterable[str]) -> str:
    """Return the sentence for a value that a setting doesn't know, with the nearest one that it does."""
    known = list(known)
    near = get_close_matches(str(value), known, n=1)
    hint = f"did you mean '{near[0]}'? It can be" if near else "choose one of"
    return f"{setting} is '{value}'; {hint} {', '.join(known)}"


def use_plugins(modules: Iterable[str]) -> None:
    """Import the user's modules, here and in every process that this one starts.

    Raises:
        ImportError: A module can't be imported; the message names it and says how Python finds it.
    """
    named = [name for name in os.environ.get(PLUGINS, "").split(",") if name]
    os.environ[PLUGINS] = ",".join(dict.fromkeys([*named, *modules]))
    load_plugins()


def load_plugins() -> None:
    """Import the modules that OCR_HF_PLUGINS and installed distributions name, each once."""
    named = [name.strip() for name in os.environ.get(PLUGINS, "").split(",") if name.strip()]
    for module in [*named, *_installed_plugins()]:
        if module in _loaded:
            continue
        _loaded.add(module)  # before the import: a plugin may look into a registry while it is imported
        try:
            import_module(module)
        except ImportError as error:
            _loaded.discard(module)
            raise ImportError(
                f"plugin '{module}' can't be imported ({error}); install it, or put its folder on PYTHONPATH"
            ) from error


_installed: list[str] | None = None


def _installed_plugins() -> list[str]:
    global _installed
    if _installed is None:
        _installed = [point.value for point in entry_points(group="ocr_hf")]
    return _installed
