"""What each kind of edit needs to be told, and the checks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ocr_hf.scenes.edits.replacements import MAKERS

REQUIRED: dict[str, tuple[str, ...]] = {
    "move": ("offset",),
    "rotate": ("degrees",),
    "scale": ("factors",),
    "remove": (),
    "swap": (),
    "replace": ("seed",),
    "warp": ("amplitude", "seed"),
    "recolor": ("color",),
    "add": ("label", "seed", "position", "degrees"),
    "extend": ("degrees", "at", "by"),
    "restore": (),
}
"""Kind of edit -> the parameters that it must have."""
OBJECTS = {"swap": 2, "extend": 0}
"""How many objects an edit names, where it isn't one."""
OPTIONAL: dict[str, tuple[str, ...]] = {"replace": ("label",), "move": ("degrees",)}
KINDS = tuple(REQUIRED)
"""Every kind of edit; `restore` takes back a remove, replace, warp, recolor or add."""


def checked_objects(kind: str, objects: Any) -> tuple[int, ...]:
    """Return the object ids of an edit; ValueError for a wrong number of them, for other types, for equal ones."""
    ids: tuple[Any, ...] = (objects,) if isinstance(objects, str) or not isinstance(objects, Sequence) else (*objects,)
    if not all(isinstance(item, (int, np.integer)) and not isinstance(item, bool) for item in ids):
        raise ValueError(f"{kind} has objects {objects!r}; give ids, whole numbers as in scene.objects")
    count = OBJECTS.get(kind, 1)
    if len(ids) != count:
        raise ValueError(f"{kind} has {len(ids)} objects; give {count}, and one edit for each further change")
    if kind == "swap" and ids[0] == ids[1]:
        raise ValueError(f"swap has object {ids[0]} twice; an object can't be swapped with itself, name two")
    return tuple(int(item) for item in ids)


def checked_parameters(kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an edit as Python numbers, tuples and strings.

    Raises ValueError for an unknown kind, unknown or missing parameters, and values out of range.
    """
    if not isinstance(kind, str) or kind not in REQUIRED:
        raise ValueError(f"edit kind is {kind!r}; choose one of {', '.join(KINDS)}")
    if not isinstance(parameters, Mapping):
        raise ValueError(f"{kind} has parameters {parameters!r}; give names and values, as in {{'degrees': 90}}")
    known = REQUIRED[kind] + OPTIONAL.get(kind, ())
    takes = f"{kind} takes {', '.join(known) or 'none'}"
    if unknown := sorted(set(parameters) - set(known)):
        raise ValueError(f"{kind} has unknown parameters {', '.join(unknown)}; {takes}")
    if missing := [name for name in REQUIRED[kind] if name not in parameters]:
        raise ValueError(f"{kind} lacks {', '.join(missing)}; {takes}")
    return {name: _CHECKS[name](f"{kind}'s {name}", parameters[name]) for name in known if name in parameters}


def _numbers(name: str, value: Any, lengths: tuple[int, ...], wanted: str) -> tuple[float, ...]:
    try:
        array = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        array = np.array([])
    if array.shape not in [(length,) for length in lengths] or not np.isfinite(array).all():
        raise ValueError(f"{name} is {value!r}; give {wanted}")
    return tuple(float(number) for number in array)


def _offset(name: str, value: Any) -> tuple[float, ...]:
    numbers = _numbers(name, value, (2, 3), "two or three finite numbers, metres along world x, y and z")
    return (*numbers, 0.0)[:3]


def _at(name: str, value: Any) -> float:
    return _numbers(name, value, (1,), "one finite number of metres")[0]


def _by(name: str, value: Any) -> float:
    (number,) = _numbers(name, value, (1,), "metres other than 0, at most 100")
    if not 0.0 < abs(number) <= 100.0:
        raise ValueError(f"{name} is {value!r}; give metres other than 0, at most 100")
    return number


def _position(name: str, value: Any) -> tuple[float, ...]:
    return _numbers(name, value, (3,), "three finite numbers, metres along world x, y and z")


def _degrees(name: str, value: Any) -> float:
    return _numbers(name, value, (1,), "one finite number of degrees")[0]


def _factors(name: str, value: Any) -> tuple[float, ...]:
    wanted = "one factor above 0, or three along the box's axes"
    numbers = _numbers(name, value, (1, 3), wanted)
    # The bounds keep a box from vanishing or overflowing; nobody means a factor beyond them.
    if min(numbers) < 1e-3 or max(numbers) > 1e3:
        raise ValueError(f"{name} is {value!r}; give {wanted}, from 0.001 to 1000")
    return numbers * 3 if len(numbers) == 1 else numbers


def _amplitude(name: str, value: Any) -> float:
    (number,) = _numbers(name, value, (1,), "one share of the box's diagonal, from 0 to 0.5")
    if not 0.0 <= number <= 0.5:
        raise ValueError(f"{name} is {value!r}; give one share of the box's diagonal, from 0 to 0.5")
    return number


def _seed(name: str, value: Any) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is {value!r}; give a whole number of at least 0")
    return int(value)


def _label(name: str, value: Any) -> str:
    if not isinstance(value, str) or value not in MAKERS:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(sorted(MAKERS))}")
    return value


def _color(name: str, value: Any) -> tuple[float, ...]:
    numbers = _numbers(name, value, (3,), "three sRGB numbers from 0 to 1")
    if not all(0.0 <= number <= 1.0 for number in numbers):
        raise ValueError(f"{name} is {value!r}; give three sRGB numbers from 0 to 1")
    return numbers


_CHECKS = {
    "offset": _offset,
    "position": _position,
    "at": _at,
    "by": _by,
    "degrees": _degrees,
    "factors": _factors,
    "amplitude": _amplitude,
    "seed": _seed,
    "label": _label,
    "color": _color,
}
