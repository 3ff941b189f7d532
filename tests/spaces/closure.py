"""What a requirements file brings along, worked out from what is installed here."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement


def closure(requirements: Path) -> tuple[set[str], list[str]]:
    """Return (names of all distributions that the file leads to, what isn't satisfied by what is installed).

    With nothing unsatisfied, the installed versions are a solution of the file: a resolver finds one too.
    """
    lines = [line for line in requirements.read_text().splitlines() if line.strip()]
    waiting = [(Requirement(line), "") for line in lines]
    found: set[tuple[str, frozenset[str]]] = set()
    unsatisfied = []
    while waiting:
        wanted, by = waiting.pop()
        name = canonical(wanted.name)
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            unsatisfied.append(f"{wanted}{by} is not installed")
            continue
        if not wanted.specifier.contains(installed.version, prereleases=True):
            unsatisfied.append(f"{wanted}{by} is not met by {installed.version}")
        key = (name, frozenset(wanted.extras))
        if key in found:
            continue
        found.add(key)
        for line in installed.requires or ():
            next_one = Requirement(line)
            extras = {"", *wanted.extras}
            if next_one.marker is None or any(next_one.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append((next_one, f" (wanted by {name})"))
    return {name for name, _ in found}, unsatisfied


def canonical(name: str) -> str:
    """Return a distribution's name as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()
