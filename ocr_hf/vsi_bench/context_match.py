"""Which objects of the context are like those that a question names: as many, of like share of the pixels and as long
in view, so that noise on the ones and on the others takes away equally much.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ocr_hf.geometry.footprints import Footprints

LIKE = 2.0
"""An object is like another if its pixels and its frames are at most so many times the other's, and at least 1/2."""


def match_context(footprints: Footprints, queried: Iterable[int]) -> tuple[int, ...] | None:
    """Return as many objects that the question does not name, each like one that it names.

    Of all one-to-one assignments with every pair within LIKE, the one of least distance: the sum over pairs of
    |log2(pixels / pixels)| + |log2(frames / frames)|. It depends on the footprints alone, not on a seed.

    Args:
        footprints: of the frames that are shown.
        queried: ids of the objects that the question names; those that no frame shows need no match.

    Returns:
        Ids, ascending; None where some named object has no match of its own, or none is shown.
    """
    from scipy.optimize import linear_sum_assignment

    areas = {item: footprints.areas(item) for item in footprints.object_ids}
    seen = {item: found for item, found in areas.items() if found.any()}
    named = sorted(set(queried) & seen.keys())
    others = sorted(seen.keys() - set(queried))
    if not named or len(others) < len(named):
        return None
    # (objects,) log2 of the pixels in all frames, and of the frames in which the object is seen
    measures = [np.log2([measure(seen[item]) for item in named + others]) for measure in (np.sum, np.count_nonzero)]
    apart = [np.abs(values[: len(named), None] - values[None, len(named) :]) for values in measures]
    unlike = np.maximum(*apart) > np.log2(LIKE)
    # A sum of distances can't reach the price of one pair that is too unlike
    cost = np.where(unlike, 1e6, apart[0] + apart[1])
    rows, columns = linear_sum_assignment(cost)
    if unlike[rows, columns].any():
        return None
    return tuple(sorted(others[column] for column in columns))
