"""A value is the same from a flag's text, from YAML and in Python; what can't be read names itself."""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.settings.command_options import as_flags, make, settings_of
from ocr_hf.settings.read_value import SettingError, read_value


class Pace(Enum):
    SLOW = "slow"
    NEVER = "no"


@dataclasses.dataclass
class Everything:
    """One field of each shape that our dataclasses, TRL's and transformers' have."""

    whole: int = 3
    share: float = 0.5
    on: bool = False
    maybe: bool | None = None
    text: str = "a"
    word: str | None = None
    most: int | None = None
    folder: Path = Path("here")
    many: tuple[str, ...] = ()
    weights: list[float] | None = None
    names: list[str] = dataclasses.field(default_factory=lambda: ["a", "b"])
    extra: dict[str, Any] | str | None = None
    pace: Pace | str = "slow"
    target: None | str | list[str] = None
    space: str | Literal[False] | None = None


PRINTABLE = st.text("abcdefXYZ.-_/ 0123456789", min_size=1).filter(
    lambda text: text.lower() not in ("none", "null", "true", "false", "no", "yes") and not text.startswith("{")
)
VALUES = {
    "whole": st.integers(-(10**9), 10**9),
    "share": st.floats(allow_nan=False, allow_infinity=False),
    "on": st.booleans(),
    "maybe": st.booleans(),
    "text": PRINTABLE,
    "word": PRINTABLE,
    "most": st.integers(0, 10**9),
    "folder": PRINTABLE.map(Path),
    "many": st.lists(PRINTABLE, min_size=1).map(tuple),
    "weights": st.lists(st.floats(-1e9, 1e9), min_size=1),
    "names": st.lists(PRINTABLE, min_size=1),
    "extra": st.dictionaries(PRINTABLE, st.integers()),
    "pace": st.sampled_from(["slow", "no"]),
    "target": st.lists(PRINTABLE, min_size=2),
    "space": PRINTABLE,
}


def as_text(value: Any) -> Any:
    """A value as the flags that give it."""
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return json.dumps(value) if isinstance(value, dict) else value if isinstance(value, bool) else str(value)


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_flags_yaml_and_python_agree(values: dict[str, Any]) -> None:
    python = Everything(**values)
    (flags,) = make([Everything], {name: as_text(value) for name, value in values.items()}, {})
    plain = {name: [*v] if isinstance(v, tuple) else str(v) if name == "folder" else v for name, v in values.items()}
    (file,) = make([Everything], {}, yaml.safe_load(yaml.safe_dump(plain)) or {})
    assert flags == file == python
    assert [type(v) for v in vars(flags).values()] == [type(v) for v in vars(python).values()]


def test_flags_go_before_the_file() -> None:
    (made,) = make([Everything], {"whole": "7", "many": ["x"]}, {"whole": 1, "share": 0.25, "many": ["y", "z"]})
    assert (made.whole, made.share, made.many) == (7, 0.25, ("x",))


@pytest.mark.parametrize(
    ("hint", "value", "read"),
    [
        (float, "1e-6", 1e-6),  # PyYAML reads what everyone writes as text
        (int, "1e3", 1000),
        (int | None, "none", None),
        (str | None, "none", "none"),  # report_to: none
        (Pace | str, False, "no"),  # eval_strategy: no
        (tuple[str, ...], "alone", ("alone",)),
        (None | str | list[str], "^a.*b$", "^a.*b$"),  # a pattern; ["^a.*b$"] would be a name
        (dict | str | None, '{"a": [1, 2]}', {"a": [1, 2]}),
        (dict | str | None, "ds.json", "ds.json"),
        (bool, "1", True),
        (str, 66285546, "66285546"),
    ],
)
def test_reading(hint: Any, value: Any, read: Any) -> None:
    found = read_value(hint, value, "it")
    assert found == read and type(found) is type(read)


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (int, "many", "it is 'many'; give a whole number"),
        (int, 2.5, "it is '2.5'; give a whole number"),
        (int, True, "it is 'True'; give a whole number"),
        (float, "fast", "it is 'fast'; give a number"),
        (bool, "perhaps", "it is 'perhaps'; give true or false"),
        (str, True, "it is True; give text, in YAML in quotes"),
        (int, None, "it is null; give a value, or leave it out"),
        (dict[str, bool] | None, "{a}", "it is not JSON"),
        (list[float] | None, ["1", "x"], "it is 'x'; give a number"),
    ],
)
def test_what_cannot_be_read_names_itself(hint: Any, value: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message.replace("(", r"\(")):
        read_value(hint, value, "it")


def test_config_as_flags_gives_the_config_again() -> None:
    config = Everything(whole=9, on=True, many=("a b", "c"), word="w")
    words = as_flags(config)
    assert words == ["--whole", "9", "--on", "--word", "w", "--many", "a b", "--many", "c"]


def test_one_name_in_two_dataclasses_is_refused() -> None:
    with pytest.raises(TypeError, match="whole, .*: fields of more than one of Everything, Everything|extra, .*"):
        settings_of(Everything, Everything)
