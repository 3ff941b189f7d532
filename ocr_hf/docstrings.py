"""Google-style docstrings as data: a setting is described once, in its class's docstring, and `--help` shows it too."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from types import MappingProxyType
from typing import TypeVar

SECTIONS = ("Args", "Returns", "Yields", "Raises", "Example")
T = TypeVar("T", bound=type)


def sections(docstring: str | None) -> dict[str, str]:
    """Return the sections of a docstring, `"Args"` and so on, each without its indent.

    Args:
        docstring: as written in the source; None has no sections.

    Returns:
        Name of the section -> its text.
    """
    parts = re.split(rf"^({'|'.join(SECTIONS)}):\n", inspect.cleandoc(docstring or ""), flags=re.MULTILINE)
    return {
        name: inspect.cleandoc(re.split(r"^(?=\S)", body, flags=re.MULTILINE)[0])
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def entries(docstring: str | None, section: str) -> dict[str, str]:
    """Return what a section says of each name: `name: text`, continued on lines that are indented further.

    Args:
        docstring: as written in the source.
        section: `"Args"` or `"Raises"`.

    Returns:
        Name -> text on one line; empty where the docstring has no such section.
    """
    found = re.split(r"^(\*{0,2}\w+): ", sections(docstring).get(section, ""), flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in zip(found[1::2], found[2::2], strict=True)}


def with_help(cls: T) -> T:
    """Give each field that a dataclass adds the text under `Args:` as its `help`, which the command line shows.

    Fields that it inherits keep theirs, which they share with the class that adds them. So does one that has `help`
    of its own: names out of a registry, say, which no docstring can know.

    Args:
        cls: a dataclass with a docstring in Google style.

    Returns:
        The same class.
    """
    told = entries(cls.__doc__, "Args")
    for field in fields(cls):
        if field.name in told and field.name in cls.__annotations__ and "help" not in field.metadata:
            field.metadata = MappingProxyType({**field.metadata, "help": told[field.name].removesuffix(".")})
    return cls
