"""What a mesh file doesn't say itself and its user may: its vertical axis, its unit, what to do with strays."""

from __future__ import annotations

AXES = {"y": 1, "z": 2}
"""What `up` may be -> number of the axis."""
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
"""What `units` may be -> metres."""
WORDS = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "in": "inches", "ft": "feet"}
STRAYS = ("keep", "drop")
"""What `strays` may be."""


def check_options(up: str | None, units: str | None, strays: str | None) -> None:
    """Raise ValueError for a value of `up`, `units` or `strays` that there isn't; None is always right."""
    for name, value, known in (("up", up, AXES), ("units", units, UNITS), ("strays", strays, STRAYS)):
        if value is not None and value not in known:
            *some, last = known
            raise ValueError(f"{name} is '{value}'; choose {', '.join(some)} or {last}")
