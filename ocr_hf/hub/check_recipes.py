"""Checks of a folder of recipes before it is published: nothing of the scans is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ocr_hf.data.build_config import SPLITS
from ocr_hf.data.scan_recipes import ClipRecipe, ScanRecipes, read_recipes, split_counts
from ocr_hf.data.schema import RECIPES, FormatError
from ocr_hf.hub.card_metadata import CARD
from ocr_hf.hub.hub_errors import first_of
from ocr_hf.hub.repo_files import LocalFile
from ocr_hf.questions.exclude import why_excluded

_DISGUISED = re.compile(rb"\bdata:[\w/+.-]*[;,]|[A-Za-z0-9+/=_-]{200}")
"""A file inside a text: a data address, or letters that are no words."""


def check_recipes(folder: Path, files: Sequence[LocalFile]) -> Iterator[str]:
    """Yield a sentence for each thing for which a folder of recipes can't be published.

    Files and keys are those of the format and no others, so that frames can't come along under another name.
    """
    allowed = {CARD, RECIPES, *(f"{split}.jsonl" for split in SPLITS)}
    others = sorted(file.path for file in files if file.path not in allowed)
    if others:
        yield (
            f"{first_of(others)} may not be among recipes, which hold {', '.join(sorted(allowed))} and nothing of the "
            "scans; remove what isn't theirs"
        )
    try:
        recipes = read_recipes(folder)
    except FormatError as error:
        yield str(error)
        return
    named = {CARD, RECIPES, *(f"{split}.jsonl" for split in recipes.told["splits"])}
    if unnamed := sorted(file.path for file in files if file.path in allowed - named):
        yield f"{first_of(unnamed)} is of a split that {RECIPES} doesn't name; write the recipes again"
    if recipes.told["splits"] != _counts(recipes):
        yield f"{RECIPES}: its counts aren't those of the lines; write the recipes again"
    for name in dict.fromkeys(recipes.scene_names.values()):
        if reason := why_excluded(name):
            yield f"the recipes are not for training: {reason}; build without it"
            break
    for file in files:
        if file.path in allowed and _DISGUISED.search(file.source.read_bytes()):
            yield f"{file.path} holds a file in disguise (a data address, or a very long word); take it out"


def _counts(recipes: ScanRecipes) -> dict[str, dict[str, int]]:
    """Return what the lines have, as `splits` states it."""
    found: dict[str, list[ClipRecipe]] = {}
    for clip in recipes.clips.values():
        found.setdefault(clip.split, []).append(clip)
    return {
        split: split_counts((clip.scene_name, clip.question_numbers) for clip in clips)
        for split, clips in found.items()
    }
