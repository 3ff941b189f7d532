"""A file name stands once in the package, so that `the file generator.py` is one file."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "ocr_hf"


def test_no_two_modules_share_a_name() -> None:
    """Except the modules of commands, whose names are those of the commands."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if path.name != "__init__.py" and place.parts[0] != "commands":
            places[path.name].append(str(place))
    assert len(places) > 100
    assert not {name: found for name, found in places.items() if len(found) > 1}
