"""Which objects are perturbed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.perturb.keys import generator, stable_key

Policy = Literal["visible", "queried", "context"]
POLICIES: tuple[str, ...] = get_args(Policy)


def visible_objects(footprints: Footprints, min_visible: float | int = 0.0) -> tuple[int, ...]:
    """Return the ids, ascending, of objects that cover more than `min_visible` of the pixels of at least one frame."""
    least = min_visible * footprints.height * footprints.width
    # More than, not at least: with the default 0 an object must be seen to count.
    return tuple(i for i in footprints.object_ids if footprints.areas(i).max() > least)


def candidates(policy: str, visible: Iterable[int], queried: Iterable[int]) -> tuple[int, ...]:
    """Return the ids, ascending, that a policy samples from.

    visible : every visible object
    queried : the visible ones among the objects that the question names
    context : the visible ones that the question does not name
    Raises ValueError for any other policy.
    """
    visible, queried = set(visible), set(queried)
    if policy == "visible":
        chosen = visible
    elif policy == "queried":
        chosen = visible & queried
    elif policy == "context":
        chosen = visible - queried
    else:
        raise ValueError(f"select is '{policy}'; choose one of {', '.join(POLICIES)}")
    return tuple(sorted(chosen))


def sample_objects(objects: tuple[int, ...], count: int, seed: int, row_id: int | str, step: int) -> tuple[int, ...]:
    """Return `count` of the objects (all of them if there are fewer), ascending, sampled uniformly without
    replacement.

    The sample is a pure function of its arguments. For one (seed, row, step) a smaller count gives a subset.
    """
    rng = generator(stable_key("select", seed, row_id, step))
    # A prefix of one permutation, not rng.choice: annealing takes objects away and never swaps them.
    order = rng.permutation(len(objects))[: max(count, 0)]
    return tuple(sorted(objects[i] for i in order))
