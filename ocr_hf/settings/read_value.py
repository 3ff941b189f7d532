"""Values of settings as the type of their field, from the text of a flag or the value in a YAML file.

The types are those of our dataclasses and of TRL's and transformers' (`str | None`, `dict[str, Any] | str | None`,
`SchedulerType | str`, `tuple[str, ...]`, ...). What a type can't decide, such as whether a name is registered, the
dataclass itself checks.
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class SettingError(ValueError):
    """A setting's value can't be read as what the setting is; the message names both."""


def members(hint: Any) -> tuple[Any, ...]:
    """Return the types that a type hint allows, without None."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return tuple(part for part in parts if part is not NoneType)


def is_list(hint: Any) -> bool:
    """Return whether a setting may hold several values, and so may be given several times as a flag."""
    return any(get_origin(part) in (list, tuple) for part in members(hint))


def is_switch(hint: Any) -> bool:
    """Return whether a setting is on or off and nothing else."""
    return members(hint) == (bool,)


def can_be_given(hint: Any) -> bool:
    """Return whether text can say a value of this type; objects such as accelerate's ParallelismConfig it can't."""
    return any(_base(part) is not None for part in members(hint))


def metavar(hint: Any) -> str:
    """Return what help shows for a value of this type."""
    names = {int: "<int>", float: "<float>", bool: "<bool>", dict: "<json>", Path: "<path>"}
    parts = [get_args(part)[0] if _base(part) in (list, tuple) else part for part in members(hint)]
    kinds = [_base(part) for part in parts]
    for kind in (dict, bool, int, float, Path):
        if kind in kinds and not (kind is int and float in kinds):
            return names[kind]
    return "<text>"


def read_value(hint: Any, value: Any, name: str) -> Any:
    """Return a value as the type of its field.

    Args:
        hint: The field's type.
        value: Text or list of texts from flags, or what YAML holds.
        name: Of the setting, for the message.

    Raises:
        SettingError: The value is of no type that the field allows.
    """
    kinds = members(hint)
    optional = hint is Any or NoneType in (get_args(hint) or (hint,))
    bases = {_base(kind) for kind in kinds}
    # Text that may be any text stays text: `report_to: none` is a name of transformers'
    if optional and str not in bases and str(value).lower() in ("none", "null"):
        return None
    if value is None:
        if optional:
            return None
        raise SettingError(f"{name} is null; give a value, or leave it out")
    if str in bases and not isinstance(value, list | tuple):
        kinds = tuple(kind for kind in kinds if _base(kind) not in (list, tuple))  # one text is not a list of one
    problems = []
    for kind in sorted(kinds, key=_order):
        try:
            return _as(kind, value, name)
        except SettingError as error:
            problems.append(error)
    raise problems[0]


def _base(kind: Any) -> type | None:
    """Return which of the kinds of value below a type is, None for one that text can't say."""
    origin = get_origin(kind) or kind
    if origin is Literal or kind is Any:
        return str
    if isinstance(origin, type):
        if issubclass(origin, Enum):
            return Enum
        for base in (bool, int, float, str, Path, dict, list, tuple):
            if issubclass(origin, base):
                return base
    return None


def _order(kind: Any) -> int:
    """Narrow types first: text can be read as nearly all of them."""
    return [bool, int, float, dict, list, tuple, Path, Enum, str, None].index(_base(kind))


def _as(kind: Any, value: Any, name: str) -> Any:
    base = _base(kind)
    if base in (list, tuple):
        item = (get_args(kind) or (str,))[0]
        values = value if isinstance(value, list | tuple) else [value]
        return base(read_value(item, one, name) for one in values)
    if base not in _READ:
        raise SettingError(f"{name} can't be given as text; set it in Python")
    return _READ[base](kind, value, name)


def _switch(kind: Any, value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in _TRUE + _FALSE:
        raise SettingError(f"{name} is '{value}'; give true or false")
    return word in _TRUE


def _whole(kind: Any, value: Any, name: str) -> int:
    try:
        if isinstance(value, bool | list | dict):
            raise ValueError
        # int() takes no exponent, and 1e4 is a whole number to whoever writes it
        number = float(value) if not isinstance(value, str) or "e" in value.lower() else int(value)
        if number != int(number):
            raise ValueError
        return int(number)
    except (ValueError, OverflowError):
        raise SettingError(f"{name} is '{value}'; give a whole number") from None


def _number(kind: Any, value: Any, name: str) -> float:
    # PyYAML takes 1e-6, which everyone writes, for text
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (ValueError, TypeError):
        raise SettingError(f"{name} is '{value}'; give a number") from None


def _mapping(kind: Any, value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise SettingError(f"{name} is not JSON ({error}); give an object such as '{{\"key\": 1}}'") from None
    if not isinstance(value, dict):
        raise SettingError(f"{name} is '{value}'; give a mapping, as a flag in JSON")
    return value


def _text(kind: Any, value: Any, name: str) -> Any:
    if get_origin(kind) is Literal and value not in get_args(kind):
        for choice in get_args(kind):
            if not isinstance(choice, str) and str(value).lower() == str(choice).lower():
                return choice
        if not any(isinstance(choice, str) for choice in get_args(kind)):
            raise SettingError(f"{name} is '{value}'; choose one of {', '.join(map(str, get_args(kind)))}")
    if isinstance(value, bool | dict | list | tuple):
        # YAML reads bare yes, no, on and off as booleans
        raise SettingError(f"{name} is {value!r}; give text, in YAML in quotes")
    return str(value)


def _path(kind: Any, value: Any, name: str) -> Path:
    return Path(_text(str, value, name))


def _choice(kind: type[Enum], value: Any, name: str) -> Any:
    if isinstance(value, kind):
        return value
    choices = {str(choice.value): choice for choice in kind}
    word = "no" if value is False else str(value)  # YAML reads a bare no as false
    if word not in choices:
        raise SettingError(f"{name} is '{value}'; choose one of {', '.join(choices)}")
    return choices[word].value


_READ = {bool: _switch, int: _whole, float: _number, dict: _mapping, str: _text, Path: _path, Enum: _choice}
