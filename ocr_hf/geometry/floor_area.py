"""Floor area of a scanned room."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial import Delaunay, QhullError

ALPHA = 5.0
"""VSI-Bench's alpha, 1 / metres: triangles with a circumscribed circle of less than 1 / ALPHA radius are floor."""
SAMPLES = 10_000
"""Points that VSI-Bench samples from a scan."""


def scan_floor_area(points: Float[np.ndarray, "n 3"], rng: np.random.Generator) -> float:
    """Return the area in square metres, as VSI-Bench measures a scan: alpha shape of SAMPLES points seen from above.

    points : (N, 3) float, metres, world, of the whole scan (walls and furniture stand above floor too)
    Raises ValueError as alpha_shape_area does.
    """
    chosen = points if len(points) <= SAMPLES else points[rng.choice(len(points), SAMPLES, replace=False)]
    return alpha_shape_area(chosen[:, :2])


def alpha_shape_area(points: Float[np.ndarray, "n 2"], alpha: float = ALPHA) -> float:
    """Return the area enclosed by the alpha shape of points (N, 2); holes in it (under a bed, say) count as floor.

    Raises ValueError for fewer than three points, for points on one line and for values that aren't finite.
    """
    import shapely

    if len(points) < 3 or not np.isfinite(points).all():
        raise ValueError(f"{len(points)} points span no floor; give at least three finite points (N, 2) in metres")
    try:
        # The alpha shape is a subset of the Delaunay triangulation (Edelsbrunner, Kirkpatrick and Seidel 1983).
        simplices = Delaunay(points).simplices
    except QhullError as error:
        raise ValueError(f"the {len(points)} points lie on one line and span no floor; give the whole scan") from error
    triangles = points[simplices]
    sides = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2)
    (ax, ay), (bx, by) = (triangles[:, 1] - triangles[:, 0]).T, (triangles[:, 2] - triangles[:, 0]).T
    area = np.abs(ax * by - ay * bx) / 2.0
    kept = simplices[sides.prod(axis=1) < 4.0 * area / alpha]  # circumscribed radius = product of sides / (4 area)
    edges = np.sort(np.concatenate([kept[:, [0, 1]], kept[:, [1, 2]], kept[:, [2, 0]]]), axis=1)
    # An edge of one kept triangle is on the outline; an edge of two is inside.
    unique, uses = np.unique(edges, axis=0, return_counts=True)
    outline = shapely.linestrings(points[unique[uses == 1]])
    # The outline's lines enclose the kept triangles and the holes in them; the areas of all these faces add up.
    return float(shapely.area(shapely.get_parts(shapely.polygonize(outline))).sum())
