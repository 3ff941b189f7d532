"""Values that remember the file they were measured in, and a template engine that prints no other number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2


class CardError(ValueError):
    """A card that can't be rendered, or that differs from its sources."""


@dataclass(frozen=True)
class Figure:
    """A single value of a source file.

    file : path in the repository; pointer : JSON pointer (RFC 6901) inside it
    """

    value: Any
    file: str
    pointer: str


class Sourced:
    """A mapping or list of a source file; its leaves are `Figure`s, null is None."""

    def __init__(self, value: dict | list, file: str, pointer: str = "") -> None:
        self._value, self._file, self._pointer = value, file, pointer

    def __getitem__(self, key: str | int) -> Any:
        value = self._value[key]
        pointer = f"{self._pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
        if value is None:
            return None
        kind = Sourced if isinstance(value, dict | list) else Figure
        return kind(value, self._file, pointer)

    # For templates, where `results.tasks` reads better than indices
    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except (KeyError, TypeError) as error:
            raise AttributeError(key) from error

    def __contains__(self, key: object) -> bool:
        return key in self._value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())

    def __bool__(self) -> bool:
        return bool(self._value)

    def keys(self) -> list[str]:
        return list(self._value)

    def values(self) -> list[Any]:
        return [self[key] for key in (self._value if isinstance(self._value, dict) else range(len(self._value)))]

    def get(self, *keys: str) -> Any:
        """The value below a chain of keys, None where one is missing."""
        found: Any = self
        for key in keys:
            if not isinstance(found, Sourced) or key not in found:
                return None
            found = found[key]
        return found


def read_source(root: Path, file: str) -> Sourced:
    """Return a JSON, JSON lines or YAML file of the folder `root` as sourced values; raise CardError if there is none.

    The first line of JSON lines is at the pointer `/0`.
    """
    import yaml

    path = Path(root) / file
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            value = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            value = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except FileNotFoundError as error:
        raise CardError(f"{file} is missing; a card needs the file that its numbers come from") from error
    except (ValueError, yaml.YAMLError) as error:
        raise CardError(f"{file} can't be read ({str(error).splitlines()[0]}); measure again") from error
    if not isinstance(value, list if path.suffix == ".jsonl" else dict):
        raise CardError(f"{file} holds a {type(value).__name__}; give the file that the run wrote")
    return Sourced(value, file)


class Literal(str):
    """Text of this package or a name, not a measurement; it may hold digits."""


class Shown(str):
    """Text of figures whose sources are noted."""


@dataclass
class Renderer:
    """Jinja2 with one more rule: what is printed is text of the template, or a figure; figures are listed.

    printed : what was shown, where it comes from, and the format, in order
    """

    printed: list[dict[str, str]] = field(default_factory=list)

    def render(self, template: str, **values: Any) -> str:
        """Return the filled template.

        Strings in `values` may not hold digits, and numbers are refused: pass what was measured as `Figure` or
        `Sourced`. Raises CardError naming the value.
        """
        # StrictUndefined: a name that the sources lack is an error, not an empty place in the card
        environment = jinja2.Environment(
            undefined=jinja2.StrictUndefined, finalize=self._finalize, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters |= {
            "fixed": lambda figure, digits=1: self.show(figure, f".{digits}f"),
            "signed": lambda figure, digits=1: self.show(figure, f"+.{digits}f"),
            "count": lambda figure: self.show(figure, ",d"),
            "short": lambda figure: self.show(figure, ".6g"),
        }
        try:
            return environment.from_string(template).render(**values)
        except jinja2.UndefinedError as error:
            raise CardError(f"the card needs a value that its sources lack ({error}); measure again") from error

    def show(self, figure: Any, spec: str = "") -> Shown:
        """Return a figure as text in a format (Python's mini-language) and note its source."""
        if not isinstance(figure, Figure):
            raise CardError(f"{figure!r} has no source file; a card shows only what was measured")
        text = ("yes" if figure.value else "no") if isinstance(figure.value, bool) else format(figure.value, spec)
        self.printed.append({"text": text, "file": figure.file, "pointer": figure.pointer, "format": spec})
        return Shown(text)

    def listed(self, *figures: Any) -> Shown:
        """Return figures and literals with commas between them, floating-point ones to six digits."""
        parts = []
        for item in figures:
            spec = ".6g" if isinstance(getattr(item, "value", None), float) else ""
            parts.append(item if isinstance(item, Literal | Shown) else self.show(item, spec))
        return Shown(", ".join(parts))

    def _finalize(self, value: Any) -> Any:
        if isinstance(value, Figure):
            if isinstance(value.value, float):
                raise CardError(f"{value.file}#{value.pointer} is printed without a format; say how many digits")
            return self.show(value)
        if isinstance(value, Shown | Literal | jinja2.Undefined):
            return value  # an undefined one raises when it is printed
        # Jinja calls this for everything that it prints. A bare number has lost its source on the way, so it is an
        # error, and text may pass only if no digit can hide in it.
        if isinstance(value, str) and not any(character.isdigit() for character in value):
            return value
        raise CardError(f"{value!r} has no source file; a card shows only what was measured")
