"""How large things are: every maker's models get a longest side drawn from a spread as wide as that of real rooms.

The spreads follow the statistics of VSI-Bench's object annotations (tenth, fiftieth and ninetieth percentile of the
longest side per category), rounded; for categories that it lacks they are ours. Without them the name of a thing tells
its size, and a model that never looks at the video answers most questions about sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import ParamSpec

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model

_Z90 = 1.2816
"""The ninetieth percentile of a standard normal distribution."""
_MOST = 1.9
"""Sizes end where a normal distribution has 3 % on each side left: a real room holds no chair of two metres."""
GIVEN = frozenset({"width", "length", "height"})
"""Arguments by which a room asks for a size; such a model is left as it is."""
P = ParamSpec("P")


def sized(
    q10: float, q50: float, q90: float, follow: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> Callable[[Callable[P, Model]], Callable[P, Model]]:
    """Decorate a maker of models: scale what it makes to a longest side drawn from a split log-normal distribution.

    Args:
        q10: tenth percentile of the longest side, metres.
        q50: its median, metres.
        q90: its ninetieth percentile, metres.
        follow: how the sides (x, y, z) follow the longest one, as exponents of its factor: 1 in proportion, 0 not at
            all. A table of two metres is no higher than one of one metre.

    Returns:
        The decorator. A call that gives `width`, `length` or `height` isn't scaled: the room has set the size.
    """

    def decorate(make: Callable[P, Model]) -> Callable[P, Model]:
        @wraps(make)
        def made(*args: P.args, **kwargs: P.kwargs) -> Model:
            model = make(*args, **kwargs)
            if any(kwargs.get(name) is not None for name in GIVEN):
                return model
            # The maker's own generator, after it is done: its first argument by convention
            rng = args[0]
            assert isinstance(rng, np.random.Generator)
            normal = float(np.clip(rng.normal(), -_MOST, _MOST)) / _Z90
            longest = q50 * (q90 / q50) ** normal if normal > 0.0 else q50 * (q10 / q50) ** -normal
            return scaled(model, (longest / float(model.size.max())) ** np.array(follow))

        return made

    return decorate


def scaled(model: Model, factors: np.ndarray) -> Model:
    """Return a model stretched by `factors` (3,) along its axes, the places where things can stand with it."""
    x, y, z = (float(factor) for factor in factors)
    surfaces = tuple(
        replace(s, z=s.z * z, x0=s.x0 * x, x1=s.x1 * x, y0=s.y0 * y, y1=s.y1 * y, clearance=s.clearance * z)
        for s in model.surfaces
    )
    meshes = tuple(replace(mesh, vertices=mesh.vertices * factors) for mesh in model.meshes)
    return Model(model.label, model.size * factors, meshes, surfaces)
