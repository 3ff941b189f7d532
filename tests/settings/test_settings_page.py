"""docs/settings.md says what the dataclasses have."""

from __future__ import annotations

from pathlib import Path

from ocr_hf.cli import COMMANDS
from ocr_hf.settings.command_options import default_of, settings_of
from ocr_hf.settings.names import RENAMED
from ocr_hf.settings.run_command import load

DOORS = ("build", "sft", "grpo", "eval")


def rows_of(page: str, heading: str) -> list[list[str]]:
    """Cells of the table below a heading, without its head."""
    text = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def shown(value: object) -> str:
    if value is None or value == "" or value == ():
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(getattr(value, "value", value))


def test_words_doors_and_defaults(root: Path) -> None:
    page = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    settings = {door: settings_of(*load(COMMANDS[door][0])._kinds()) for door in DOORS}
    rows = rows_of(page, "The words")
    assert {row[0] for row in rows} >= set(RENAMED.values())
    shared = {name for name in settings["grpo"] if settings["grpo"][name].panel is None and name in settings["eval"]}
    assert shared <= {row[0] for row in rows}, "a word of training and evaluation is missing"
    for name, _, *defaults in rows:
        for door, default in zip(DOORS, defaults, strict=True):
            own = settings[door].get(name)
            assert default == ("–" if own is None else shown(default_of(own.field))), f"{name}, {door}"


def test_old_names(root: Path) -> None:
    page = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    assert {old: new for old, new in rows_of(page, "Former names")} == RENAMED
