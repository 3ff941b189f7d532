"""A pushed card loads its repository by the id it has there."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ocr_hf.cards.source_files import RECORD
from ocr_hf.hub.repo_files import PULL_RECORD

DATA_NAME = "ocr-vsi"
"""What the cards of data sets call their folder, whatever it is called."""

_CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LOADS = r"(?:load_dataset|evaluate\.load)\(\s*"


def with_own_id(card: str, folder: Path, repo: str) -> str:
    """Return a card whose snippets load `repo`: in a folder they load the folder, or the repository it was made for.

    Replaced are, in blocks of code, the quoted names that mean this folder, and the placeholder `<org>/NAME` anywhere.
    """
    folder = folder.resolve()
    ids = {f"{folder.parent.name}/{folder.name}", *_recorded(folder)}
    # A bare name is replaced as what is loaded only: a folder may be called as any word of the snippet is
    patterns = (rf"()([\"'])(?:{_any(ids)})\2", rf"({_LOADS})([\"'])(?:{_any({folder.name, DATA_NAME})})\2")
    for pattern in patterns:
        changed = re.compile(pattern)
        card = _CODE.sub(lambda block, changed=changed: changed.sub(rf"\g<1>\g<2>{repo}\g<2>", block[0]), card)
    return re.sub(rf"<org>/(?:{_any({repo.rpartition('/')[2], DATA_NAME})})\b", repo, card)


def _any(names: set[str]) -> str:
    return "|".join(map(re.escape, sorted(names)))


def _recorded(folder: Path) -> set[str]:
    """Ids in the records of a pull and of a rendered card."""
    found = set()
    for record, keys in ((PULL_RECORD, ("repo",)), (RECORD, ("inputs", "repo"))):
        try:
            value = json.loads((folder / record).read_text(encoding="utf-8"))
            for key in keys:
                value = value[key]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(value, str) and "/" in value:
            found.add(value)
    return found
