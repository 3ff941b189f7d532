"""The words of settings: which names are known, and which they replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import wraps
from typing import Any, TypeVar

Kind = TypeVar("Kind", bound=type)

RENAMED = {
    "num_frames": "frames",
    "prompt_style": "prompt",
    "dataset": "data",
    "dataset_config": "data_config",
    "dataset_revision": "data_revision",
    "model_name_or_path": "model",
    "model_revision": "revision",
    "on_bad_row": "on_bad_video",
    "bad_video": "on_bad_video",
    "max_rows": "limit",
    "type": "question_types",
    "categories": "labels",
    "encode_once": "share_vision",
}
"""Name of a setting before version 0.2 -> its name now. Old names are refused, not translated: a file should say what
its readers find in the documentation."""


def flag(name: str) -> str:
    """Return a setting's name as a flag: `max_steps` -> `--max-steps`."""
    return "--" + name.replace("_", "-")


def unknown_name(name: str, known: Iterable[str], show: Callable[[str], str] = str) -> str:
    """Return the sentence for a name that isn't a setting: the new name of an old one, or the nearest there is.

    Args:
        name: What was given, in Python's spelling.
        known: Names of the settings there are.
        show: How to spell a name, such as `flag`.
    """
    known = list(known)
    if RENAMED.get(name) in known:
        return f"{show(name)} is now called {show(RENAMED[name])}; use that"
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {show(near[0])}?" if near else "-h lists all of them"
    return f"there is no setting {show(name)}; {hint}"


def refuse_old_names(kind: Kind) -> Kind:
    """Make a dataclass answer the old name of a field with the new one, where Python would name only the old.

    Raises:
        TypeError: On construction, for an old name and for a misspelt one.
    """
    made = kind.__init__

    # wraps keeps the signature that help texts and editors show
    @wraps(made)
    def construct(self: Any, *positional: Any, **given: Any) -> None:
        check_names(given, [name for name, item in kind.__dataclass_fields__.items() if item.init])
        made(self, *positional, **given)

    kind.__init__ = construct
    return kind


def check_names(given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise TypeError for the first name that isn't known."""
    known = list(known)
    for name in given:
        if name not in known:
            raise TypeError(unknown_name(name, known))
